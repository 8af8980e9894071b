"""Captions composed of real sentences: those of ROCO's, one to three of them each."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from benchmarks.roco_captions import read_captions
from benchmarks.settings import data_folder


def sentences() -> list[str]:
    """Every sentence of ROCO's captions, in their order; exits where the data is absent."""
    captions = [caption for _, caption in read_captions(data_folder("roco"))]
    return [one for text in captions for one in re.split(r"(?<=[.;])\s+", text) if one]


def composed(sentences: Sequence[str], chance: random.Random) -> str:
    """A caption of one to three of the sentences."""
    return " ".join(chance.choices(sentences, k=chance.choice((1, 2, 3))))
