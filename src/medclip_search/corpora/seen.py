"""Which ids were met already, in about 20 bytes each."""

from __future__ import annotations

from array import array
from hashlib import blake2b


class SeenIds:
    """A set of texts that can only grow, of which it keeps 64-bit digests alone.

    It is a hash table with open addressing, at most two thirds full. Two texts of ten million
    have the same digest with a chance of three in a million; the later one then counts as seen.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, text: str) -> None:
        digest = _digest(text)
        place = _place(self._table, digest)
        if not self._table[place]:
            self._table[place] = digest
            self._count += 1
            if 3 * self._count > 2 * len(self._table):
                self._grow()

    def __contains__(self, text: str) -> bool:
        digest = _digest(text)
        return self._table[_place(self._table, digest)] == digest

    def __len__(self) -> int:
        return self._count

    def _grow(self) -> None:
        larger = array("Q", bytes(2 * 8 * len(self._table)))
        for digest in self._table:
            if digest:
                larger[_place(larger, digest)] = digest
        self._table = larger


def _digest(text: str) -> int:
    """A digest that is the same in every process, and never 0: that marks an empty place."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") or 1


def _place(table: array[int], digest: int) -> int:
    """Where a digest stands in a table, or else the empty place where it belongs."""
    mask = len(table) - 1
    place = digest & mask
    while table[place] not in (0, digest):
        place = (place + 1) & mask
    return place
