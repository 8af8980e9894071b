"""The encoders this program knows, by name."""

from __future__ import annotations

from dataclasses import dataclass

from medclip_search.encoders import compact, hub
from medclip_search.encoders.base import Encoder, EncoderSpec, Space
from medclip_search.encoders.open_clip import choose, source
from medclip_search.encoders.open_clip.packages import INSTALL, missing_package
from medclip_search.errors import EncoderError, UsageError


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """One line of ``medclip-search encoder list``.

    ``available`` tells whether it can be loaded here and now; where it cannot, ``note`` says
    why and what to do. ``spaces`` is empty where they depend on the model that is chosen.
    """

    name: str
    spaces: tuple[Space, ...]
    embeds_words: bool
    licence: str
    available: bool
    note: str


def available() -> list[EncoderDescription]:
    """All encoders, the default first, also those that cannot be loaded here."""
    return [_compact(), _biomedclip(), _open_clip()]


def load(spec: EncoderSpec | str, fingerprint: str = "") -> Encoder:
    """The encoder that is meant; raises ``EncoderError`` where it is unknown or missing.

    ``fingerprint`` is that of the vectors a library holds: where the program has made vectors in
    several ways over time, the encoder goes on in that one.
    """
    if isinstance(spec, str):
        spec = EncoderSpec(spec)
    if spec.name in choose.NAMES:
        return choose.load(spec)
    if spec.name != compact.CompactEncoder.name:
        known = ", ".join((compact.CompactEncoder.name, *choose.NAMES))
        raise EncoderError(f"encoder {spec.name}: unknown; choose one of: {known}")
    return _load_compact(spec, fingerprint)


def note_on(fingerprint: str) -> str:
    """What is to be said of vectors with this fingerprint, in one line; mostly nothing."""
    if fingerprint == compact.FIRST.fingerprint(""):
        return "made by the first version of compact; a library built anew finds like images better"
    return ""


def _load_compact(spec: EncoderSpec, fingerprint: str) -> Encoder:
    name = spec.name
    if spec.model is not None:
        raise UsageError(f"--model: the encoder {name} has no model to choose; leave it out")
    for space in spec.spaces:
        if space != compact.SPACE.name:
            raise UsageError(f"--spaces {space}: the encoder {name} has one space, {name}")
    if spec.runtime not in ("auto", "onnx"):
        raise UsageError(
            f"--runtime {spec.runtime}: the encoder {name} runs by ONNX Runtime only; leave it out"
        )
    return compact.CompactEncoder.that_made(fingerprint)


def _compact() -> EncoderDescription:
    note = "EfficientNet-Lite0, comes with the package; embeds images only"
    try:
        compact.CompactEncoder()
        usable = True
    except EncoderError as error:
        usable, note = False, str(error)
    return EncoderDescription(
        name=compact.CompactEncoder.name,
        spaces=compact.CompactEncoder.spaces,
        embeds_words=any(space.embeds_words for space in compact.CompactEncoder.spaces),
        licence=compact.LICENCE,
        available=usable,
        note=note,
    )


def _biomedclip() -> EncoderDescription:
    """Told from the cache and the list of packages; nothing is imported or downloaded."""
    package = missing_package()
    if package is not None:
        note = (
            f"{package} is not installed: {INSTALL}, or give --model with a folder "
            "that 'encoder export' wrote"
        )
    elif hub.cached(source.BIOMEDCLIP.removeprefix(hub.PREFIX), source.HUB_WEIGHTS):
        note = "its weights are in the cache"
    else:
        note = "its weights (0.8 GB) are downloaded at first use, or give --model with its folder"
    return EncoderDescription(
        name=choose.BIOMEDCLIP_NAME,
        spaces=(
            Space(choose.BIOMEDCLIP_NAME, 512, embeds_words=True),
            Space(f"{choose.BIOMEDCLIP_NAME}-trunk", 768),
        ),
        embeds_words=True,
        licence="MIT",
        available=package is None,
        note=f"BiomedCLIP; embeds images and words; {note}",
    )


def _open_clip() -> EncoderDescription:
    package = missing_package()
    note = "any model of open_clip, given by --model; embeds images and words"
    return EncoderDescription(
        name=choose.ANY_NAME,
        spaces=(),
        embeds_words=True,
        licence="the model's own",
        available=package is None,
        note=note if package is None else f"{note}; {package} is not installed: {INSTALL}",
    )
