"""Query vectors: from a file or an array to rows of float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from medclip_search.encoders.base import Floats
from medclip_search.errors import QueryError

VectorInput = ArrayLike | Path | Sequence[Path]
"""The paths of NumPy files (``.npy``), or numbers: one vector (d,), or several (n, d)."""

MOST = 64
"""So many vectors can one query hold: a file of more is a library's, not a query's."""


def query_vectors(source: VectorInput) -> tuple[Floats, ...]:
    """The vectors of a query, each (d,) float32, finite and not all zero; raises ``QueryError``."""
    if isinstance(source, Sequence) and source and all(isinstance(one, Path) for one in source):
        return tuple(vector for one in source for vector in query_vectors(one))
    name = str(source) if isinstance(source, str | Path) else "vector"
    found = _load(Path(source)) if isinstance(source, str | Path) else _numbers(source)
    if found.ndim not in (1, 2):
        raise QueryError(f"{name}: has {found.ndim} dimensions; give one vector, or rows of them")
    if found.dtype.kind not in "fiu":
        raise QueryError(f"{name}: holds {found.dtype}; give real numbers")
    if found.ndim == 2 and len(found) > MOST:
        raise QueryError(f"{name}: holds {len(found):,} vectors; a query takes up to {MOST}")
    return tuple(_checked(row, name) for row in _rows(found))


def _load(path: Path) -> np.ndarray:
    try:
        # Mapped: a whole library's vectors, named by mistake, are not read.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise QueryError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # a damaged header is parsed as Python: anything may come of it
        raise QueryError(
            f"{path}: is not a NumPy file of numbers; write it with numpy.save"
        ) from None
    if not isinstance(found, np.ndarray):
        raise QueryError(f"{path}: is an archive of several arrays; write one with numpy.save")
    return found


def _numbers(source: object) -> np.ndarray:
    try:
        return np.asarray(source)
    except ValueError:
        raise QueryError("vector: rows of different lengths; give rows of one length") from None


def _rows(found: np.ndarray) -> Iterator[Floats]:
    rows = found if found.ndim == 2 else found[None] if found.size else ()
    for row in rows:
        with np.errstate(over="ignore"):
            yield np.asarray(row, np.float32)


def _checked(row: Floats, name: str) -> Floats:
    if not np.isfinite(row).all():
        raise QueryError(f"{name}: holds NaN or infinity; give finite numbers")
    if not row.any():
        raise QueryError(f"{name}: is all zeros, which points nowhere; give another vector")
    return row
