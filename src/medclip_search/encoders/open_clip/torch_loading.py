"""A model of open_clip, loaded by open_clip itself from files on this machine, in silence."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.encoders.open_clip import pmc_clip
from medclip_search.encoders.open_clip.network import Tokens
from medclip_search.encoders.open_clip.packages import INSTALL, require_packages
from medclip_search.encoders.open_clip.remembered import remembered
from medclip_search.encoders.open_clip.source import CONFIG, Source
from medclip_search.encoders.open_clip.text_source import TOKENIZER
from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops
from medclip_search.errors import EncoderError, EncoderUnavailableError

_OF_ANOTHER = (AssertionError, AttributeError, KeyError, TypeError)
"""What open_clip raises where a file's weights are not those of the model, and PyTorch does not."""


@dataclass(frozen=True)
class Listed:
    """An entry of open_clip's list: ``repository`` is ``ORG/NAME/`` and perhaps a file."""

    model: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    repository: str


@dataclass(frozen=True)
class Model:
    """``network`` is open_clip's, in evaluation mode, float32, on the CPU.

    ``tokenizer`` is open_clip's too, ``tokens`` calls it: texts to (n, context length) int64.
    """

    network: Any
    tokenizer: Any

    def tokens(self, texts: Sequence[str]) -> Tokens:
        made: Tokens = self.tokenizer(list(texts)).numpy()
        return made


def load(source: Source) -> Model:
    """The model with its weights. Asks no network. Raises ``EncoderUnavailableError``.

    open_clip reads it from a temporary folder in which all that it would look up elsewhere is
    beside it; the weights stay where they are.
    """
    with _imported(source.label) as open_clip, tempfile.TemporaryDirectory() as staged:
        with explained(f"{source.label}: its files cannot be read"):
            _stage(source, Path(staged))
        with explained(f"{source.label}: open_clip cannot make this model"):
            network = open_clip.create_model(
                f"local-dir:{staged}", load_weights=False, pretrained_text=False
            )
        _load_weights(open_clip, network, source)
        with explained(f"{source.label}: its tokenizer cannot be loaded"):
            tokenizer = open_clip.get_tokenizer(f"local-dir:{staged}")
    return Model(network.eval().requires_grad_(False), tokenizer)


def trunk_dimension(timm_model: str, label: str) -> int:
    """How many features a timm model gives. timm is asked once and its answer remembered."""

    def ask() -> str:
        with _imported(label), explained(f"{label}: timm has no model {timm_model}"):
            import timm
            import torch

            with torch.device("meta"):
                return str(timm.create_model(timm_model, num_classes=0).num_features)

    return int(remembered(f"features of timm {timm_model}", ask))


def listed(architecture: str, tag: str) -> Listed:
    """An entry of ``open_clip.list_pretrained()``. Raises ``EncoderError`` where there is none.

    OpenAI's weights want another activation than the architecture of their name has; here they
    get it, whereas open_clip only warns.
    """
    with _imported(f"{architecture}/{tag}") as open_clip:
        found = open_clip.get_pretrained_cfg(architecture, tag)
        if not found.get("hf_hub"):
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture))
            raise EncoderError(
                f"--model {architecture}/{tag}: open_clip has no such weights; choose "
                f"{architecture}/TAG with one of: {tags or 'none'}"
            )
        model = open_clip.get_model_config(architecture)
    if found.get("quick_gelu"):
        model = {**model, "quick_gelu": True}
    return Listed(model, found, found["hf_hub"])


