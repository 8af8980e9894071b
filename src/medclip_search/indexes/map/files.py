"""The files of a map.

map.json             what it is (``Description``)
positions.npy        float32 (n, 2), the place of each row; NaN where it has none
keys.npy             int64 (n,), the case key of each row, -1 for none
components.npy       float32 (d, c), what directions are multiplied with
anchors.npy          float32 (m, c), what was projected
anchor_places.npy    float32 (m, 2), and where it came to stand
mean.npy, axes.npy, gains.npy    by which rows became directions (``indexes.vectors.cosine``)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import LibraryDamagedError

DESCRIPTION = "map.json"
POSITIONS = "positions.npy"
KEYS = "keys.npy"
COMPONENTS = "components.npy"
ANCHORS = "anchors.npy"
ANCHOR_PLACES = "anchor_places.npy"
MEAN = "mean.npy"
AXES = "axes.npy"
GAINS = "gains.npy"

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Description:
    """What ``map.json`` says.

    ``rows`` of the file ``embeddings`` are placed, of which ``live`` have a case. When the map was
    projected, from a sample of ``sampled``, there were ``projected_rows``, of which
    ``projected_live`` had one. ``stretched`` tells whether there are axes and gains.
    """

    space: str
    embeddings: str
    rows: int
    live: int
    sampled: int
    projected_rows: int
    projected_live: int
    stretched: bool
    format: int = FORMAT


def write_description(folder: Path, description: Description) -> None:
    text = json.dumps(asdict(description), indent=1)
    (folder / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")


def read_description(folder: Path) -> Description:
    """Raises ``LibraryDamagedError``."""
    try:
        found = Description(**json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise damaged(folder / DESCRIPTION, error) from error
    if found.format != FORMAT:
        raise damaged(folder / DESCRIPTION, f"its format is {found.format}, not {FORMAT}")
    return found


def read_array(folder: Path, name: str, *shape: int) -> NDArray[Any]:
    """Map an array, of that shape where one is given. Raises ``LibraryDamagedError``."""
    try:
        mapped = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(folder / name, error) from error
    if shape and mapped.shape != shape:
        raise damaged(folder / name, f"its shape is {mapped.shape}, not {shape}")
    return np.asarray(mapped)


def damaged(path: Path, reason: object) -> LibraryDamagedError:
    """The error for a file that is not what was written."""
    first = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
    return LibraryDamagedError(
        f"{path}: the map cannot be read ({first}); run medclip-search verify"
    )
