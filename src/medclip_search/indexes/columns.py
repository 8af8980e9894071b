"""Columns: what filters, facets and the order by id are answered from.

A column-store in the plain sense (Abadi et al., The Design and Implementation of Modern
Column-Oriented Database Systems, 2013): each field is an array of dictionary codes, one a case
key, beside the sorted dictionary of its values. All arrays lie in one file, mapped when the
columns are opened (so that they stay, whatever becomes of the file's name) and read when needed.

    columns.json       the fields with their kinds; offset, type and shape of every array
    columns.bin        the arrays, each beginning at a multiple of 64 bytes:
        live           (size,) bool: whether the key has a case
        order          (size,) int32: the rank of the case's id in code-point order
        N.codes        (size,) int: the code of the value, -1 where there is none
        N.owners       in place of codes, for fields with several values a case: the case keys
                       of each value in turn, int32
        N.starts       (values + 1,) int64: where each value's owners begin
        N.values       bytes: the values as JSON, in order of their folded text
        N.offsets      (values + 1,) int64: where each value begins in values
        N.numbers      (values,) float64, where any value is a number: NaN where it is none
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case, Value

if TYPE_CHECKING:
    import pyarrow as pa  # imported only where columns are written: it would slow the start

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]

SINGLE = (
    "corpus",
    "modality",
    "region",
    "article",
    "licence",
    "licence_class",
    "year",
    "has_image",
    "has_caption",
)
"""Built-in fields with one value a case."""
SEVERAL = ("keyword", "cui")
"""Built-in fields with any number of values a case."""
METADATA = "metadata."
"""``metadata.NAME`` reaches a metadata column whatever its name."""

_ID = ""
_ALIGNED = 64
_BATCH = 1 << 16
_NOTHING: NDArray[Any] = np.zeros(0, np.int64)
_REMEMBERED = 1 << 16


def fold(value: Value) -> str:
    """The text by which values are compared: case-insensitive, booleans as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return " ".join(_plain(value).replace("\0", " ").split()).casefold()


def number(value: Value) -> float:
    """The value as a number, NaN where it is none (or no finite one)."""
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        found = float(value)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


# --- writing -------------------------------------------------------------------------------


def build_columns(cases: Iterable[tuple[int, Case]], folder: Path) -> None:
    """Write the columns of (key, case) pairs into ``folder``, which exists and is empty.

    Keys may come in any order. Values are spilled to a temporary folder in it and sorted one
    field at a time, so that memory is bounded by the largest field.
    """
    spill = Path(tempfile.mkdtemp(prefix=".spill-", dir=folder))
    try:
        spills: dict[str, _Spill] = {}
        try:
            for key, case in cases:
                for field, value in case_values(case):
                    if field not in spills:
                        path = spill / f"{len(spills)}.arrow"
                        spills[field] = _Spill(path, _plain if field == _ID else _encoded)
                    spills[field].add(key, value)
        finally:
            for one in spills.values():
                one.close()
        with (folder / "columns.bin").open("wb") as file:
            arrays = _Arrays(file)
            size = _write_ids(arrays, spills.pop(_ID, None))
            fields: list[dict[str, Any]] = []
            for field in sorted(spills, key=_field_order):
                several = field in SEVERAL
                kind = _write_field(arrays, str(len(fields)), spills[field], size, several)
                fields.append({"name": field, "several": several, **kind})
        about = {"size": size, "fields": fields, "arrays": arrays.places}
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (folder / "columns.json").write_text(text, "utf-8")
    finally:
        shutil.rmtree(spill)


def case_values(case: Case) -> Iterator[tuple[str, Value]]:
    """All (stored field, value) of a case."""
    yield _ID, case.id
    yield "has_image", case.image is not None
    yield "has_caption", bool(case.caption)
    for field in SINGLE[:7]:
        if (value := getattr(case, field)) not in (None, ""):
            yield field, value
    for keyword in dict.fromkeys(case.keywords):
        yield "keyword", keyword
    for cui in dict.fromkeys(case.cuis):
        yield "cui", cui
    for name, value in case.metadata.items():
        if value is not None and value != "":
            yield METADATA + name, value


def _field_order(field: str) -> tuple[int, str]:
    built_in = (*SINGLE, *SEVERAL)
    return (built_in.index(field), "") if field in built_in else (len(built_in), field)


def _plain(value: Value) -> str:
    return str(value).encode("utf-8", "replace").decode()


def _encoded(value: Value) -> str:
    """The folded text and the value as JSON: sorting these sorts by the folded text."""
    if isinstance(value, str):
        value = _plain(value)
    elif isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    return f"{fold(value)}\0{json.dumps(value, ensure_ascii=False)}"


