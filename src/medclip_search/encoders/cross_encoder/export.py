"""A cross-encoder exported, so that ONNX Runtime alone can run it; needs PyTorch.

The folder is as Optimum writes it (``model.onnx``, ``config.json``, ``tokenizer.json``), with a
page beside them that says what it was made from and how well it agrees.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.encoders.base import Floats
from medclip_search.encoders.cross_encoder.choose import exported_to
from medclip_search.encoders.cross_encoder.onnx_runtime import OnnxCrossEncoder
from medclip_search.encoders.cross_encoder.pairs import TEXTS, CrossEncoder
from medclip_search.encoders.cross_encoder.source import (
    CONFIG,
    INSTALL,
    NETWORK,
    Source,
    find,
    require_packages,
)
from medclip_search.encoders.cross_encoder.torch_runtime import TorchCrossEncoder, load_torch, taken
from medclip_search.encoders.onnx_writing import write, write_int8
from medclip_search.encoders.open_clip.export_place import draft_of, held
from medclip_search.encoders.open_clip.remembered import sha256_of
from medclip_search.encoders.open_clip.torch_loading import explained
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError
from medclip_search.progress import SILENT, Progress

PAGE = "medclip_reranker.json"
MOST_DIFFERENCE = 1e-3
"""The largest difference of a logit from PyTorch's with which an export is kept."""

_PROGRAMS = ("medclip-search", "torch", "transformers", "onnxruntime")


@dataclass(frozen=True, slots=True)
class RerankerExport:
    """What was exported: ``largest`` and ``mean`` are how far its logits are from PyTorch's."""

    model: str
    weights: str
    int8: bool
    largest: float
    mean: float
    programs: dict[str, str]

    def lines(self, folder: Path) -> list[str]:
        """For people to read."""
        size = sum(path.stat().st_size for path in folder.iterdir())
        kind = "8-bit weights" if self.int8 else "float32"
        return [
            f"{self.model}: exported to {folder} ({size / 1e6:,.0f} MB, {kind})",
            f"its logits differ from PyTorch's by {self.largest:.6f} at most, {self.mean:.6f} on "
            "average",
        ]


def export(
    model: str | Path,
    output: Path | None = None,
    *,
    int8: bool = False,
    progress: Progress = SILENT,
) -> tuple[Path, RerankerExport]:
    """Export a cross-encoder to ``output``, by default where ``--rerank`` finds it by itself.

    ``int8`` writes 8-bit weights instead: about three times as fast on a CPU, less exact. The
    folder appears whole or not at all; an earlier export is replaced, anything else refused.
    Raises ``EncoderUnavailableError``, ``UsageError`` and ``EncoderError``.
    """
    source = find(str(model))
    if source.weights is None:
        raise UsageError(f"{source.label}: is exported already; use it as it is")
    require_packages(source.label)
    if importlib.util.find_spec("onnx") is None:
        raise EncoderUnavailableError(f"{source.label}: onnx is not installed; {INSTALL}")
    folder = output or exported_to(source)
    try:
        with held(folder, progress):
            if folder.exists() and any(folder.iterdir()) and not (folder / PAGE).is_file():
                raise UsageError(f"{folder}: is there and is not an export; choose another")
            with draft_of(folder) as draft, progress("exporting", 1, "model") as advance:
                report = _export(source, source.weights, draft, int8=int8)
                if folder.exists():
                    folder.rename(draft.with_name("old"))
                draft.rename(folder)
                advance(1)
    except OSError as error:
        raise EncoderError(
            f"{folder}: the export cannot be written ({error.strerror or error}); make room or "
            "choose another folder"
        ) from error
    return folder, report


def _export(source: Source, weights: Path, draft: Path, *, int8: bool) -> RerankerExport:
    reference = TorchCrossEncoder(source, on="cpu")
    shutil.copyfile(source.folder / CONFIG, draft / CONFIG)
    reference.pairs.save(draft / "tokenizer.json")
    # The exporter knows attention written out; fused, it may not.
    network, pairs = load_torch(source, attn_implementation="eager")
    with explained(f"{source.label}: PyTorch cannot export this model", "use it without export"):
        whole = draft / (f"whole-{NETWORK}" if int8 else NETWORK)
        _write(network, pairs(*TEXTS[0]), whole)
        if int8:
            write_int8(whole, draft / NETWORK)
            for path in draft.glob(f"{whole.name}*"):
                path.unlink()
    made = OnnxCrossEncoder(Source(source.label, draft, source.config, network=draft / NETWORK))
    apart = np.abs(_scores(made) - _scores(reference))
    if not int8 and not apart.max() <= MOST_DIFFERENCE:
        raise EncoderError(
            f"{source.label}: its export's logits differ from PyTorch's by {apart.max():.4f}, more "
            f"than {MOST_DIFFERENCE}; nothing was kept: use it without export"
        )
    programs = {name: importlib.metadata.version(name) for name in _PROGRAMS}
    report = RerankerExport(
        source.label, sha256_of(weights), int8, float(apart.max()), float(apart.mean()), programs
    )
    (draft / PAGE).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return report


def _write(network: Any, tokens: Any, path: Path) -> None:
    """The network of (n, length) inputs to ``logits`` (n, labels)."""
    import torch

    takes = taken(network)

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *given: Any) -> Any:
            return self.network(**dict(zip(takes, given, strict=True))).logits

    axes = {name: {0: "n", 1: "length"} for name in takes} | {"logits": {0: "n"}}
    example = {name: torch.from_numpy(tokens[name]) for name in takes}
    write(Logits(), example, path, ("logits",), axes)


def _scores(model: CrossEncoder) -> Floats:
    return np.concatenate([model.score(query, texts) for query, texts in TEXTS])
