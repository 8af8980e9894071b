"""Where a model of open_clip lies: a folder, a repository of the hub, or open_clip's own list.

Whichever it is, what comes out is a ``Source``: the model's configuration, and files on this
machine. PyTorch is not needed to find it, except for a name on open_clip's own list.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medclip_search.encoders import hub
from medclip_search.encoders.open_clip.packages import require_packages
from medclip_search.encoders.open_clip.preprocess import Preprocessing
from medclip_search.errors import EncoderError, EncoderUnavailableError

BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""The names that open_clip knows, the preferred first."""

_CHECKPOINT = ".pt"
_SUFFIXES = (".safetensors", ".bin", ".pth", _CHECKPOINT)

HUB_WEIGHTS = WEIGHTS[:4]
"""Those in a repository that are surely open_clip's; the others may be timm's."""

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
_LOCAL = "local-dir:"
_PUBMEDBERT = re.compile(r"microsoft/BiomedNLP-(BiomedBERT|PubMedBERT)-base-uncased-abstract.*")


@dataclass(frozen=True)
class Source:
    """A model, found.

    ``name`` is what its spaces are called after; ``label`` is how messages call it. ``model``
    is open_clip's ``model_cfg``. ``tokenizer`` is the folder with a Hugging Face tokenizer,
    ``None`` for CLIP's own; ``text`` is the configuration of a Hugging Face text tower.
    """

    name: str
    label: str
    model: Mapping[str, Any]
    preprocessing: Preprocessing
    weights: Path
    tokenizer: Path | None = None
    text: Mapping[str, Any] | None = None

    @property
    def dimension(self) -> int:
        """Of the joint space."""
        return int(self.model["embed_dim"])

    @property
    def timm_trunk(self) -> str | None:
        """The timm model whose pooled features a head projects; ``None`` where there is none."""
        vision = self.model["vision_cfg"]
        projected = vision.get("timm_proj", "linear") in ("linear", "mlp")
        pooled_by_head = vision.get("timm_pool", "avg") in ("abs_attn", "rot_attn")
        return vision.get("timm_model_name") if projected and not pooled_by_head else None


def find(model: str, name: str | None = None) -> Source:
    """The source that ``--model`` means: ``hf-hub:ORG/NAME``, a folder, or ``ARCH/TAG``.

    ``name`` is what the spaces are called after, by default the model's own. Downloads what is
    not in the cache. Raises ``EncoderUnavailableError`` or ``EncoderError``.
    """
    if model.startswith(hub.PREFIX):
        return _on_hub(model.removeprefix(hub.PREFIX), name)
    folder = folder_of(model)
    if folder.is_dir():
        return _in_folder(folder, name)
    architecture, _, tag = model.rpartition("/")
    architecture = architecture.replace("/", "-")
    if not model.startswith(_LOCAL) and tag and _known_architecture(architecture):
        return _on_list(architecture, tag, name)
    raise EncoderUnavailableError(
        f"--model {model}: there is no such folder; give a folder with {CONFIG}, "
        "hf-hub:ORGANISATION/MODEL, or ARCHITECTURE/TAG of open_clip such as "
        "ViT-B-32/laion2b_s34b_b79k"
    )


def folder_of(model: str) -> Path:
    """The folder that ``--model`` would mean."""
    return Path(model.removeprefix(_LOCAL)).expanduser()


