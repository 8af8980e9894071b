"""The encoders this program knows, by name."""

from __future__ import annotations

from dataclasses import dataclass

from medclip_search.encoders import compact
from medclip_search.encoders.base import Encoder, EncoderSpec, Space
from medclip_search.errors import EncoderError, UsageError


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """One line of ``medclip-search encoder list``.

    ``available`` tells whether it can be loaded here and now; where it cannot, ``note`` says
    why and what to do.
    """

    name: str
    spaces: tuple[Space, ...]
    embeds_words: bool
    licence: str
    available: bool
    note: str


def available() -> list[EncoderDescription]:
    """All encoders, the default first, also those that cannot be loaded here."""
    return [_compact()]


def load(spec: EncoderSpec | str) -> Encoder:
    """The encoder that is meant; raises ``EncoderError`` where it is unknown or missing."""
    if isinstance(spec, str):
        spec = EncoderSpec(spec)
    if spec.name == compact.CompactEncoder.name:
        if spec.model is not None:
            raise UsageError("--model: the encoder compact has no model to choose; leave it out")
        return compact.CompactEncoder()
    known = ", ".join(one.name for one in available())
    raise EncoderError(f"encoder {spec.name}: unknown; choose one of: {known}")


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
