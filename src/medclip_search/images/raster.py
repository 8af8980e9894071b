"""PNG, JPEG, TIFF, WebP, BMP and GIF, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import (  # the plugins register themselves: no registry is changed while threads decode
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from medclip_search.errors import ImageError
from medclip_search.images.limits import FORMATS, check_frame, check_size
from medclip_search.images.modes import to_grey_or_rgb

_PLUGINS = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    TiffImagePlugin.TiffImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    GifImagePlugin.GifImageFile,
)
_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"RIFF",
    b"BM",
    b"GIF8",
)
_WITH_FRAMES = {"GIF", "PNG", "TIFF", "WEBP"}


def looks_like_raster(head: bytes) -> bool:
    """Whether a file that begins so is of a format read here."""
    return head.startswith(_SIGNATURES)


def read_raster(stream: BinaryIO, frame: int | None, name: str, max_pixels: int) -> Image.Image:
    """One frame, upright, in mode ``L`` or ``RGB``."""
    with read_stored(stream, frame, name, max_pixels) as image:
        return to_grey_or_rgb(image)


@contextmanager
def read_stored(
    stream: BinaryIO, frame: int | None, name: str, max_pixels: int
) -> Iterator[Image.Image]:
    """One frame as its file holds it, decoded."""
    with _open(stream, name, max_pixels) as image:
        index = check_frame(frame, _frames(image) if frame else 1, name)
        if index:
            image.seek(index)
            check_size(*image.size, max_pixels, name)
        image.load()
        yield image


def stored_mode(stream: BinaryIO, name: str, max_pixels: int) -> str:
    """Pillow's mode of the first frame, told by the header."""
    with _open(stream, name, max_pixels) as image:
        return image.mode


def count_raster_frames(stream: BinaryIO, name: str, max_pixels: int) -> int:
    """Frames of an animation, pages of a TIFF; 1 for a still."""
    with _open(stream, name, max_pixels) as image:
        return _frames(image)


def _open(stream: BinaryIO, name: str, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(stream, formats=[plugin.format for plugin in _PLUGINS])
    except UnidentifiedImageError:
        raise ImageError(
            name, "is not a picture of a known format", f"convert it to {FORMATS}"
        ) from None
    except Image.DecompressionBombError:  # Pillow's own bound, about 179 megapixels
        raise ImageError(name, "declares far too many pixels", "scale it down") from None
    check_size(*image.size, max_pixels, name)
    return image


def _frames(image: Image.Image) -> int:
    # The second picture of a JPEG (MPO) is a phone's depth map or preview, not a frame.
    return int(getattr(image, "n_frames", 1)) if image.format in _WITH_FRAMES else 1
