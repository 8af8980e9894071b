"""From what the user named to a cross-encoder that runs: which files, under which runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import platformdirs

from medclip_search.encoders.cross_encoder.onnx_runtime import OnnxCrossEncoder
from medclip_search.encoders.cross_encoder.pairs import CrossEncoder
from medclip_search.encoders.cross_encoder.source import (
    NETWORK,
    OPTION,
    Source,
    find,
    missing_package,
)
from medclip_search.encoders.cross_encoder.torch_runtime import TorchCrossEncoder
from medclip_search.encoders.open_clip.remembered import sha256_of
from medclip_search.encoders.open_clip.torch_runtime import device
from medclip_search.errors import EncoderError, EncoderUnavailableError


def load(model: str | Path) -> CrossEncoder:
    """The model, ready to score; weights that are not here are downloaded now.

    PyTorch runs it where there is a GPU; on a CPU ONNX Runtime does, where the folder is one of
    its own or the model was exported. Raises ``EncoderUnavailableError`` or ``EncoderError``.
    """
    source = find(str(model))
    made = _load(source)
    # A network that does not fit its tokenizer says so now; and the first query is not slower.
    if made.score("lung", ["Normal lung."]).shape != (1,):
        raise EncoderError(f"{OPTION} {source.label}: gives no single score; choose another model")
    return made


def exported_to(source: Source) -> Path:
    """Where the export of a model is looked for, by the SHA-256 of its weights."""
    data = Path(platformdirs.user_data_dir("medclip-search", appauthor=False))
    try:
        return data / "rerankers" / sha256_of(source.weights or source.folder / NETWORK)
    except OSError as error:
        raise EncoderUnavailableError(
            f"{source.label}: its weights cannot be read ({error.strerror}); copy them again"
        ) from error


def _load(source: Source) -> CrossEncoder:
    without_torch = source.weights is None or missing_package() is not None
    on_cpu = without_torch or device() == "cpu"
    if on_cpu and source.network is not None:
        return OnnxCrossEncoder(source)
    place = exported_to(source)
    if on_cpu and (place / NETWORK).is_file():
        try:
            return OnnxCrossEncoder(replace(find(str(place)), label=source.label))
        except EncoderError:
            pass  # damaged: PyTorch has the model too
    return TorchCrossEncoder(source)
