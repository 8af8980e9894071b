"""The files of one index, and reading them with one-line errors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import LibraryDamagedError

DESCRIPTION = "index.json"
MEAN = "mean.npy"  # float32 (d,), zero where the space is not centred
INVERSE_LENGTHS = "inverse_lengths.npy"  # float32 (n,), NaN for a dead row
KEYS = "keys.npy"  # int64 (n,), the case key of each row, -1 for a dead one
ROWS = "rows.npy"  # int32 (greatest key + 1,), the row of each case key, -1 for none
IVF = "ivf.faiss"  # FAISS engine only, as are the next two
LISTS = "lists.npy"  # int32 (n,), the list of each row, -1 for one that is in none
CODED_MEAN = "coded_mean.npy"  # float32 (d,), the mean under which the lists were filled

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Description:
    """What ``index.json`` says. ``fitted`` counts the live rows when the lists were fitted."""

    engine: str
    space: str
    dimension: int
    centred: bool
    rows: int
    live: int
    lists: int = 0
    fitted: int = 0
    format: int = _FORMAT


def write_description(folder: Path, description: Description) -> None:
    """Write ``index.json``."""
    text = json.dumps(asdict(description), indent=1)
    (folder / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")


def read_description(folder: Path) -> Description:
    """Read ``index.json``; raises ``LibraryDamagedError``."""
    path = folder / DESCRIPTION
    try:
        found = Description(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise damaged(path, error) from error
    if found.format != _FORMAT:
        raise damaged(path, f"its format is {found.format}, not {_FORMAT}")
    return found


def read_array(folder: Path, name: str, *shape: int) -> NDArray[Any]:
    """Map an array, which must have ``shape`` where one is given.

    Raises ``LibraryDamagedError``.
    """
    path = folder / name
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    if shape and mapped.shape != shape:
        raise damaged(path, f"its shape is {mapped.shape}, not {shape}")
    return np.asarray(mapped)


def damaged(path: Path, reason: object) -> LibraryDamagedError:
    """The error for a file that is not what was written."""
    first = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
    return LibraryDamagedError(
        f"{path}: the vector index cannot be read ({first}); run medclip-search verify"
    )
