"""Where a model of open_clip lies: a folder, a repository of the hub, or open_clip's own list.

Whichever it is, what comes out is a ``Source``: the model's configuration, and files on this
machine. PyTorch is not needed to find it, except for a name on open_clip's own list.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medclip_search.encoders import hub
from medclip_search.encoders.open_clip import pmc_clip
from medclip_search.encoders.open_clip.packages import require_packages
from medclip_search.encoders.open_clip.preprocess import Preprocessing
from medclip_search.encoders.open_clip.repository import file_of
from medclip_search.encoders.open_clip.text_source import text_config, tokenizer_of
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

_LOCAL = "local-dir:"
_OF = "="

_BARE = {"BIOMEDICA/BMC_CLIP_CF": ("ViT-L-14", "BMC_CLIP_CF.pt")}
"""Repositories with a checkpoint and no configuration: open_clip's architecture, and the file."""


@dataclass(frozen=True)
class Source:
    """A model, found.

    ``name`` is what its spaces are called after; ``label`` is how messages call it. ``model``
    is open_clip's ``model_cfg``. ``tokenizer`` is the folder with a Hugging Face tokenizer,
    ``None`` for CLIP's own; ``text`` is the configuration of a Hugging Face text tower.
    ``pmc_clip`` tells that the weights are a checkpoint of PMC-CLIP; ``described`` is what says
    which model it is, for messages.
    """

    name: str
    label: str
    model: Mapping[str, Any]
    preprocessing: Preprocessing
    weights: Path
    tokenizer: Path | None = None
    text: Mapping[str, Any] | None = None
    pmc_clip: bool = False
    described: str = f"{CONFIG} describes"

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
    """The source that ``--model`` means: ``hf-hub:ORG/NAME``, a folder, or open_clip's name of one.

    That is ``ARCHITECTURE/TAG``, or ``ARCHITECTURE=FILE`` for a checkpoint that its training wrote.
    ``name`` is what the spaces are called after, by default the model's own. Downloads what is
    not in the cache. Raises ``EncoderUnavailableError`` or ``EncoderError``.
    """
    if model.startswith(hub.PREFIX):
        return _on_hub(model.removeprefix(hub.PREFIX), name)
    folder = folder_of(model)
    if folder.is_dir():
        return _in_folder(folder, name)
    architecture, of, file = model.partition(_OF)
    weights = Path(file).expanduser()
    if of and (_architecture(architecture) or weights.is_file()):
        return _checkpoint(architecture, weights, model, name)
    architecture, _, tag = model.rpartition("/")
    architecture = architecture.replace("/", "-")
    if not model.startswith(_LOCAL) and tag and _architecture(architecture):
        return _on_list(architecture, tag, name)
    raise EncoderUnavailableError(
        f"--model {model}: there is no such folder; give a folder with {CONFIG}, "
        "hf-hub:ORGANISATION/MODEL, ARCHITECTURE/TAG of open_clip such as "
        "ViT-B-32/laion2b_s34b_b79k, or ARCHITECTURE=FILE with a checkpoint of yours"
    )


def place_of(model: str) -> str:
    """A model by a place that holds wherever the program is run; a name as it is."""
    folder = folder_of(model)
    if folder.is_dir():
        return str(folder.absolute())
    architecture, of, file = model.partition(_OF)
    path = Path(file).expanduser()
    return f"{architecture}{_OF}{path.absolute()}" if of and path.is_file() else model


def folder_of(model: str) -> Path:
    """The folder that ``--model`` would mean."""
    return Path(model.removeprefix(_LOCAL)).expanduser()