class _Spill:
    """The (key, value) pairs of one field, on disk, values as text."""

    def __init__(self, path: Path, encode: Callable[[Value], str]) -> None:
        self.path = path
        self.encode = encode
        self.keys: list[int] = []
        self.texts: list[str] = []
        self.known: dict[tuple[type, Value], str] = {}
        self._writer: Any = None

    def add(self, key: int, value: Value) -> None:
        text = self.known.get((type(value), value))
        if text is None:
            text = self.encode(value)
            if len(self.known) < _REMEMBERED:
                self.known[type(value), value] = text
        self.keys.append(key)
        self.texts.append(text)
        if len(self.keys) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [pa.array(self.keys, pa.int32()), pa.array(self.texts, pa.large_string())]
        batch = pa.record_batch(arrays, names=["key", "value"])
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self.path), batch.schema)
        self._writer.write_batch(batch)
        self.keys, self.texts = [], []

    def close(self) -> None:
        if self.keys:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def read(self) -> tuple[NDArray[np.int32], pa.ChunkedArray]:
        import pyarrow as pa

        with pa.memory_map(str(self.path)) as source:
            # In this thread: Arrow's own may be more than a limit on memory has room for.
            options = pa.ipc.IpcReadOptions(use_threads=False)
            table = pa.ipc.open_stream(source, options=options).read_all()
        keys: NDArray[np.int32] = table.column("key").to_numpy()
        return keys, table.column("value")


class _Arrays:
    """Arrays one after another in one file; ``places`` tells where each is and what."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.places: dict[str, dict[str, Any]] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        self._file.write(bytes(-self._file.tell() % _ALIGNED))
        place = {"offset": self._file.tell(), "dtype": array.dtype.str, "shape": array.shape}
        self.places[name] = place
        self._file.write(np.ascontiguousarray(array).data)


def _write_ids(arrays: _Arrays, spill: _Spill | None) -> int:
    """Write ``live`` and ``order``; the number of keys."""
    import pyarrow.compute as pc

    keys, ranked = np.empty(0, np.int32), np.empty(0, np.int64)
    if spill is not None:
        keys, ids = spill.read()
        # Arrow sorts text by its UTF-8 bytes, which is the order of code points.
        ranked = pc.sort_indices(ids).to_numpy()
    size = int(keys.max(initial=-1)) + 1
    live = np.zeros(size, np.bool_)
    live[keys] = True
    order = np.full(size, size, np.int32)
    order[keys[ranked]] = np.arange(len(keys), dtype=np.int32)
    arrays.add("live", live)
    arrays.add("order", order)
    return size


def _write_field(
    arrays: _Arrays, stem: str, spill: _Spill, size: int, several: bool
) -> dict[str, Any]:
    """Write one field's arrays, named ``stem`` and an ending; its kind for ``columns.json``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys, values = spill.read()
    encoded = pc.dictionary_encode(values).combine_chunks()
    rank_of = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(rank_of), np.int32)
    rank[rank_of] = np.arange(len(rank_of), dtype=np.int32)
    codes = rank[encoded.indices.to_numpy()]
    dictionary = encoded.dictionary.take(pa.array(rank_of))
    numbers = np.full(len(rank_of), np.nan)
    ends = np.zeros(len(rank_of) + 1, np.int64)
    texts = bytearray()
    for at, text in enumerate(dictionary):
        value = text.as_py().partition("\0")[2]
        numbers[at] = number(json.loads(value))
        texts += value.encode()
        ends[at + 1] = len(texts)
    arrays.add(f"{stem}.values", np.frombuffer(texts, np.uint8))
    arrays.add(f"{stem}.offsets", ends)
    numeric = bool(np.isfinite(numbers).any())
    if numeric:
        arrays.add(f"{stem}.numbers", numbers)
    if several:
        by_value = np.lexsort((keys, codes))
        arrays.add(f"{stem}.owners", keys[by_value].astype(np.int32))
        starts = np.searchsorted(codes[by_value], np.arange(len(rank_of) + 1))
        arrays.add(f"{stem}.starts", starts.astype(np.int64))
    else:
        small = np.int8 if len(rank_of) < 128 else np.int16 if len(rank_of) < 32768 else np.int32
        column = np.full(size, -1, small)
        column[keys] = codes
        arrays.add(f"{stem}.codes", column)
    return {"numeric": numeric}


# --- reading -------------------------------------------------------------------------------


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
        about = json.loads((folder / "columns.json").read_text("utf-8"))
        path = folder / "columns.bin"
        empty = not path.stat().st_size
        data = np.empty(0, np.uint8) if empty else np.asarray(np.memmap(path, np.uint8, "r"))
        arrays = {name: _array(data, **place) for name, place in about["arrays"].items()}
        return cls(about["size"], about["fields"], arrays)

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


def _array(
    data: NDArray[np.uint8], *, offset: int, dtype: str, shape: Sequence[int]
) -> NDArray[Any]:
    """One array within the bytes of all."""
    kind = np.dtype(dtype)
    length = math.prod(shape) * kind.itemsize
    return data[offset : offset + length].view(kind).reshape(shape)


def _yes_no(value: Value) -> Value:
    return {"true": True, "1": True, "false": False, "0": False}.get(fold(value), value)
