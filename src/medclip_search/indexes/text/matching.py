"""Everything that matches: the cases that have any of a text's words, however many, unranked.

tantivy hands matches over one by one, at about 0.2 µs each, which for a word that half of the
captions have is too long to wait for at every search. So the bits of the words last asked for are
kept, and a text of plain words is the union of its words' bits.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Bits = NDArray[np.uint8]

KEPT = 128
"""The bits of so many words are kept: 25 MB where there are 1.6 million cases."""


class TermBits:
    """The cases that have a term, as packed bits; those last asked for are kept.

    ``keys`` gives the keys of a term's cases. Safe for use by several threads.
    """

    def __init__(self, keys: Callable[[str], Keys]) -> None:
        self._keys = keys
        self._kept: OrderedDict[str, Bits] = OrderedDict()
        self._lock = threading.Lock()

    def holding(self, terms: tuple[str, ...], size: int, *, every: bool) -> Mask:
        """The cases that have any of the terms, or every one, (size,) bool; none without terms."""
        each = [self._of(term, size) for term in terms]
        join = np.bitwise_and if every else np.bitwise_or
        bits = join.reduce(each) if each else np.zeros(-(-size // 8), np.uint8)
        return np.unpackbits(bits, count=size).view(np.bool_)

    def _of(self, term: str, size: int) -> Bits:
        with self._lock:
            if (kept := self._kept.get(term)) is not None:
                self._kept.move_to_end(term)
                return kept
        mask = np.zeros(size, np.bool_)
        mask[self._keys(term)] = True
        bits = np.packbits(mask)
        with self._lock:
            self._kept[term] = bits
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return bits
