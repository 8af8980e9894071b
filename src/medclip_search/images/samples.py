"""What a deep picture measured, pixel by pixel, before a window makes grey of it.

A screen shows 256 levels; a radiograph or a CT slice has thousands, of which a window chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from medclip_search.errors import ImageError
from medclip_search.images import dicom
from medclip_search.images.limits import MAX_PIXELS, image_errors
from medclip_search.images.modes import DEEP, upright, white_is_zero
from medclip_search.images.presentation import header_window, is_padding, lut_span
from medclip_search.images.raster import read_stored, stored_mode
from medclip_search.images.reading import name_of, opened
from medclip_search.images.windowing import Pixels, robust_window

MOST_SAMPLES = 1 << 25
"""Pixels of a picture whose samples are given: 64 MB. A mammogram has some 20 million."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A grey picture of more than 8 bits, and how it is shown at first.

    ``values``: (H, W) of int16, uint16 or float32, upright; of DICOM after the modality LUT or
    rescale (PS3.3 C.11.1), in ``unit``: ``HU`` for CT, else ``""``. ``window`` is centre and width:
    shown is what lies between centre ± width / 2 (PS3.3 C.11.2.1.3.2, LINEAR_EXACT). ``inverted``:
    the least value is white. Values from ``padding[0]`` to ``padding[1]`` measure nothing and are
    black.
    """

    values: NDArray[Any]
    window: tuple[float, float]
    unit: str = ""
    inverted: bool = False
    padding: tuple[float, float] | None = None

    def facts(self) -> dict[str, Any]:
        """All but the values, as plain JSON."""
        return {
            "window": list(self.window),
            "unit": self.unit,
            "inverted": self.inverted,
            "padding": None if self.padding is None else list(self.padding),
        }


def is_deep(source: bytes | Path, *, name: str | None = None) -> bool:
    """Whether ``read_samples`` gives any; only the header is read. Raises ``ImageError``."""
    name = name or name_of(source)
    with image_errors(name), opened(source, name) as (stream, is_dicom):
        if is_dicom:
            return dicom.is_deep(stream, name, MAX_PIXELS)
        return stored_mode(stream, name, MAX_PIXELS) in DEEP


def read_samples(
    source: bytes | Path,
    *,
    frame: int | None = None,
    name: str | None = None,
    max_pixels: int = MOST_SAMPLES,
) -> Samples | None:
    """The samples of a file's frame (the first by default); ``None`` for 8 bits or colours.

    No more leaves a DICOM file than its pixels and what ``Samples`` says. Raises ``ImageError``.
    """
    name = name or name_of(source)
    with image_errors(name), opened(source, name) as (stream, is_dicom):
        return (_of_dicom if is_dicom else _of_raster)(stream, frame, name, max_pixels)


def _of_dicom(stream: BinaryIO, frame: int | None, name: str, max_pixels: int) -> Samples | None:
    if not dicom.is_deep(stream, name, max_pixels):
        return None
    stored, header = dicom.read_frame(stream, frame, name, max_pixels)
    if stored.ndim != 2:
        raise ImageError(name, "has a header that contradicts its pixels", "export it again")
    values = apply_modality_lut(stored, header)
    blank = is_padding(stored, header)
    seen = values[~blank] if not blank.all() else values
    padding = (float(values[blank].min()), float(values[blank].max())) if blank.any() else None
    return Samples(
        _compact(values),
        _first_window(header, seen),
        _unit(header),
        header.PhotometricInterpretation == "MONOCHROME1",
        padding,
    )


def _first_window(header: Dataset, seen: Pixels) -> tuple[float, float]:
    """The header's, where it shows anything; else that of ``images.presentation``."""
    window = header_window(header)
    if header.get("VOILUTSequence"):
        first, entries = lut_span(header)
        window = (first + entries / 2, float(entries))
    if window is not None:
        centre, width = window
        if float(seen.max()) > centre - width / 2 and float(seen.min()) < centre + width / 2:
            return window
    return _robust(seen)


def _robust(seen: Pixels) -> tuple[float, float]:
    low, high = robust_window(seen)
    return (low + high) / 2, max(high - low, 1e-6)


def _unit(header: Dataset) -> str:
    """Hounsfield units, where the header says so, or a CT with a rescale says nothing else.

    Rescale Type (0028,1054) is required of a CT image unless it is HU (PS3.3 C.8.2.1).
    """
    said = str(header.get("RescaleType") or "").strip().upper()
    is_ct = str(header.get("Modality") or "").strip().upper() == "CT"
    return "HU" if said == "HU" or (is_ct and not said and "RescaleIntercept" in header) else ""


def _of_raster(stream: BinaryIO, frame: int | None, name: str, max_pixels: int) -> Samples | None:
    if stored_mode(stream, name, max_pixels) not in DEEP:
        return None
    with read_stored(stream, frame, name, max_pixels) as image:
        if image.mode not in DEEP:  # of another page
            return None
        values = np.asarray(upright(image))
        return Samples(_compact(values), _robust(values), inverted=white_is_zero(image))


def _compact(values: Pixels) -> NDArray[Any]:
    """Little-endian 16-bit integers where they hold the values exactly, else float32."""
    whole = np.issubdtype(values.dtype, np.integer) or bool((values == np.rint(values)).all())
    if whole:
        low, high = float(values.min()), float(values.max())
        for kind in ("<i2", "<u2"):
            limits = np.iinfo(kind)
            if limits.min <= low and high <= limits.max:
                return np.ascontiguousarray(values, kind)
    return np.ascontiguousarray(values, "<f4")
