"""The files of one index, and reading them with one-line errors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.vectors.cosine import Cosine
from medclip_search.indexes.vectors.stretch import Stretch

DESCRIPTION = "index.json"
MEAN = "mean.npy"  # float32 (d,), zero where the space is not centred
INVERSE_LENGTHS = "inverse_lengths.npy"  # float64 (n,), NaN for a dead row; once float32
KEYS = "keys.npy"  # int64 (n,), the case key of each row, -1 for a dead one
ROWS = "rows.npy"  # int32 (greatest key + 1,), the row of each case key, -1 for none
IVF = "ivf.faiss"  # FAISS engine only, as are the next two
LISTS = "lists.npy"  # int32 (n,), the list of each row, -1 for one that is in none
AXES = "axes.npy"  # float32 (d, r), of a stretched space, as is the next one
GAINS = "gains.npy"  # float32 (r,)
CODED_MEAN = "coded_mean.npy"  # float32 (d,), the mean under which the lists were filled
CODED_AXES = "coded_axes.npy"  # and the stretch, where there was one
CODED_GAINS = "coded_gains.npy"

_NOW = (MEAN, AXES, GAINS)
_CODED = (CODED_MEAN, CODED_AXES, CODED_GAINS)
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Description:
    """What ``index.json`` says.

    ``fitted`` counts the live rows when the lists were fitted, ``coded_axes`` the axes along which
    the space was stretched then. ``probes`` lists are scanned, which found ``recall`` of the true
    ten (``tuning``; 0 where nobody measured it). ``captions`` is the digest of those that taught
    the ``axes`` along which it is stretched now, ``taught`` their number.
    """

    engine: str
    space: str
    dimension: int
    centred: bool
    rows: int
    live: int
    lists: int = 0
    fitted: int = 0
    axes: int = 0
    coded_axes: int = 0
    probes: int = 0
    recall: float = 0.0
    captions: str = ""
    taught: int = 0
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


def write_cosine(folder: Path, cosine: Cosine, *, coded: bool = False) -> int:
    """Write mean and stretch, or those under which the lists are filled; tells how many axes."""
    mean, axes, gains = _CODED if coded else _NOW
    np.save(folder / mean, cosine.mean)
    if cosine.stretch is None:
        return 0
    np.save(folder / axes, cosine.stretch.axes)
    np.save(folder / gains, cosine.stretch.gains)
    return len(cosine.stretch.gains)


def read_cosine(folder: Path, description: Description, *, coded: bool = False) -> Cosine:
    """Read what ``write_cosine`` wrote; raises ``LibraryDamagedError``."""
    mean, axes, gains = _CODED if coded else _NOW
    dimension = description.dimension
    count = description.coded_axes if coded else description.axes
    stretch = None
    if count:
        stretch = Stretch(
            read_array(folder, axes, dimension, count), read_array(folder, gains, count)
        )
    return Cosine(read_array(folder, mean, dimension), stretch)


def damaged(path: Path, reason: object) -> LibraryDamagedError:
    """The error for a file that is not what was written."""
    first = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
    return LibraryDamagedError(
        f"{path}: the vector index cannot be read ({first}); run medclip-search verify"
    )
