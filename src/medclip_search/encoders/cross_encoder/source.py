"""Where a cross-encoder lies: a folder as transformers or Optimum writes it, or the hub."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medclip_search.encoders import hub
from medclip_search.encoders.open_clip.source import folder_of
from medclip_search.encoders.open_clip.text_source import TOKENIZER
from medclip_search.errors import EncoderUnavailableError

MEDCPT = "ncbi/MedCPT-Cross-Encoder"
OPTION = "--rerank"
CONFIG = "config.json"
NETWORK = "model.onnx"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Safetensors first: they can hold nothing but tensors."""

MOST_TOKENS = 512
INSTALL = "pip install 'medclip-search[rerank]'"

_PACKAGES = ("torch", "transformers", "huggingface_hub")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_OFFSET = frozenset({"roberta", "xlm-roberta", "camembert"})
"""Models that count their positions from the padding's id on."""


@dataclass(frozen=True)
class Source:
    """A model, found. ``label`` is how messages call it; ``folder`` holds configuration and
    tokenizer; ``weights`` are PyTorch's, ``network`` is ONNX Runtime's: at least one is there."""

    label: str
    folder: Path
    config: Mapping[str, Any]
    weights: Path | None = None
    network: Path | None = None

    @property
    def length(self) -> int:
        """The most tokens of a pair."""
        positions = int(self.config.get("max_position_embeddings") or MOST_TOKENS)
        if self.config.get("model_type") in _OFFSET:
            positions -= self.padding + 1
        return min(MOST_TOKENS, positions)

    @property
    def padding(self) -> int:
        return int(self.config.get("pad_token_id") or 0)


def find(model: str) -> Source:
    """The model that ``--rerank`` means: a folder, or ``ORGANISATION/MODEL`` of the hub.

    Downloads what is not in the cache. Raises ``EncoderUnavailableError`` or ``EncoderError``.
    """
    folder = folder_of(model)
    if folder.is_dir():
        return _in_folder(folder, str(folder))
    repository = model.removeprefix(hub.PREFIX)
    if model.startswith(hub.PREFIX) or _REPOSITORY.fullmatch(model):
        return _on_hub(repository)
    raise EncoderUnavailableError(
        f"{OPTION} {model}: there is no such folder; give a folder with {CONFIG}, or "
        f"ORGANISATION/MODEL of the Hugging Face hub, such as {MEDCPT}"
    )


def missing_package() -> str | None:
    """The first package for PyTorch that is not installed; none of them is imported."""
    return next((name for name in _PACKAGES if importlib.util.find_spec(name) is None), None)


def require_packages(label: str) -> None:
    """Raises ``EncoderUnavailableError`` where PyTorch or transformers is absent."""
    if (package := missing_package()) is not None:
        raise EncoderUnavailableError(
            f"{label}: {package} is not installed; {INSTALL}, or give {OPTION} with a folder that "
            "'medclip-search reranker export' wrote"
        )


def _in_folder(folder: Path, label: str) -> Source:
    if not (folder / CONFIG).is_file():
        raise EncoderUnavailableError(
            f"{label}: has no {CONFIG}; give the folder of a cross-encoder of transformers, or one "
            "that 'medclip-search reranker export' wrote"
        )
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    network = folder / NETWORK if (folder / NETWORK).is_file() else None
    if weights is None and network is None:
        raise EncoderUnavailableError(
            f"{label}: has neither {WEIGHTS[0]} nor {WEIGHTS[1]} nor {NETWORK}; copy one there too"
        )
    return Source(label, folder, _read_config(folder / CONFIG), weights, network)


def _on_hub(repository: str) -> Source:
    """From the cache without a word to the network where all is there, else downloaded."""
    files = ((CONFIG,), WEIGHTS, TOKENIZER)
    if any(hub.cached(repository, names, OPTION) is None for names in files):
        require_packages(f"{hub.PREFIX}{repository}")
        for names in files:
            every = names is TOKENIZER
            if hub.fetched(repository, names, every=every, option=OPTION) is None:
                raise EncoderUnavailableError(
                    f"{hub.PREFIX}{repository}: has no {names[0]}; it is no cross-encoder of "
                    "transformers: choose another"
                )
    config = hub.cached(repository, (CONFIG,), OPTION)
    if config is None:
        raise EncoderUnavailableError(
            f"{hub.PREFIX}{repository}: the cache does not keep what was downloaded; set HF_HOME "
            "to a folder that can be written to"
        )
    return _in_folder(config.parent, f"{hub.PREFIX}{repository}")


def _read_config(path: Path) -> Mapping[str, Any]:
    """Raises ``EncoderUnavailableError`` where the configuration is not a cross-encoder's."""
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
        architectures = " ".join(config.get("architectures") or ())
        labels = len(config.get("id2label") or ()) or int(config.get("num_labels", 2))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise EncoderUnavailableError(
            f"{path}: is not a model's configuration; copy or download the model again"
        ) from error
    if "ForSequenceClassification" not in architectures or labels > 2:
        told = f"{labels} labels" if labels > 2 else architectures or "no architecture"
        raise EncoderUnavailableError(
            f"{path}: describes no cross-encoder ({told}); give one such as {MEDCPT}, a model for "
            "sequence classification with one label"
        )
    found: Mapping[str, Any] = config
    return found
