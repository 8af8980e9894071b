"""Writing columns anew, from all cases."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case, Value
from medclip_search.indexes.columns.values import (
    ID,
    SEVERAL,
    case_values,
    encoded,
    field_order,
    plain,
)
from medclip_search.indexes.columns.writing import Dictionary, Field, write_columns

if TYPE_CHECKING:
    import pyarrow as pa  # imported only where columns are written: it would slow the start

_BATCH = 1 << 16
_REMEMBERED = 1 << 16


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
                        spills[field] = _Spill(path, plain if field == ID else encoded)
                    spills[field].add(key, value)
        finally:
            for one in spills.values():
                one.close()
        ranked = _ranked(spills.pop(ID, None))
        names = sorted(spills, key=field_order)
        write_columns(folder, ranked, ((one, _field(spills[one], one in SEVERAL)) for one in names))
    finally:
        shutil.rmtree(spill)


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


def _ranked(spill: _Spill | None) -> NDArray[np.int32]:
    """The keys in the order of their ids."""
    import pyarrow.compute as pc

    if spill is None:
        return np.empty(0, np.int32)
    keys, ids = spill.read()
    # Arrow sorts text by its UTF-8 bytes, which is the order of code points.
    return np.asarray(keys[pc.sort_indices(ids).to_numpy()])


def _field(spill: _Spill, several: bool) -> Field:
    import pyarrow as pa
    import pyarrow.compute as pc

    keys, values = spill.read()
    found = pc.dictionary_encode(values).combine_chunks()
    rank_of = pc.sort_indices(found.dictionary).to_numpy()
    rank = np.empty(len(rank_of), np.int32)
    rank[rank_of] = np.arange(len(rank_of), dtype=np.int32)
    codes = rank[found.indices.to_numpy()]
    texts = found.dictionary.take(pa.array(rank_of))
    dictionary = Dictionary.of(text.as_py() for text in texts)
    if several:
        by_value = np.lexsort((keys, codes))
        keys, codes = keys[by_value], codes[by_value]
    return Field(dictionary, keys, codes)
