"""Pixels and words to vectors."""

from medclip_search.encoders.base import Encoder, EncoderSpec, Space
from medclip_search.encoders.registry import EncoderDescription, available, load

__all__ = ["Encoder", "EncoderDescription", "EncoderSpec", "Space", "available", "load"]
