"""The pictures of a tray: full size where the source is there, else the thumbnail."""

from __future__ import annotations

import io
from typing import NamedTuple, Protocol

from PIL import Image

from medclip_search.cases import Case
from medclip_search.errors import ImageError
from medclip_search.images import read_image


class Pictures(Protocol):
    """Where pictures come from: a ``Library``."""

    def image(self, case_id: str) -> Image.Image: ...
    def thumbnail(self, case_id: str) -> bytes | None: ...


class Shown(NamedTuple):
    """A picture, and whether it is full size."""

    picture: Image.Image
    full_size: bool


def shown(case: Case, pictures: Pictures) -> Shown | None:
    """What can be shown of a case; ``None`` where nothing can.

    The pixels alone, as the library decodes them: a DICOM file's header does not go along. Raises
    ``LibraryError`` where the library itself cannot be read.
    """
    if case.image is None:
        return None
    try:
        return Shown(pictures.image(case.id), True)
    except ImageError:
        kept = pictures.thumbnail(case.id)
    try:
        return None if kept is None else Shown(read_image(kept, name=case.id), False)
    except ImageError:
        return None


def png(picture: Image.Image) -> bytes:
    """Every pixel as it is."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def jpeg(picture: Image.Image, most: int) -> bytes:
    """For print: ``most`` pixels at the longer side, colours unthinned."""
    smaller = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    smaller.thumbnail((most, most), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()
