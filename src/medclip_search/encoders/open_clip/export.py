"""A model of open_clip exported, so that ONNX Runtime alone can run it; needs PyTorch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.encoders import hub
from medclip_search.encoders.base import EncoderSpec, Floats
from medclip_search.encoders.onnx_writing import write_int8
from medclip_search.encoders.open_clip import choose, export_place, onnx_files, torch_loading
from medclip_search.encoders.open_clip.agreement import (
    TEXTS,
    Agreement,
    Vectors,
    agreement,
    pictures,
)
from medclip_search.encoders.open_clip.exported import (
    TOKENIZER,
    TOWERS,
    Description,
    ExportedFile,
    is_exported,
    network_name,
    write_page,
)
from medclip_search.encoders.open_clip.fingerprint import fingerprint
from medclip_search.encoders.open_clip.network import Layer, Tokens
from medclip_search.encoders.open_clip.onnx_runtime import OnnxNetwork
from medclip_search.encoders.open_clip.packages import INSTALL, require_packages
from medclip_search.encoders.open_clip.source import Source, folder_of
from medclip_search.encoders.open_clip.words import tokenizer_of
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError
from medclip_search.progress import SILENT, Advance, Progress

LEAST_FLOAT32 = 0.9999
"""The least cosine to PyTorch with which an export is kept."""

GOOD_INT8 = 0.98
"""Below this the report warns of the 8-bit networks."""

_PROGRAMS = ("medclip-search", "torch", "open_clip_torch", "timm", "transformers", "onnxruntime")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported. ``made`` is false where the folder held it already, whole."""

    folder: Path
    description: Description
    made: bool

    @property
    def size(self) -> int:
        """Of the folder, in bytes."""
        return sum(file.size for file in self.description.files.values())

    def lines(self) -> list[str]:
        """For people to read."""
        verb = "exported to" if self.made else "was exported before, to"
        float32, int8 = self.description.float32, self.description.int8
        told = [
            f"{self.description.model}: {verb} {self.folder} ({self.size / 1e6:,.0f} MB)",
            f"float32: cosine to PyTorch at least {float32.minimum:.6f}",
        ]
        if int8 is not None:
            told.append(
                f"int8: cosine to PyTorch at least {int8.minimum:.4f}, {int8.mean:.4f} on average"
            )
            if int8.minimum < GOOD_INT8:
                told.append(
                    f"warning: the 8-bit networks agree to less than {GOOD_INT8}; compare their "
                    "answers with those of float32 before you rely on them"
                )
        return told


def export(
    spec: EncoderSpec,
    output: Path | None = None,
    *,
    int8: bool = False,
    progress: Progress = SILENT,
) -> ExportReport:
    """Export the model that ``spec`` means to ``output``, by default where it will be found.

    The folder appears whole or not at all; one that holds this model already, whole, is left as
    it is, and one that holds anything else is refused. Raises ``EncoderUnavailableError``,
    ``UsageError``, and ``EncoderError`` where the export does not agree with PyTorch or cannot
    be written.
    """
    if is_exported(given := folder_of(choose.model_of(spec))):
        raise UsageError(
            f"{given}: is exported already; use it as it is, or give --model with what it was "
            "exported from"
        )
    source = choose.source_of(spec)
    mark = fingerprint(source)
    folder = output or choose.exports() / mark
    try:
        if (found := export_place.found_in(folder, mark, int8=int8)) is not None:
            return ExportReport(folder, found.description, made=False)
        require_packages(source.label)
        if importlib.util.find_spec("onnx") is None:
            raise EncoderUnavailableError(f"{source.label}: onnx is not installed; {INSTALL}")
        with export_place.held(folder, progress):
            # Again, for another may have made it while this one waited.
            if (found := export_place.found_in(folder, mark, int8=int8)) is not None:
                return ExportReport(folder, found.description, made=False)
            with (
                export_place.draft_of(folder) as draft,
                progress("exporting", 6 if int8 else 3, "step") as advance,
            ):
                description = _export(source, mark, draft, int8, advance)
                export_place.put(draft, folder)
    except OSError as error:
        raise EncoderError(
            f"{folder}: the export cannot be written ({error.strerror or error}); make room "
            "or choose another folder"
        ) from error
    return ExportReport(folder, description, made=True)


