"""Where a DICOM file belongs: its series, and its place among the series' slices.

Some fifteen elements of the header are read, none of which says whose picture it is, and the
UIDs among them, which a hospital's own systems could trace, leave as digests.
"""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.uid import UID

from medclip_search.errors import ImageError
from medclip_search.images.dicom import HEAD, looks_like_dicom, pixels_follow, read_elements
from medclip_search.images.dicom_terms import MODALITY_TERMS
from medclip_search.images.limits import MAX_PIXELS
from medclip_search.images.quiet import quietly
from medclip_search.images.raster import looks_like_raster

WITHOUT_PICTURE = "DICOM without a picture"
PIXELS_MISSING = "DICOM image whose pixels are missing"
CUT_SHORT = "file damaged or cut short"

_REMEDY = "copy or export it again"
_PLANES = ("sagittal", "coronal", "axial")  # normal mostly along x, y, z of PS3.3 C.7.6.2.1.1
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_ELEMENTS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SliceLocation",
    "InstanceNumber",
]
_TELLING = _ELEMENTS[:5]  # a file without preamble that has none of them is something else


class Place(NamedTuple):
    """A file's place in its series.

    ``series`` is ``series-`` and 16 hexadecimal digits of the SHA-256 of Series Instance UID;
    where that is absent ``image-`` and those of SOP Instance UID, or ``""``. ``stack`` is the
    same for slices of one size and plane. ``position`` is Image Position (Patient) along the
    slice normal in mm, towards the head, the back or the left. ``instance`` is 64 bits of the
    SHA-256 of SOP Instance UID, the same for copies of one image. ``None`` is what the header
    does not say.
    """

    series: str
    stack: str
    frames: int
    position: float | None
    location: float | None
    number: int | None
    instance: int | None


def may_be_dicom(path: str | Path) -> bool:
    """Whether a file begins as DICOM does, with preamble or without. Raises ``OSError``."""
    with Path(path).open("rb") as stream:
        return _begins_as_dicom(stream.read(HEAD))


def read_place(path: str | Path, name: str) -> Place | None:
    """A file's place in its series; ``None`` for what is not DICOM, and for a DICOMDIR.

    Reading stops before the pixels. ``name`` is what messages call the file. Raises ``OSError``,
    or ``ImageError`` for DICOM that is damaged or holds no picture.
    """
    with quietly(), Path(path).open("rb") as stream:
        head = stream.read(HEAD)
        if not _begins_as_dicom(head):
            return None
        try:
            header = read_elements(stream, _ELEMENTS, name, MAX_PIXELS)
            if header.preamble is None and not any(key in header for key in _TELLING):
                return None
            if str(_kind(header)) == _MEDIA_DIRECTORY:
                return None
            whole = pixels_follow(stream, header)
        except (OSError, ImageError):
            raise
        except Exception:  # whatever pydicom raises for bytes that are no header
            if head[HEAD - 4 :] != b"DICM":
                return None
            raise ImageError(name, CUT_SHORT, _REMEDY) from None
        rows, columns = (whole_number(header, key) or 0 for key in ("Rows", "Columns"))
        if rows < 1 or columns < 1:
            raise _without_picture(header, name)
        if not whole:
            raise ImageError(name, CUT_SHORT, _REMEDY)
        return _place(header, rows, columns)


def plane_of(header: Dataset, frame: int = 0) -> str:
    """``axial``, ``coronal``, ``sagittal``, whichever is nearest, or ``""`` where unknown.

    An enhanced series has it in the functional groups of its frames, or of this one.
    """
    normal = slice_normal(header)
    own = (element(header, "PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
    for group in [*own, *(element(header, "SharedFunctionalGroupsSequence") or [])]:
        for macro in element(group, "PlaneOrientationSequence") or []:
            normal = normal or slice_normal(macro)
    return _plane(normal) if normal else ""


def slice_normal(header: Dataset) -> tuple[float, float, float] | None:
    """The unit normal of Image Orientation (Patient), its largest component positive."""
    cosines = numbers(header, "ImageOrientationPatient", 6)
    if cosines is None:
        return None
    (a, b, c), (d, e, f) = cosines[:3], cosines[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    if not 0.5 < length < 2:  # neither directions nor anything near them
        return None
    length = math.copysign(length, normal[_main_axis(normal)])
    return (normal[0] / length, normal[1] / length, normal[2] / length)


def element(header: Dataset, keyword: str) -> Any:
    """An element's value, or ``None`` where it is absent, empty or not what it should be."""
    try:
        value = header.get(keyword)
    except Exception:  # converters raise what they like, and an odd value is as good as none
        return None
    return None if value is None or value == "" else value


def numbers(header: Dataset, keyword: str, count: int) -> list[float] | None:
    """So many finite numbers, or ``None``."""
    value = element(header, keyword)
    try:
        values = [float(one) for one in (value if count > 1 else [value])]
    except (TypeError, ValueError, OverflowError):
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def whole_number(header: Dataset, keyword: str) -> int | None:
    """An integer, or ``None``."""
    values = numbers(header, keyword, 1)
    return None if values is None else int(values[0])


def _begins_as_dicom(head: bytes) -> bool:
    return head[HEAD - 4 :] == b"DICM" or (looks_like_dicom(head) and not looks_like_raster(head))


def _place(header: Dataset, rows: int, columns: int) -> Place:
    normal = slice_normal(header)
    corner = numbers(header, "ImagePositionPatient", 3)
    position = None
    if normal is not None and corner is not None:
        position = round(sum(a * b for a, b in zip(normal, corner, strict=True)), 3)
    instance = _digest(header, "SOPInstanceUID")
    if series := _digest(header, "SeriesInstanceUID"):
        series = f"series-{series}"
    elif instance:
        series = f"image-{instance}"
    location = numbers(header, "SliceLocation", 1)
    return Place(
        series,
        sys.intern(f"{rows} x {columns} {_plane(normal) if normal else ''}"),
        max(1, whole_number(header, "NumberOfFrames") or 1),
        position,
        None if location is None else location[0],
        whole_number(header, "InstanceNumber"),
        int(instance, 16) if instance else None,
    )


def _digest(header: Dataset, keyword: str) -> str:
    """16 hexadecimal digits that stand for a UID; ``""`` where there is none."""
    uid = str(element(header, keyword) or "").strip(" \0")
    return hashlib.sha256(uid.encode("utf-8", "replace")).hexdigest()[:16] if uid else ""


def _main_axis(normal: tuple[float, float, float]) -> int:
    """The axis that a normal is nearest to; of two equally near the first, despite rounding."""
    sizes = [round(abs(component), 3) for component in normal]
    return sizes.index(max(sizes))


def _plane(normal: tuple[float, float, float]) -> str:
    return _PLANES[_main_axis(normal)]


def _kind(header: Dataset) -> UID:
    """SOP Class UID, from the dataset or the file's meta information."""
    declared = element(header.file_meta, "MediaStorageSOPClassUID")
    return UID(str(element(header, "SOPClassUID") or declared or ""))


def _without_picture(header: Dataset, name: str) -> ImageError:
    """Why there is no picture: it was lost, or this kind of object has none."""
    kind = _kind(header)
    if not kind:
        return ImageError(name, CUT_SHORT, _REMEDY)
    if "Image Storage" in kind.name:
        return ImageError(name, PIXELS_MISSING, _REMEDY)
    code = str(element(header, "Modality") or "").strip().upper()
    what = MODALITY_TERMS[code][0].lower() if code in MODALITY_TERMS else ""
    return ImageError(name, f"{WITHOUT_PICTURE} ({what})" if what else WITHOUT_PICTURE)
