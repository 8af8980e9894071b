"""What a picture may be at most, and what is said when one cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from medclip_search.errors import ImageError
from medclip_search.images.quiet import quietly

MAX_PIXELS = 100_000_000
"""Pixels of one frame (rows × columns) above which a picture is refused unread."""

FORMATS = "PNG, JPEG, TIFF, WebP, BMP, GIF or DICOM"


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Refuse a picture by what its header declares, before anything is decoded."""
    if width < 1 or height < 1:
        raise ImageError(name, "has no pixels")
    if width * height > max_pixels:
        raise ImageError(
            name, f"declares more than {max_pixels / 1e6:g} megapixels", "scale it down"
        )


def check_frame(frame: int | None, count: int, name: str) -> int:
    """The zero-based frame to decode: the first one where none is named."""
    if frame is None:
        return 0
    if not 0 <= frame < count:
        last = f"frames run from 0 to {count - 1}" if count > 1 else "it is a single picture"
        raise ImageError(name, f"has no frame {frame}", last)
    return frame


@contextmanager
def image_errors(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an ``ImageError`` that quotes nothing of the file."""
    try:
        with quietly():
            yield
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(name, "no such file") from None
    except IsADirectoryError:
        raise ImageError(name, "is a folder", "name a file in it") from None
    except PermissionError:
        raise ImageError(name, "may not be read", "check its permissions") from None
    except MemoryError:
        raise ImageError(name, "does not fit into memory", "scale it down") from None
    except Exception:
        raise ImageError(name, "is damaged or cut short", "copy or export it again") from None
