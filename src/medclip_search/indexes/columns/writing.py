"""The arrays of columns, written: the live keys in the order of their ids, then field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.indexes.columns.files import ARRAYS, Arrays, write_about
from medclip_search.indexes.columns.values import SEVERAL, number, value_of


@dataclass(frozen=True)
class Dictionary:
    """The values of a field, by code: as JSON one after another, where each ends, as numbers.

    ``values``, (b,) uint8; ``offsets``, (n + 1,) int64; ``numbers``, (n,) float64, NaN for none.
    """

    values: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    numbers: NDArray[np.float64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Dictionary:
        """Of the encoded values, which are sorted and without repeats."""
        joined, ends, numbers = bytearray(), [0], []
        for text in texts:
            value = value_of(text)
            numbers.append(number(json.loads(value)))
            joined += value.encode()
            ends.append(len(joined))
        return cls(
            np.frombuffer(bytes(joined), np.uint8),
            np.array(ends, np.int64),
            np.array(numbers, np.float64),
        )

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Field:
    """A field: its values, and which case has which: ``keys`` and ``codes``, (m,).

    Where a case may have several values, they are sorted by code and key.
    """

    dictionary: Dictionary
    keys: NDArray[np.int32]
    codes: NDArray[np.int32]


def write_columns(
    folder: Path, ranked: NDArray[np.int32], fields: Iterable[tuple[str, Field]]
) -> None:
    """Write the arrays: ``ranked`` are the live keys in the order of their ids.

    ``fields`` come by stored name, in their order; one is held at a time.
    """
    with (folder / ARRAYS).open("wb") as file:
        arrays = Arrays(file)
        size = int(ranked.max(initial=-1)) + 1
        live = np.zeros(size, np.bool_)
        live[ranked] = True
        order = np.full(size, size, np.int32)
        order[ranked] = np.arange(len(ranked), dtype=np.int32)
        arrays.add("live", live)
        arrays.add("order", order)
        kinds: list[dict[str, Any]] = []
        for name, field in fields:
            several = name in SEVERAL
            numeric = _write_field(arrays, str(len(kinds)), field, size, several)
            kinds.append({"name": name, "several": several, "numeric": numeric})
    write_about(folder, size, kinds, arrays)


def _write_field(arrays: Arrays, stem: str, field: Field, size: int, several: bool) -> bool:
    """Write one field's arrays, named ``stem`` and an ending; whether any value is a number."""
    dictionary = field.dictionary
    arrays.add(f"{stem}.values", dictionary.values)
    arrays.add(f"{stem}.offsets", dictionary.offsets)
    numeric = bool(np.isfinite(dictionary.numbers).any())
    if numeric:
        arrays.add(f"{stem}.numbers", dictionary.numbers)
    if several:
        starts = np.searchsorted(field.codes, np.arange(len(dictionary) + 1))
        arrays.add(f"{stem}.owners", field.keys.astype(np.int32))
        arrays.add(f"{stem}.starts", starts.astype(np.int64))
    else:
        count = len(dictionary)
        small = np.int8 if count < 128 else np.int16 if count < 32768 else np.int32
        column = np.full(size, -1, small)
        column[field.keys] = field.codes
        arrays.add(f"{stem}.codes", column)
    return numeric