def _stage(source: Source, folder: Path) -> None:
    """open_clip's configuration, the text tower's and the tokenizer, in one folder.

    What would have transformers run a program that comes with a model, or ask whether to, is
    left out: models are made of transformers' own classes, or not at all.
    """
    text = {**source.model["text_cfg"]}
    if source.text is not None:
        _write(folder / "config.json", source.text)
        text["hf_model_name"] = str(folder)
    if source.tokenizer is not None:
        for name in TOKENIZER:
            if (source.tokenizer / name).is_file():
                shutil.copyfile(source.tokenizer / name, folder / name)
        if (settings := folder / "tokenizer_config.json").is_file():
            _write(settings, json.loads(settings.read_text(encoding="utf-8-sig")))
    config = {
        "model_cfg": {**source.model, "text_cfg": text},
        "preprocess_cfg": source.preprocessing.to_json(),
    }
    _write(folder / CONFIG, config)


def _write(path: Path, config: object) -> None:
    path.write_text(json.dumps(_without_programs(config)), encoding="utf-8")


def _without_programs(config: Any) -> Any:
    """A configuration without what names a program or trusts one, at any depth."""
    if isinstance(config, Mapping):
        return {
            key: _without_programs(value)
            for key, value in config.items()
            if key not in ("auto_map", "trust_remote_code")
        }
    return [_without_programs(one) for one in config] if isinstance(config, list) else config


def _load_weights(open_clip: Any, network: Any, source: Source) -> None:
    """Fill the network from the file; a pickle of anything but numbers is not opened."""
    import torch

    path, head = source.weights, b""
    try:
        with path.open("rb") as file:
            head = file.read(30)
        with torch.serialization.safe_globals(_numbers()):
            if source.pmc_clip:
                pmc_clip.load_weights(network, path)
            else:
                open_clip.load_checkpoint(network, str(path))
    except Exception as error:  # PyTorch, pickle, zip and safetensors each have their own
        said = str(error)
        if head.startswith(b"version https://git-lfs"):
            reason = "a Git LFS pointer, not the weights; run 'git lfs pull' where it came from"
        elif head.lstrip().startswith(b"<"):
            reason = "a web page, not the weights; download it again, or by a browser"
        elif "Weights only" in said:
            reason = (
                "it holds more than numbers, and opening that could run a program; save its "
                "state_dict alone, best as safetensors"
            )
        elif "state_dict" in said or isinstance(error, _OF_ANOTHER):
            reason = (
                f"made for another model than {source.described}{_detail(said)}; keep each with "
                "its own"
            )
        else:
            reason = f"cut short or damaged{_detail(said)}; copy or download it again"
        raise EncoderUnavailableError(f"{path}: cannot be loaded: {reason}") from error


def _numbers() -> list[Any]:
    """What NumPy's numbers are pickled with: checkpoints of training hold a few (learning rates).

    They are named as NumPy 1 and 2 name them. None of them runs what it is given.
    """
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8", "?")]
    named = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    return [*named, np.dtype, *kinds]


def _detail(said: str) -> str:
    """The telling line of a long message, in brackets."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # PyTorch puts a heading first where a state dict does not fit.
    line = lines[1] if len(lines) > 1 and lines[0].endswith(":") else "".join(lines[:1])
    line = line.partition(". ")[0].rstrip(".")
    return f" ({line[:160]})" if line else ""


@contextlib.contextmanager
def _imported(label: str) -> Iterator[Any]:
    """open_clip, for as long as it is kept from talking: it logs by the root logger."""
    require_packages(label)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns at each fork
    root, handler = logging.getLogger(), logging.NullHandler()
    silence: Callable[[logging.LogRecord], bool] = lambda record: False  # noqa: E731
    root.addHandler(handler)  # else the first warning would give the program a handler
    root.addFilter(silence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with explained(f"{label}: PyTorch or open_clip cannot be imported", INSTALL):
                declare_missing_ops()
                import open_clip
            yield open_clip
    finally:
        root.removeFilter(silence)
        root.removeHandler(handler)


@contextlib.contextmanager
def explained(what: str, remedy: str = "copy or download it again") -> Iterator[None]:
    """PyTorch, timm and transformers raise anything; it becomes one line."""
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:
        detail = _detail(str(error)) or f" ({type(error).__name__})"
        raise EncoderUnavailableError(f"{what}{detail}; {remedy}") from error
