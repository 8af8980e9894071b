"""Everything that matches: the cases that have any of a text's words, however many, unranked.

tantivy hands matches over one by one, at about 0.2 µs each, which for a word that half of the
captions have is too long to wait for at every search. So the cases of the words last asked for are
kept, rare words' as keys and frequent ones' as bits, and a text of plain words is their union.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Held = NDArray[Any]
"""The cases of a term: keys (int32), or where these would be larger, packed bits (uint8)."""

KEPT_BYTES = 32 * 2**20
"""So much is kept: the words of some hundreds of queries where there are 1.6 million cases."""


class TermCases:
    """The cases that have a term; those last asked for are kept.

    ``keys`` gives the keys of a term's cases. Safe for use by several threads.
    """

    def __init__(self, keys: Callable[[str], Keys]) -> None:
        self._keys = keys
        self._kept: OrderedDict[str, Held] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def holding(self, terms: tuple[str, ...], size: int, *, every: bool) -> Mask:
        """The cases that have any of the terms, or every one, (size,) bool; none without terms."""
        mask = np.zeros(size, np.bool_)
        for at, term in enumerate(terms):
            held = self._of(term, size)
            if every and at:
                mask &= _as_mask(held, size)
            elif held.dtype == np.uint8:
                mask |= _as_mask(held, size)
            else:
                mask[held] = True
        return mask

    def _of(self, term: str, size: int) -> Held:
        with self._lock:
            if (kept := self._kept.get(term)) is not None:
                self._kept.move_to_end(term)
                return kept
        keys = self._keys(term)
        held: Held = keys.astype(np.int32)
        if held.nbytes > size // 8:
            mask = np.zeros(size, np.bool_)
            mask[keys] = True
            held = np.packbits(mask)
        with self._lock:
            if term not in self._kept:
                self._kept[term] = held
                self._bytes += held.nbytes
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return held


def _as_mask(held: Held, size: int) -> Mask:
    if held.dtype == np.uint8:
        return np.unpackbits(held, count=size).view(np.bool_)
    mask = np.zeros(size, np.bool_)
    mask[held] = True
    return mask
