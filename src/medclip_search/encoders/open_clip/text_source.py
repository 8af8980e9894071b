"""The tokenizer of a model's words, and the configuration of a text tower of transformers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medclip_search.encoders import hub
from medclip_search.encoders.open_clip.packages import missing_package
from medclip_search.encoders.open_clip.repository import fetched, file_of
from medclip_search.errors import EncoderUnavailableError

TOKENIZER = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""Files of a Hugging Face tokenizer; any of the first seven is enough to be one."""

_VOCABULARIES = TOKENIZER[:7]
_PUBMEDBERT = re.compile(r"microsoft/BiomedNLP-(BiomedBERT|PubMedBERT)-base-uncased-abstract.*")


def tokenizer_of(
    model: Mapping[str, Any], label: str, folders: Iterable[Path], repository: str | None = None
) -> Path | None:
    """The folder with the tokenizer: the model's own, else of the repository that it names.

    ``folders`` and ``repository`` are the model's. Raises ``EncoderUnavailableError``.
    """
    named = model["text_cfg"].get("hf_tokenizer_name")
    if not named:
        return None
    for folder in folders:
        if any((folder / file).is_file() for file in _VOCABULARIES):
            return folder
    if found := _cached_tokenizer(named):
        return found
    if repository and (path := fetched(repository, TOKENIZER, every=True)):
        return path.parent
    missing = (
        f"{label}: its tokenizer ({named}) is missing; put tokenizer.json or vocab.txt beside the "
        "weights"
    )
    try:
        found = fetched(named, TOKENIZER, every=True) if _is_repository(named) else None
    except EncoderUnavailableError as error:
        if repository or missing_package():
            raise
        raise EncoderUnavailableError(f"{missing}, or try again with a network") from error
    if found is None:
        raise EncoderUnavailableError(missing)
    return found.parent


def _cached_tokenizer(named: str) -> Path | None:
    found = hub.cached(named, _VOCABULARIES) if _is_repository(named) else None
    return found.parent if found else None


def text_config(
    model: Mapping[str, Any], label: str, folder: Path | None
) -> Mapping[str, Any] | None:
    """The configuration of the Hugging Face text tower, without its weights.

    That of PubMedBERT is known: it is the one of BERT base, so that BiomedCLIP's own repository
    is all one needs. A folder may carry it, under the name it is given, or the last part of it,
    so that the folder can be moved.
    """
    named = model["text_cfg"].get("hf_model_name")
    if not named:
        return None
    if _PUBMEDBERT.fullmatch(named):
        return {"model_type": "bert"}
    places = [Path(named)]
    if folder is not None:
        places += [folder / named, folder / Path(named).name]
    for place in places:
        if (place / "config.json").is_file():
            return _read_text_config(place / "config.json")
    if _is_repository(named):
        return _read_text_config(file_of(named, ("config.json",), "it is no model of transformers"))
    raise EncoderUnavailableError(
        f"{label}: the configuration of its text model ({named}) is missing; put its config.json "
        f"into the folder, as {Path(named).name}/config.json"
    )


def _read_text_config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
        return {**config, "model_type": str(config["model_type"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderUnavailableError(
            f"{path}: is not the configuration of a text model; copy or download it again"
        ) from error


def _is_repository(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) is not None
