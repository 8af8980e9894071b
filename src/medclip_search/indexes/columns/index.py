"""Columns as they are read: masks, counts, values and order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Value
from medclip_search.indexes.columns.files import open_arrays
from medclip_search.indexes.columns.values import METADATA, SEVERAL, SINGLE, fold, number

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]

_NOTHING: NDArray[Any] = np.zeros(0, np.int64)


class Columns:
    """Opened columns; immutable, memory-mapped, safe for use by several threads.

    Arrays over cases have one element a case key, ``size`` in all. Fields are named as in
    ``fields()``; another way of writing small and capital letters is accepted where it is
    unambiguous. An unknown field raises ``KeyError``.
    """

    def __init__(
        self,
        size: int,
        fields: Sequence[Mapping[str, Any]],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:
        self.size = size
        self._stored = {
            field["name"]: _Field(arrays, str(at), field["numeric"], field["several"])
            for at, field in enumerate(fields)
        }
        self._nothing = {
            several: _Field({"-.offsets": np.zeros(1, np.int64)}, "-", False, several)
            for several in (False, True)
        }
        self.live: Mask = arrays["live"]
        self.order: NDArray[np.int32] = arrays["order"]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what ``build_columns`` wrote. Raises ``FileNotFoundError`` where nothing is."""
        return cls(*open_arrays(folder))

    built_in = (*SINGLE, *SEVERAL)
    """The fields that every library has; the others of ``fields()`` are metadata columns."""

    def fields(self) -> list[str]:
        """The names that filters accept, built-in ones first; metadata by its own name."""
        taken = {*SINGLE, *SEVERAL, "id"}
        names = (name.removeprefix(METADATA) for name in self._stored if name.startswith(METADATA))
        return [
            *self.built_in,
            *(METADATA + name if name.casefold() in taken else name for name in names),
        ]

    def is_numeric(self, field: str) -> bool:
        """Whether any of the field's values is a number."""
        return self._field(field).numeric

    def values(self, field: str) -> int:
        """How many distinct values the field has."""
        return len(self._field(field))

    def several(self, field: str) -> bool:
        """Whether a case may have several values of the field."""
        return self._field(field).several

    def counts(
        self, field: str, allowed: Mask | Keys | None = None, most: int | None = None
    ) -> dict[Value, int]:
        """Values with the number of cases (of those allowed), most frequent first.

        ``allowed`` is a mask (size,) or keys without repeats; ``most`` leaves out rarer values.
        """
        column = self._field(field)
        counts = column.counts(allowed)
        codes = np.flatnonzero(counts)
        if most is not None and len(codes) > most:
            codes = np.sort(codes[np.argsort(-counts[codes], kind="stable")[:most]])
        found: dict[Value, int] = {}
        for code in codes.tolist():
            value = column.value(code)  # 45 and 45.0 are two codes but one value
            found[value] = found.get(value, 0) + int(counts[code])
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def code_counts(self, field: str) -> NDArray[np.int64]:
        """How many cases have each value, by its code, (values,)."""
        return self._field(field).all_counts

    def equals(self, field: str, value: Value) -> Mask:
        """The cases with this value, letters' case aside; numbers are equal as numbers."""
        column = self._field(field)
        first, last = column.find(fold(_yes_no(value) if column.is_flag else value))
        if first == last and not math.isnan(amount := number(value)):
            return self.between(field, amount, amount)
        return column.of_codes(first, last, self.size)

    def between(self, field: str, low: float | None, high: float | None) -> Mask:
        """The cases with a number from ``low`` to ``high``, both included; ``None`` is open."""
        column = self._field(field)
        if not column.numeric:
            return np.zeros(self.size, np.bool_)
        numbers = column.numbers
        inside = np.isfinite(numbers)
        if low is not None:
            inside &= numbers >= low
        if high is not None:
            inside &= numbers <= high
        return column.where(inside, self.size)

    def present(self, field: str) -> Mask:
        """The cases that have any value of the field."""
        column = self._field(field)
        return column.of_codes(0, len(column), self.size)

    def codes(self, field: str) -> NDArray[np.signedinteger[Any]]:
        """The codes of a field with one value a case, -1 for none; ``KeyError`` for others."""
        column = self._field(field)
        if column.several:
            raise KeyError(field)
        return column.codes if len(column) else np.full(self.size, -1, np.int8)

    def numbers(self, field: str, keys: Keys) -> NDArray[np.float64]:
        """The numbers of some cases in a field with one value a case, NaN where there is none."""
        column = self._field(field)
        if not column.numeric:
            return np.full(len(keys), np.nan)
        return np.asarray(np.append(column.numbers, np.nan)[self.codes(field)[keys]])

    def decode(self, field: str, code: int) -> Value:
        """The value of a code."""
        return self._field(field).value(code)

    def value(self, field: str, key: int) -> Value:
        """The value of one case (the first in order, where there are several), or ``None``."""
        values = self.all_values(field, key)
        return values[0] if values else None

    def all_values(self, field: str, key: int) -> list[Value]:
        """The values of one case in a field."""
        column = self._field(field)
        return [column.value(code) for code in column.codes_of(key)]

    @cached_property
    def captionless(self) -> Mask | None:
        """The cases that have an image but no caption; ``None`` where there are none."""
        mask = self.equals("has_image", True) & self.equals("has_caption", False)
        return mask if mask.any() else None

    @cached_property
    def cases(self) -> int:
        """How many cases there are."""
        return int(np.count_nonzero(self.live))

    def _field(self, name: str) -> _Field:
        stored = self.resolve(name)
        return self._stored.get(stored, self._nothing[stored in SEVERAL])

    def resolve(self, name: str) -> str:
        """The stored name of a field as the user writes it; ``KeyError`` where there is none."""
        for candidate in (name, METADATA + name):
            if candidate in self._stored or candidate in SINGLE or candidate in SEVERAL:
                return candidate
        for folded in (name.casefold(), METADATA + name.casefold()):
            found = [one for one in (*SINGLE, *SEVERAL) if one == folded]
            found = found or [one for one in self._stored if one.casefold() == folded]
            if len(found) == 1:
                return found[0]
        raise KeyError(name)


