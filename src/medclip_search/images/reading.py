"""Any source of a picture, recognised by its content, to upright 8-bit grey or RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medclip_search.errors import ImageError
from medclip_search.images.dicom import HEAD, count_dicom_frames, looks_like_dicom, read_dicom
from medclip_search.images.limits import (
    FORMATS,
    MAX_PIXELS,
    check_frame,
    check_size,
    image_errors,
)
from medclip_search.images.modes import from_array, to_grey_or_rgb
from medclip_search.images.raster import count_raster_frames, looks_like_raster, read_raster

Source = bytes | str | Path | Image.Image | NDArray[Any]


def read_image(
    source: Source,
    *,
    frame: int | None = None,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """An upright 8-bit picture of mode ``L`` or ``RGB``, of its own size, decoded in memory.

    ``source`` is a file's content, a path, a Pillow image (left as it is) or an array of shape
    (H, W) or (H, W, 3 or 4). ``frame`` is the zero-based frame of a clip, page of a TIFF;
    ``None`` takes the first. ``name`` is what messages call the picture: by default its path.
    ``max_pixels`` bounds width × height of the frame and is checked before decoding; rasters
    beyond about 179 megapixels are refused in any case. EXIF and texts that came with a picture
    are not in the result. Safe in any number of threads.

    Raises ``ImageError``, and only that, whatever is wrong with the source.
    """
    name = name or name_of(source)
    with image_errors(name):
        picture = _read(source, frame, name, max_pixels)
    picture.info = {}
    return picture


def count_frames(source: Source, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> int:
    """Frames of a clip, pages of a TIFF, 1 for a still. Raises ``ImageError``."""
    name = name or name_of(source)
    with image_errors(name):
        if isinstance(source, np.ndarray):
            return 1
        if isinstance(source, Image.Image):
            return int(getattr(source, "n_frames", 1))
        with opened(source, name) as (stream, is_dicom):
            count = count_dicom_frames if is_dicom else count_raster_frames
            return count(stream, name, max_pixels)


def name_of(source: Source) -> str:
    """What messages call a picture that was given no name."""
    return str(source) if isinstance(source, str | Path) else "image"


def _read(source: Source, frame: int | None, name: str, max_pixels: int) -> Image.Image:
    if isinstance(source, np.ndarray):
        check_frame(frame, 1, name)
        return from_array(source, max_pixels, name)
    if isinstance(source, Image.Image):
        return _read_pillow(source, frame, name, max_pixels)
    with opened(source, name) as (stream, is_dicom):
        read = read_dicom if is_dicom else read_raster
        return read(stream, frame, name, max_pixels)


def _read_pillow(image: Image.Image, frame: int | None, name: str, max_pixels: int) -> Image.Image:
    check_size(*image.size, max_pixels, name)
    if frame is not None:
        check_frame(frame, int(getattr(image, "n_frames", 1)), name)
        image.seek(frame)
    return to_grey_or_rgb(image)


@contextmanager
def opened(source: bytes | str | Path, name: str) -> Iterator[tuple[BinaryIO, bool]]:
    """The file at its start, and whether it is DICOM."""
    with BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as stream:
        head = stream.read(HEAD)
        stream.seek(0)
        if not head:
            raise ImageError(name, "is empty")
        is_raster = looks_like_raster(head) and head[HEAD - 4 :] != b"DICM"
        if not is_raster and not looks_like_dicom(head):
            raise ImageError(name, "is not a picture of a known format", f"convert it to {FORMATS}")
        yield stream, not is_raster
