"""From what the user named to a model that can be loaded: which files, under which runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import platformdirs

from medclip_search.encoders.base import EncoderSpec
from medclip_search.encoders.open_clip import torch_loading, torch_runtime
from medclip_search.encoders.open_clip.encoder import OpenClipEncoder, Plan, Tokenize
from medclip_search.encoders.open_clip.fingerprint import fingerprint
from medclip_search.encoders.open_clip.network import Layer, Network
from medclip_search.encoders.open_clip.packages import require_packages
from medclip_search.encoders.open_clip.source import BIOMEDCLIP, Source, find
from medclip_search.errors import UsageError

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
    """What ``load`` loads."""
    model = spec.model or (BIOMEDCLIP if spec.name == BIOMEDCLIP_NAME else None)
    if model is None:
        raise UsageError(
            f"--encoder {spec.name}: add --model with a folder, hf-hub:ORGANISATION/MODEL, or "
            "ARCHITECTURE/TAG of open_clip"
        )
    source = find(model, spec.name if spec.name == BIOMEDCLIP_NAME else None)
    return _under_torch(source, fingerprint(source))


def exports() -> Path:
    """Where exported models lie, each in a folder named by its fingerprint."""
    return Path(platformdirs.user_data_dir("medclip-search", appauthor=False)) / "encoders"


def _under_torch(source: Source, mark: str) -> Plan:
    require_packages(source.label)

    def load() -> tuple[Network, Tokenize]:
        network = torch_runtime.TorchNetwork(source)
        return network, network.tokens

    trunk = source.timm_trunk
    dimensions: dict[Layer, Callable[[], int]] = {"joint": lambda: source.dimension}
    if trunk is not None:
        dimensions["trunk"] = lambda: torch_loading.trunk_dimension(trunk, source.label)
    return Plan(
        name=source.name,
        fingerprint=mark,
        preprocessing=source.preprocessing,
        dimensions=dimensions,
        batch_size=torch_runtime.BATCH["cuda" if torch_runtime.likely_gpu() else "cpu"],
        load=load,
    )