class _Field:
    """One field's arrays."""

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], stem: str, numeric: bool, several: bool
    ) -> None:
        def array(ending: str) -> NDArray[Any]:
            return arrays.get(f"{stem}.{ending}", _NOTHING)

        self.numeric = numeric
        self.several = several
        self.offsets: NDArray[np.int64] = array("offsets")
        self.numbers: NDArray[np.float64] = array("numbers")
        self.codes: NDArray[np.signedinteger[Any]] = array("codes")
        self.owners: NDArray[np.int32] = array("owners")
        self.starts: NDArray[np.int64] = array("starts")
        self._bytes: NDArray[np.uint8] = array("values")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def is_flag(self) -> bool:
        """Whether the values are booleans."""
        return 0 < len(self) <= 2 and all(isinstance(self.value(c), bool) for c in range(len(self)))

    def value(self, code: int) -> Value:
        start, end = self.offsets[code], self.offsets[code + 1]
        found: Value = json.loads(self._bytes[start:end].tobytes())
        return found

    def find(self, folded: str) -> tuple[int, int]:
        """The codes from first to before last whose values fold to this text."""
        return self._bisect(folded, past=False), self._bisect(folded, past=True)

    def _bisect(self, folded: str, *, past: bool) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            here = fold(self.value(middle))
            if here < folded or (past and here == folded):
                low = middle + 1
            else:
                high = middle
        return low

    def of_codes(self, first: int, last: int, size: int) -> Mask:
        """The cases whose code is at least ``first`` and below ``last``."""
        mask = np.zeros(size, np.bool_)
        if first >= last:
            return mask
        if self.several:
            mask[self.owners[self.starts[first] : self.starts[last]]] = True
            return mask
        return np.asarray((self.codes >= first) & (self.codes < last))

    def where(self, chosen: Mask, size: int) -> Mask:
        """The cases whose code is chosen, (values,) bool."""
        if not self.several:
            return np.asarray(np.append(chosen, False)[self.codes])
        mask = np.zeros(size, np.bool_)
        mask[self.owners[np.repeat(chosen, np.diff(self.starts))]] = True
        return mask

    @cached_property
    def all_counts(self) -> NDArray[np.int64]:
        return self._counts(None)

    def counts(self, allowed: Mask | Keys | None) -> NDArray[np.int64]:
        """How many cases (of those allowed) have each value, (values,)."""
        return self.all_counts if allowed is None else self._counts(allowed)

    def _counts(self, allowed: Mask | Keys | None) -> NDArray[np.int64]:
        if not len(self):
            return np.zeros(0, np.int64)
        if not self.several:
            codes = self.codes if allowed is None else self.codes[allowed]
            return np.bincount(codes.astype(np.intp) + 1, minlength=len(self) + 1)[1:]
        if allowed is None:
            return np.diff(self.starts)
        mask = allowed
        if mask.dtype != np.bool_:
            mask = np.zeros(int(self.owners.max()) + 1, np.bool_)
            mask[allowed[allowed < len(mask)]] = True
        passed = np.concatenate(([0], np.cumsum(mask[self.owners], dtype=np.int64)))
        return np.asarray(np.diff(passed[self.starts]))

    def codes_of(self, key: int) -> list[int]:
        if not len(self):
            return []
        if not self.several:
            return [code] if (code := int(self.codes[key])) >= 0 else []
        places = np.flatnonzero(self.owners == key)
        return [int(c) for c in np.searchsorted(self.starts, places, side="right") - 1]


def _yes_no(value: Value) -> Value:
    return {"true": True, "1": True, "false": False, "0": False}.get(fold(value), value)