def slug(name: str) -> str:
    """A name for spaces: letters, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "open_clip"


def _in_folder(folder: Path, name: str | None) -> Source:
    label = str(folder)
    theirs = None if (folder / CONFIG).is_file() else pmc_clip.config_in(folder)
    if theirs is None and not (folder / CONFIG).is_file():
        for architecture, file in _BARE.values():  # downloaded as the hub's messages say
            if (folder / file).is_file():
                return _checkpoint(architecture, folder / file, label, name)
        raise EncoderUnavailableError(
            f"{label}: has no {CONFIG} (nor, for PMC-CLIP's checkpoint, {pmc_clip.CONFIG}); give "
            "the folder of a model of open_clip, or one that 'medclip-search encoder export' wrote"
        )
    weights = _weights_in(folder) if theirs is None else _of_training(folder, (_CHECKPOINT,))
    if weights is None:
        names = f"{WEIGHTS[0]} or {WEIGHTS[2]}" if theirs is None else "checkpoint.pt"
        raise EncoderUnavailableError(
            f"{label}: has no weights such as {names}; copy them there too"
        )
    if theirs is None:
        model, preprocessing = _read_config(folder / CONFIG)
    else:
        model = pmc_clip.model_of(theirs)
        preprocessing = _preprocessing(model, {})
    return Source(
        name=slug(name or folder.resolve().name),
        label=label,
        model=model,
        preprocessing=preprocessing,
        weights=weights,
        tokenizer=tokenizer_of(model, label, [folder]),
        text=text_config(model, label, folder),
        pmc_clip=theirs is not None,
        described=f"{theirs.name if theirs else CONFIG} describes",
    )


def _on_hub(repository: str, name: str | None) -> Source:
    label = f"{hub.PREFIX}{repository}"
    if repository in _BARE:
        architecture, file = _BARE[repository]
        weights = file_of(repository, (file,), "its files are not what they were")
        return _checkpoint(architecture, weights, label, name or repository.rpartition("/")[2])
    config = file_of(repository, (CONFIG,), "it is not a model of open_clip; choose another")
    model, preprocessing = _read_config(config)
    return Source(
        name=slug(name or repository.rpartition("/")[2]),
        label=label,
        model=model,
        preprocessing=preprocessing,
        tokenizer=tokenizer_of(model, label, [config.parent], repository),
        text=text_config(model, label, config.parent),
        weights=file_of(repository, HUB_WEIGHTS, "it has no weights for open_clip"),
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
        tokenizer=tokenizer_of(model, label, []),
        text=text_config(model, label, None),
        weights=file_of(
            repository, (file,) if file else HUB_WEIGHTS, "open_clip's list is out of date"
        ),
    )


def _checkpoint(architecture: str, weights: Path, label: str, name: str | None) -> Source:
    """A file that open_clip's training wrote, of an architecture that open_clip has."""
    model = _architecture(architecture)
    if model is None:
        require_packages(label)
        raise EncoderUnavailableError(
            f"{label}: this open_clip does not know {architecture}; upgrade open_clip_torch"
        )
    if not weights.is_file():
        raise EncoderUnavailableError(f"--model {label}: there is no such file; check its path")
    return Source(
        name=slug(name or weights.stem),
        label=label,
        model=model,
        preprocessing=_preprocessing(model, {}),
        tokenizer=tokenizer_of(model, label, [weights.parent]),
        text=text_config(model, label, weights.parent),
        weights=weights,
        described=f"{architecture} is",
    )


def _weights_in(folder: Path) -> Path | None:
    """The file that open_clip would take, or one that its training wrote (``epoch_5.pt``)."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    return _of_training(folder, _SUFFIXES)


def _of_training(folder: Path, suffixes: tuple[str, ...]) -> Path | None:
    """The first file with the first of these suffixes that there is; one checkpoint at most."""
    others = sorted(
        (path for path in folder.iterdir() if path.suffix in suffixes),
        key=lambda path: (suffixes.index(path.suffix), path.name),
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


def _architecture(name: str) -> Mapping[str, Any] | None:
    """An architecture of open_clip, which is not imported for that; ``None`` where it has none."""
    package = importlib.util.find_spec("open_clip")
    for place in (package and package.submodule_search_locations) or ():
        path = Path(place) / "model_configs" / f"{name}.json"
        if path.is_file():
            found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
    return None
