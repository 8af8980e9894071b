"""Pictures in the cells of a Parquet file, as data sets on Hugging Face hold them.

A column of pictures is binary, or a struct of ``bytes`` and ``path``:
https://huggingface.co/docs/datasets/image_dataset
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from medclip_search.errors import ImageError

SUFFIXES = (".parquet", ".pq")
BATCH_BYTES = 8 << 20
"""About how much is decoded at a time."""

KEPT_BYTES = 32 << 20
"""Of each open file, rows of about so many bytes stay decoded."""

READ_BYTES = 1 << 20
"""How much is read at a time."""

MOST_OPEN = 4
AGAIN = "download or copy it again"


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet by its name."""
    return path.suffix.lower() in SUFFIXES


def open_parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    """A Parquet file read piece by piece. Raises ``OSError`` or ``pyarrow.ArrowException``.

    It is not mapped into memory: a mapped file that another process cuts short ends this one
    (SIGBUS), where reading it makes an ``OSError``.
    """
    return pyarrow.parquet.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False)


def picture_column(path: Path) -> str | None:
    """The column that holds pictures, ``image`` if there are several; ``None`` if there is none.

    Raises ``OSError`` or ``ImageError``.
    """
    try:
        with open_parquet(path) as file:
            found = [field.name for field in file.schema_arrow if _leaf(field) is not None]
    except pyarrow.ArrowException:
        raise ImageError(str(path), "is damaged or cut short", AGAIN) from None
    return "image" if "image" in found else next(iter(found), None)


def read_cell(path: Path, member: str, most: int) -> bytes:
    """The bytes at ``COLUMN/ROW``, the row counted from zero over the whole file.

    Rows round it are decoded with it and kept for a while (``KEPT_BYTES`` in each of the
    ``MOST_OPEN`` files last used), so that reading one after the other decodes each once, in
    any number of threads. Raises ``OSError``, or ``ImageError``
    where there is no such cell, where it is empty, damaged or longer than ``most`` bytes.
    """
    called = f"{path}/{member}"
    column, _, number = member.rpartition("/")
    if not (number.isascii() and number.isdigit()):
        raise ImageError(called, "is not COLUMN/ROW of a Parquet file", "build the library again")
    try:
        with _lock:
            file = _open(path)
            data = file.cell(column, int(number))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ImageError(called, "is damaged or cut short", AGAIN) from None
    except LookupError as error:
        raise ImageError(called, str(error.args[0]), "build the library again") from None
    if data is None:
        raise ImageError(called, "is empty: there is no picture in this row")
    if len(data) > most:
        raise ImageError(called, f"is larger than {most / 2**30:g} GiB", "scale it down")
    return data


def _leaf(field: pyarrow.Field) -> str | None:
    """The path of the leaf with the bytes of a column of pictures; ``None`` for other columns."""
    kind, path = field.type, field.name
    if pyarrow.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        if place < 0:
            return None
        kind, path = kind.field(place).type, f"{path}.bytes"
    binary = (
        pyarrow.types.is_binary(kind)
        or pyarrow.types.is_large_binary(kind)
        or pyarrow.types.is_fixed_size_binary(kind)
        or pyarrow.types.is_binary_view(kind)
    )
    return path if binary else None


class _Batch(NamedTuple):
    """Some rows of one column: the first, and their bytes."""

    first: int
    cells: pyarrow.Array


class _File:
    """One Parquet file that is open, with a place in it from which reading goes on."""

    def __init__(self, path: Path) -> None:
        self._file = open_parquet(path)
        metadata = self._file.metadata
        rows = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._starts = list(accumulate(rows, initial=0))
        self._leaves = {field.name: _leaf(field) for field in self._file.schema_arrow}
        self._batches: OrderedDict[tuple[str, int], _Batch] = OrderedDict()
        self._going: tuple[str, int] | None = None
        self._next = 0
        self._rest: Iterator[pyarrow.RecordBatch] = iter(())

    def close(self) -> None:
        self._file.close()

    def cell(self, column: str, row: int) -> bytes | None:
        """The bytes of a cell. Raises ``LookupError`` with the reason where there is none."""
        leaf = self._leaves.get(column)
        if leaf is None:
            raise LookupError(f"has no column of pictures {column!r}")
        if row >= self._starts[-1]:
            raise LookupError(f"has no row {row}, only {self._starts[-1]}")
        batch = self._kept(column, row) or self._decode(column, leaf, row)
        cell: Any = batch.cells[row - batch.first].as_py()
        return cell if cell is None else bytes(cell)

    def _kept(self, column: str, row: int) -> _Batch | None:
        for key, batch in self._batches.items():
            if key[0] == column and batch.first <= row < batch.first + len(batch.cells):
                self._batches.move_to_end(key)
                return batch
        return None

    def _decode(self, column: str, leaf: str, row: int) -> _Batch:
        group = bisect_right(self._starts, row) - 1
        if self._going != (leaf, group) or self._next > row:
            self._going, self._next = (leaf, group), self._starts[group]
            self._rest = self._file.iter_batches(
                self._batch_rows(leaf, group), row_groups=[group], columns=[leaf]
            )
        for decoded in self._rest:
            cells = decoded.column(0)
            if pyarrow.types.is_struct(cells.type):
                cells = cells.flatten()[0]  # carries the nulls of the struct itself along
            batch = _Batch(self._next, cells)
            self._next += len(cells)
            if row < self._next:
                self._keep(column, batch)
                return batch
        self._going = None
        raise ValueError("fewer rows than promised")

    def _keep(self, column: str, batch: _Batch) -> None:
        self._batches[column, batch.first] = batch
        held = sum(one.cells.nbytes for one in self._batches.values())
        while held > KEPT_BYTES and len(self._batches) > 1:
            held -= self._batches.popitem(last=False)[1].cells.nbytes

    def _batch_rows(self, leaf: str, group: int) -> int:
        """How many rows of a group make about ``BATCH_BYTES``."""
        part = self._file.metadata.row_group(group)
        for place in range(part.num_columns):
            chunk = part.column(place)
            if chunk.path_in_schema == leaf:
                return int(
                    max(
                        1,
                        min(
                            4096,
                            BATCH_BYTES * part.num_rows // (chunk.total_uncompressed_size or 1),
                        ),
                    )
                )
        return 1


# --------------------------------------------------------------------------- those in use

_files: OrderedDict[tuple[str, int, int], _File] = OrderedDict()
_lock = threading.Lock()


def _open(path: Path) -> _File:
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    file = _files.get(key) or _File(path)
    _files[key] = file
    _files.move_to_end(key)
    while len(_files) > MOST_OPEN:
        _files.popitem(last=False)[1].close()
    return file