def _export(source: Source, mark: str, draft: Path, int8: bool, advance: Advance) -> Description:
    """Write all files to ``draft`` and measure how well they agree with PyTorch."""
    model = torch_loading.load(source)
    words = tokenizer_of(model.tokenizer)
    tokens = model.tokens(TEXTS)
    if not np.array_equal(words(TEXTS), tokens):
        raise EncoderError(
            f"{source.label}: its tokenizer gives other tokens without open_clip; use "
            "--runtime torch"
        )
    pixels = np.stack([source.preprocessing(picture) for picture in pictures()])
    layers: tuple[Layer, ...] = ("joint",) if source.timm_trunk is None else ("joint", "trunk")
    expected = _by_torch(model.network, pixels, tokens, layers)
    padding = None if source.text is None else int(model.network.text.config.pad_token_id)

    words.save(draft / TOKENIZER)
    with _explained(source.label):
        image, text = (draft / network_name(tower) for tower in TOWERS)
        onnx_files.write_image(model.network, source.preprocessing.size, layers, image)
        advance(1)
        onnx_files.write_words(model.network, tokens[:2], text, any_length=padding is not None)
        advance(1)
        for tower in TOWERS if int8 else ():
            small = draft / network_name(tower, int8=True)
            write_int8(draft / network_name(tower), small)
            advance(1)

    dimensions: dict[Layer, int] = {layer: expected[layer].shape[1] for layer in layers}
    description = Description(
        name=source.name,
        model=source.label if source.label.startswith(hub.PREFIX) else source.name,
        fingerprint=mark,
        dimensions=dimensions,
        preprocessing=source.preprocessing,
        words=words.rules,
        padding=padding,
        files={path.name: ExportedFile.of(path) for path in sorted(draft.iterdir())},
        programs={name: importlib.metadata.version(name) for name in _PROGRAMS},
    )

    def measured(small: bool) -> Agreement:
        network = OnnxNetwork(draft, int8=small)
        made: dict[str, Floats] = {"words": network.words(tokens)}
        made |= {str(layer): one for layer, one in network.images(pixels, layers).items()}
        advance(1)
        return agreement(made, expected)

    write_page(draft, description)
    description = replace(description, float32=measured(False))
    if description.float32.minimum < LEAST_FLOAT32:
        raise EncoderError(
            f"{source.label}: its export's cosine to PyTorch is only "
            f"{description.float32.minimum:.6f}, below {LEAST_FLOAT32}; nothing was kept: use "
            "--runtime torch"
        )
    if int8:
        description = replace(description, int8=measured(True))
    write_page(draft, description)
    return description


def _by_torch(network: Any, pixels: Floats, tokens: Tokens, layers: Sequence[Layer]) -> Vectors:
    """The vectors to agree with: those of open_clip's own methods, nothing left out."""
    import torch

    with torch.inference_mode():
        images = torch.from_numpy(pixels)
        made = {
            "words": network.encode_text(torch.from_numpy(tokens)),
            "joint": network.encode_image(images),
        }
        if "trunk" in layers:
            made["trunk"] = network.visual.trunk(images)
    return {key: vectors.float().numpy() for key, vectors in made.items()}


@contextmanager
def _explained(label: str) -> Iterator[None]:
    """What the exporter cannot do becomes one line; its exceptions have no common root."""
    try:
        yield
    except (OSError, EncoderError):
        raise
    except Exception as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EncoderError(
            f"{label}: PyTorch cannot export this model ({said[:160]}); use --runtime torch"
        ) from error
