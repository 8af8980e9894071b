"""The fingerprint of a model: what its vectors depend on, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medclip_search.encoders.open_clip.remembered import sha256_of
from medclip_search.encoders.open_clip.source import Source
from medclip_search.encoders.open_clip.text_source import TOKENIZER
from medclip_search.errors import EncoderUnavailableError

_NOT_OF_VECTORS = frozenset(
    # where parts came from, what is used in training only, and who wrote the file
    {
        "hf_model_name",
        "hf_model_pretrained",
        "hf_tokenizer_name",
        "timm_model_pretrained",
        "timm_drop",
        "timm_drop_path",
        "patch_dropout",
        "_name_or_path",
        "architectures",
        "dtype",
        "torch_dtype",
        "transformers_version",
    }
)
_OF_TOKENS = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")


def fingerprint(source: Source) -> str:
    """SHA-256, in hexadecimal, over weights, configuration, preprocessing and vocabulary.

    It stays the same when the model is moved, renamed or downloaded again. Raises
    ``EncoderUnavailableError`` where a file cannot be read.
    """
    try:
        parts = {
            "weights": sha256_of(source.weights),
            "model": _of_vectors(source.model),
            "text": _of_vectors(source.text or {}),
            "preprocessing": source.preprocessing.to_json(),
            "words": _of_tokenizer(source.tokenizer),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise EncoderUnavailableError(
            f"{source.label}: a file of it cannot be read ({reason}); copy or download it again"
        ) from error
    return digest_of(parts)


def int8(fingerprint: str) -> str:
    """The fingerprint of a model with 8-bit weights: its vectors are not quite the same."""
    return hashlib.sha256(f"{fingerprint}:int8".encode()).hexdigest()


def digest_of(content: object) -> str:
    """SHA-256 of something made of JSON's types, whatever the order of its keys."""
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


def _of_vectors(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what its vectors do not depend on, at any depth."""
    return {
        key: _of_vectors(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in _NOT_OF_VECTORS and value is not None
    }


def _of_tokenizer(folder: Path | None) -> dict[str, Any]:
    """The vocabulary, the same from ``vocab.txt`` as from ``tokenizer.json``, and its rules."""
    if folder is None:
        return {}
    config = folder / "tokenizer_config.json"
    settings = json.loads(config.read_text(encoding="utf-8-sig")) if config.is_file() else {}
    rules = {key: settings[key] for key in _OF_TOKENS if settings.get(key) is not None}
    if (folder / "tokenizer.json").is_file():
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        known = {key: model[key] for key in ("vocab", "merges") if model.get(key)}
        return {"rules": rules, "vocabulary": digest_of(known)}
    if (folder / "vocab.txt").is_file():
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        known = {"vocab": {token: number for number, token in enumerate(lines)}}
        return {"rules": rules, "vocabulary": digest_of(known)}
    files = [folder / name for name in TOKENIZER if (folder / name).is_file()]
    return {"rules": rules, **{path.name: sha256_of(path) for path in files}}