def slug(name: str) -> str:
    """A name for spaces: letters, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "open_clip"


def _in_folder(folder: Path, name: str | None) -> Source:
    label = str(folder)
    if not (folder / CONFIG).is_file():
        raise EncoderUnavailableError(
            f"{label}: has no {CONFIG}; give the folder of a model of open_clip, or one that "
            "'medclip-search encoder export' wrote"
        )
    weights = _weights_in(folder)
    if weights is None:
        raise EncoderUnavailableError(
            f"{label}: has no weights such as {WEIGHTS[0]} or {WEIGHTS[2]}; copy them there too"
        )
    model, preprocessing = _read_config(folder / CONFIG)
    return Source(
        name=slug(name or folder.resolve().name),
        label=label,
        model=model,
        preprocessing=preprocessing,
        weights=weights,
        tokenizer=_tokenizer(model, label, [folder]),
        text=_text_config(model, label, folder),
    )


def _on_hub(repository: str, name: str | None) -> Source:
    label = f"{hub.PREFIX}{repository}"
    config = _file(repository, (CONFIG,), "it is not a model of open_clip; choose another")
    model, preprocessing = _read_config(config)
    return Source(
        name=slug(name or repository.rpartition("/")[2]),
        label=label,
        model=model,
        preprocessing=preprocessing,
        tokenizer=_tokenizer(model, label, [config.parent], repository),
        text=_text_config(model, label, config.parent),
        weights=_file(repository, HUB_WEIGHTS, "it has no weights for open_clip"),
    )


def _on_list(architecture: str, tag: str, name: str | None) -> Source:
    """A model of ``open_clip.list_pretrained()``."""
    from medclip_search.encoders.open_clip import torch_loading

    label = f"{architecture}/{tag}"
    listed = torch_loading.listed(architecture, tag)
    model = listed.model
    repository, _, file = listed.repository.rpartition("/")
    return Source(
        name=slug(name or f"{architecture}-{tag}"),
        label=label,
        model=model,
        preprocessing=_preprocessing(model, listed.preprocessing),
        tokenizer=_tokenizer(model, label, []),
        text=_text_config(model, label, None),
        weights=_file(
            repository, (file,) if file else HUB_WEIGHTS, "open_clip's list is out of date"
        ),
    )


def _file(repository: str, names: tuple[str, ...], otherwise: str) -> Path:
    """The first of these files, from the cache or downloaded; it must be there."""
    found = hub.cached(repository, names) or _fetched(repository, names)
    if found is None:
        raise EncoderUnavailableError(f"{hub.PREFIX}{repository}: has no {names[0]}; {otherwise}")
    return found


def _fetched(repository: str, names: tuple[str, ...], *, every: bool = False) -> Path | None:
    """What ``hub.fetched`` gives, where there are packages that could use it."""
    require_packages(f"{hub.PREFIX}{repository}")
    return hub.fetched(repository, names, every=every)


def _weights_in(folder: Path) -> Path | None:
    """The file that open_clip would take, or one that its training wrote (``epoch_5.pt``)."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    others = sorted(
        (path for path in folder.iterdir() if path.suffix in _SUFFIXES),
        key=lambda path: (_SUFFIXES.index(path.suffix), path.name),
    )
    if len(others) > 1 and others[0].suffix == _CHECKPOINT:
        named = ", ".join(path.name for path in others[:3])
        raise EncoderUnavailableError(
            f"{folder}: has several checkpoints ({named}{', …' * (len(others) > 3)}); keep the one "
            "that is meant there, and put the others elsewhere"
        )
    return others[0] if others else None


def _read_config(path: Path) -> tuple[Mapping[str, Any], Preprocessing]:
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
        model = config["model_cfg"]
        if not (model["embed_dim"] > 0 and model["vision_cfg"] and model["text_cfg"]):
            raise ValueError("embed_dim, vision_cfg or text_cfg is empty")
        return model, _preprocessing(model, config.get("preprocess_cfg") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise EncoderUnavailableError(
            f"{path}: is not a configuration of open_clip ({missing.splitlines()[0]}); copy or "
            "download the model again"
        ) from error
    except EncoderError as error:
        raise EncoderUnavailableError(f"{path}: {error}") from error


def _preprocessing(model: Mapping[str, Any], given: Mapping[str, Any]) -> Preprocessing:
    """The vision tower's own size counts, whatever else is written."""
    size = model["vision_cfg"].get("image_size") or 224
    return Preprocessing.from_config({**given, "size": size})


def _tokenizer(
    model: Mapping[str, Any], label: str, folders: Iterable[Path], repository: str | None = None
) -> Path | None:
    """The folder with the tokenizer: the model's own, else of the repository that it names."""
    named = model["text_cfg"].get("hf_tokenizer_name")
    if not named:
        return None
    for folder in folders:
        if any((folder / file).is_file() for file in _VOCABULARIES):
            return folder
    if found := _cached_tokenizer(named):
        return found
    for one in (repository, named):
        if one and _is_repository(one) and (path := _fetched(one, TOKENIZER, every=True)):
            return path.parent
    raise EncoderUnavailableError(
        f"{label}: its tokenizer ({named}) is missing; put tokenizer.json or vocab.txt beside the "
        "weights"
    )


def _cached_tokenizer(named: str) -> Path | None:
    found = hub.cached(named, _VOCABULARIES) if _is_repository(named) else None
    return found.parent if found else None


def _text_config(
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
        return _read_text_config(_file(named, ("config.json",), "it is no model of transformers"))
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


def _known_architecture(name: str) -> bool:
    """Whether open_clip has this architecture; it is not imported for that."""
    package = importlib.util.find_spec("open_clip")
    places = package.submodule_search_locations if package else None
    return any((Path(place) / "model_configs" / f"{name}.json").is_file() for place in places or ())
