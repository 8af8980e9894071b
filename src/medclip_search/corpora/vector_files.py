"""Ready-made vectors beside a table: a NumPy file with one row for each of the table's records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.files import check_file
from medclip_search.corpora.lines import why_unreadable
from medclip_search.corpora.rows import Row, read_rows, table_format
from medclip_search.errors import CorpusError

Vectors = NDArray[np.float16 | np.float32]

SAVE = "save it as float32: np.save(file, array.astype('float32'))"


def open_vectors(path: Path, *, rows: int | None = None, dimension: int | None = None) -> Vectors:
    """The vectors of an ``.npy`` file, (rows, dimension), memory-mapped, as they were saved.

    Raises ``CorpusError`` where it holds anything but a table of float16 or float32 numbers, or
    not as many rows, or of another dimension, as it must.
    """
    check_file(path, "give --embeddings SPACE=FILE.npy")
    try:
        vectors = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        fault = why_unreadable(path, error)
        raise CorpusError(f"{path}: {fault}; {reasons.REMEDIES.get(fault, SAVE)}") from None
    except Exception:  # NumPy evaluates the header, and raises whatever that raises
        raise CorpusError(f"{path}: not a whole .npy file of numbers; {SAVE}") from None
    if vectors.dtype.kind != "f" or vectors.dtype.itemsize not in (2, 4):
        raise CorpusError(f"{path}: holds {vectors.dtype}, not float16 or float32; {SAVE}")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise CorpusError(
            f"{path}: its shape is {vectors.shape}, not (rows, dimension); save one vector a row"
        )
    if rows is not None and len(vectors) != rows:
        raise CorpusError(
            f"{path}: {len(vectors)} vectors for a table of {rows} records; save one for each, in "
            "the order of the table"
        )
    if dimension is not None and vectors.shape[1] != dimension:
        raise CorpusError(
            f"{path}: vectors of {vectors.shape[1]} numbers where the space has {dimension}; give "
            "the space's own vectors, or name another space"
        )
    return vectors


def numbered(path: Path, items: Iterable[Row | Skipped]) -> Iterator[tuple[int, Row | Skipped]]:
    """What ``read_rows`` gives with the zero-based number of its record in the table.

    Records that cannot be read count too, so that vectors stay beside their rows: a record is
    what stands between two line ends outside quotes (CSV), on a line that is not blank (JSON
    lines), between two commas (a JSON array) or in a row (Parquet). A report that belongs to no
    record of its own has the number of the next one.
    """
    by_place = table_format(path) == "parquet"
    number = 0
    for item in items:
        if isinstance(item, Row) and by_place:
            number = item.number - 1
        yield number, item
        number += _is_record(item)


def count_records(path: Path) -> int:
    """Exactly how many records a table has; raises ``CorpusError`` where it is cut short."""
    if table_format(path) == "parquet":
        try:
            return int(pyarrow.parquet.read_metadata(path).num_rows)
        except (OSError, pyarrow.ArrowException):
            raise CorpusError(_cut_short(path, reasons.UNREADABLE)) from None
    count = 0
    for item in read_rows(path):
        if isinstance(item, Skipped) and item.reason in reasons.CONCEALING:
            raise CorpusError(_cut_short(path, item.reason))
        count += _is_record(item)
    return count


def _is_record(item: Row | Skipped) -> bool:
    return isinstance(item, Row) or item.dropped


def _cut_short(path: Path, reason: str) -> str:
    remedy = reasons.REMEDIES.get(reason, "copy it again")
    return f"{path}: {reason}, so that nobody can tell which vectors are whose; {remedy}"
