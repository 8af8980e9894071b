"""From what the user named to a model that can be loaded: which files, under which runtime."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import platformdirs

from medclip_search.encoders import hub
from medclip_search.encoders.base import EncoderSpec
from medclip_search.encoders.onnx_session import require_onnxruntime
from medclip_search.encoders.open_clip import torch_loading, torch_runtime
from medclip_search.encoders.open_clip.encoder import Model, OpenClipEncoder, Plan
from medclip_search.encoders.open_clip.exported import ExportedModel, is_exported, read_exported
from medclip_search.encoders.open_clip.fingerprint import fingerprint, int8
from medclip_search.encoders.open_clip.network import Layer
from medclip_search.encoders.open_clip.onnx_runtime import OnnxNetwork
from medclip_search.encoders.open_clip.or_else import OrElse
from medclip_search.encoders.open_clip.packages import missing_package, require_packages
from medclip_search.encoders.open_clip.source import BIOMEDCLIP, Source, find, folder_of, slug
from medclip_search.encoders.open_clip.words import require_words
from medclip_search.errors import EncoderError, EncoderUnavailableError, UsageError

BIOMEDCLIP_NAME = "biomedclip"
ANY_NAME = "open_clip"
NAMES = (BIOMEDCLIP_NAME, ANY_NAME)


def load(spec: EncoderSpec) -> OpenClipEncoder:
    """The encoder ``biomedclip`` or ``open_clip``; its network is loaded at first use.

    Weights that are not here are downloaded now. Raises ``EncoderUnavailableError``,
    ``EncoderError`` or ``UsageError``.
    """
    return OpenClipEncoder(spec.name, plan(spec), spec.spaces)


def plan(spec: EncoderSpec) -> Plan:
    """What ``load`` loads: an exported model where one is given or wanted, else PyTorch's.

    Left to itself (``auto``) it takes PyTorch where there is a GPU, an exported model where
    there is one, and PyTorch otherwise, also where that one is damaged.
    """
    folder = folder_of(model_of(spec))
    small = spec.runtime == "int8"
    if is_exported(folder):
        if spec.runtime == "torch":
            raise UsageError(
                f"--runtime torch: {folder} is an exported model, which runs by ONNX Runtime; "
                "give --model with what it was exported from"
            )
        exported = read_exported(folder)
        if small and not exported.has_int8:
            model = exported.description.model
            origin = model if model.startswith(hub.PREFIX) else "DIR"
            raise _no_int8(str(folder), spec.name, origin, folder)
        name = _called(spec) or exported.description.name
        return _under_onnx(exported, slug(name), small=small)
    source = source_of(spec)
    mark = fingerprint(source)
    place = exports() / mark
    if spec.runtime == "torch" or (spec.runtime == "auto" and not is_exported(place)):
        return _under_torch(source, mark)
    if spec.runtime == "auto":
        return _automatic(source, mark, place)
    if not is_exported(place):
        raise EncoderUnavailableError(
            f"{source.label}: was not exported for --runtime {spec.runtime}; run: "
            f"{_export_command(spec.name, spec.model, int8=small)}"
        )
    exported = read_exported(place)
    if small and not exported.has_int8:
        raise _no_int8(source.label, spec.name, spec.model)
    return _under_onnx(exported, source.name, small=small)


def source_of(spec: EncoderSpec) -> Source:
    """The model that is meant, for PyTorch. Raises as ``source.find`` does."""
    return find(model_of(spec), _called(spec))


def _called(spec: EncoderSpec) -> str | None:
    """What the spaces are to be called after; ``None`` leaves it to the model."""
    return spec.called or (BIOMEDCLIP_NAME if spec.name == BIOMEDCLIP_NAME else None)


def model_of(spec: EncoderSpec) -> str:
    """The model that is meant, by its name or folder. Raises ``UsageError`` without one."""
    if spec.model is not None:
        return spec.model
    if spec.name == BIOMEDCLIP_NAME:
        return BIOMEDCLIP
    raise UsageError(
        f"--encoder {spec.name}: add --model with a folder, hf-hub:ORGANISATION/MODEL, "
        "ARCHITECTURE/TAG of open_clip, or ARCHITECTURE=FILE with a checkpoint"
    )


def exports() -> Path:
    """Where exported models lie, each in a folder named by its fingerprint."""
    return Path(platformdirs.user_data_dir("medclip-search", appauthor=False)) / "encoders"


def _automatic(source: Source, mark: str, place: Path) -> Plan:
    """Of a model that was exported to where it is looked for."""
    if missing_package():
        return _under_onnx(read_exported(place), source.name)
    torch = _under_torch(source, mark)
    if torch_runtime.device() != "cpu":
        return torch
    try:
        onnx = _under_onnx(read_exported(place), source.name)
    except EncoderError:
        return torch
    return replace(onnx, load=lambda: OrElse(onnx.load, torch.load))


def _under_torch(source: Source, mark: str) -> Plan:
    require_packages(source.label)
    dimensions: dict[Layer, Callable[[], int]] = {"joint": lambda: source.dimension}
    if (trunk := source.timm_trunk) is not None:
        dimensions["trunk"] = partial(torch_loading.trunk_dimension, trunk, source.label)
    return Plan(
        name=source.name,
        fingerprint=mark,
        preprocessing=source.preprocessing,
        dimensions=dimensions,
        batch_size=torch_runtime.BATCH["cuda" if torch_runtime.likely_gpu() else "cpu"],
        load=lambda: torch_runtime.TorchNetwork(source),
    )


def _under_onnx(exported: ExportedModel, name: str, *, small: bool = False) -> Plan:
    """``small`` takes the networks with 8-bit weights, which are there."""
    require_onnxruntime(name)
    require_words()

    def load() -> Model:
        return OnnxNetwork(exported.folder, int8=small)

    description = exported.description
    return Plan(
        name=name,
        fingerprint=int8(description.fingerprint) if small else description.fingerprint,
        preprocessing=description.preprocessing,
        dimensions={layer: partial(int, width) for layer, width in description.dimensions.items()},
        batch_size=torch_runtime.BATCH["cpu"],
        load=load,
    )


def _no_int8(
    label: str, encoder: str, model: str | None, output: Path | None = None
) -> EncoderUnavailableError:
    command = _export_command(encoder, model, int8=True, output=output)
    return EncoderUnavailableError(
        f"{label}: was exported without 8-bit networks (--runtime int8); run: {command}"
    )


def _export_command(
    encoder: str, model: str | None, *, int8: bool, output: Path | None = None
) -> str:
    command = ["medclip-search", "encoder", "export", "--encoder", encoder]
    command += [] if model is None else ["--model", model]
    command += ["--int8"] if int8 else []
    command += [] if output is None else ["--output", str(output)]
    return shlex.join(command)
