"""The file of arrays: written one after another, mapped when it is opened."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

ARRAYS = "columns.bin"
ABOUT = "columns.json"

_ALIGNED = 64


class Arrays:
    """Arrays one after another in one file; ``places`` tells where each is and what."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.places: dict[str, dict[str, Any]] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Write one more."""
        self._file.write(bytes(-self._file.tell() % _ALIGNED))
        place = {"offset": self._file.tell(), "dtype": array.dtype.str, "shape": array.shape}
        self.places[name] = place
        self._file.write(np.ascontiguousarray(array).data)


def write_about(
    folder: Path, size: int, fields: Sequence[Mapping[str, Any]], arrays: Arrays
) -> None:
    """Put beside the arrays what they are."""
    about = {"size": size, "fields": fields, "arrays": arrays.places}
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")


def open_arrays(folder: Path) -> tuple[int, list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """The number of keys, the fields with their kinds, and the arrays by name, mapped.

    Raises ``FileNotFoundError`` where nothing is.
    """
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    path = folder / ARRAYS
    empty = not path.stat().st_size
    data = np.empty(0, np.uint8) if empty else np.asarray(np.memmap(path, np.uint8, "r"))
    arrays = {name: _array(data, **place) for name, place in about["arrays"].items()}
    return about["size"], about["fields"], arrays


def _array(
    data: NDArray[np.uint8], *, offset: int, dtype: str, shape: Sequence[int]
) -> NDArray[Any]:
    """One array within the bytes of all."""
    kind = np.dtype(dtype)
    length = math.prod(shape) * kind.itemsize
    return data[offset : offset + length].view(kind).reshape(shape)
