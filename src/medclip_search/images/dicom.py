"""DICOM, by pydicom: the pixels of one frame, and what little of the header they need.

Only the elements that say how to show the pixels are read: names, dates and the rest of the
header never enter the program.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import BinaryIO, cast

from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medclip_search.errors import ImageError
from medclip_search.images.codestreams import inspect_frame
from medclip_search.images.gdcm_process import decode_apart
from medclip_search.images.gdcm_worker import decode_frame
from medclip_search.images.limits import FORMATS, check_frame, check_size
from medclip_search.images.presentation import present
from medclip_search.images.windowing import Pixels

HEAD = 132
"""Bytes from the start of a file that tell whether it is DICOM."""

_MAGIC = b"DICM"
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
_PIXEL_TAGS = tuple(
    group + element
    for group, elements in (
        (b"\xe0\x7f", (b"\x08\x00", b"\x09\x00", b"\x10\x00")),
        (b"\x7f\xe0", (b"\x00\x08", b"\x00\x09", b"\x00\x10")),
    )
    for element in elements
)
_ENCAPSULATED_HEADER = 12  # tag, VR, reserved, undefined length
_UNDEFINED_LENGTH = b"\xff\xff\xff\xff"
_FUNCTIONAL_GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
_IMAGE_PIXEL = [
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PlanarConfiguration",
    "Rows",
    "SamplesPerPixel",
]
_NEEDED = [
    *_IMAGE_PIXEL,
    *(
        f"{prefix}{colour}PaletteColorLookupTable{suffix}"
        for colour in ("Red", "Green", "Blue")
        for prefix, suffix in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    ),
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "Modality",
    "ModalityLUTSequence",
    "NumberOfFrames",
    "PerFrameFunctionalGroupsSequence",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "SharedFunctionalGroupsSequence",
    "VOILUTFunction",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
]


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file with this ``HEAD`` is DICOM, or may be DICOM without its preamble."""
    return head[HEAD - 4 : HEAD] == _MAGIC or head[:2] in _FIRST_GROUPS


def read_dicom(stream: BinaryIO, frame: int | None, name: str, max_pixels: int) -> Image.Image:
    """One frame in mode ``L`` or ``RGB``, windowed, inverted or coloured as the header says."""
    return Image.fromarray(present(*read_frame(stream, frame, name, max_pixels)))


def read_frame(
    stream: BinaryIO, frame: int | None, name: str, max_pixels: int
) -> tuple[Pixels, Dataset]:
    """The stored values of one frame, (H, W) or (H, W, 3), and how they are to be shown."""
    header = read_elements(stream, _NEEDED, name, max_pixels)
    _check_has_picture(header, name)
    index = check_frame(frame, _frames(header), name)
    check_size(int(header.Columns), int(header.Rows), max_pixels, name)
    header.file_meta.TransferSyntaxUID = _transfer_syntax(header)
    pixels = _decode(stream, header, index, name)
    _adopt_functional_groups(header, index)
    return pixels, header


def is_deep(stream: BinaryIO, name: str, max_pixels: int) -> bool:
    """Whether its frames are grey with more levels than a screen shows; only the header is read."""
    keys = ["BitsStored", "PhotometricInterpretation"]
    return is_deep_grey(read_elements(stream, keys, name, max_pixels))


def is_deep_grey(header: Dataset) -> bool:
    """The same, of a header that was read."""
    grey = str(header.get("PhotometricInterpretation", "")).startswith("MONOCHROME")
    return grey and int(header.get("BitsStored") or 0) > 8


def count_dicom_frames(stream: BinaryIO, name: str, max_pixels: int) -> int:
    """Number of Frames (0028,0008), 1 where it is absent."""
    header = read_elements(stream, ["Rows", "Columns", "NumberOfFrames"], name, max_pixels)
    _check_has_picture(header, name)
    return _frames(header)


def read_elements(
    stream: BinaryIO, keywords: list[str] | None, name: str, max_pixels: int
) -> Dataset:
    """These elements of the header, no others (``None``: all but the pixels).

    Leaves the stream at the pixel data.
    """
    stream.seek(0)
    return dcmread(
        cast(BinaryIO, _Inflatable(stream, 4 * max_pixels, name)),
        stop_before_pixels=True,
        force=True,
        specific_tags=keywords,
    )


def pixels_follow(stream: BinaryIO, header: Dataset) -> bool:
    """Whether pixel data begin where ``read_elements`` has left the stream, and all are there.

    Compressed pixels, whose length nothing declares, and a deflated dataset are taken on trust.
    """
    if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return True
    element = stream.read(_ENCAPSULATED_HEADER)
    if element[:4] not in _PIXEL_TAGS:
        return False
    implicit, little = header.original_encoding
    length = element[4:8] if implicit else element[8:12]
    if _UNDEFINED_LENGTH in (length, element[4:8]):  # some lack the VR that they must have
        return True
    begin = stream.tell() - (4 if implicit else 0)
    return begin + int.from_bytes(length, "little" if little else "big") <= stream.seek(0, 2)


class _Inflatable:
    """A file whose deflated dataset is measured before pydicom inflates it in one piece."""

    def __init__(self, stream: BinaryIO, limit: int, name: str) -> None:
        self._stream, self._limit, self._name = stream, limit, name
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        if size < 0:  # pydicom reads to the end only to inflate
            self._measure(content)
        return content

    def _measure(self, deflated: bytes) -> None:
        inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while deflated and not inflater.eof:
            inflated += len(inflater.decompress(deflated, 1 << 20))
            deflated = inflater.unconsumed_tail
            if inflated > self._limit:
                raise ImageError(self._name, "inflates beyond any picture", "scale it down")


def _check_has_picture(header: Dataset, name: str) -> None:
    if header.get("Rows") and header.get("Columns"):
        return
    if header.preamble is None:
        raise ImageError(name, "is not a picture of a known format", f"convert it to {FORMATS}")
    raise _without_picture(name)


def _frames(header: Dataset) -> int:
    return max(1, int(header.get("NumberOfFrames") or 1))


def _transfer_syntax(header: Dataset) -> UID:
    """The declared transfer syntax, or for a file without meta information the one found."""
    if declared := header.file_meta.get("TransferSyntaxUID"):
        return UID(declared)
    implicit, little = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _decode(stream: BinaryIO, header: Dataset, index: int, name: str) -> Pixels:
    """The stored values of one frame, (H, W) or (H, W, 3), colours as RGB."""
    syntax = header.file_meta.TransferSyntaxUID
    if not _is_decodable(syntax):
        raise _undecodable(name)
    source: BinaryIO | Dataset = stream
    if syntax == DeflatedExplicitVRLittleEndian or _lacks_vr(stream, syntax, name):
        source = _read_whole(stream, name)
    if syntax.is_encapsulated and syntax != RLELossless:
        return _decode_codestream(source, header, index, name)
    if isinstance(source, Dataset):
        return pixel_array(source, index=index)
    return pixel_array(source, index=index, transfer_syntax_uid=syntax)


def _decode_codestream(
    source: BinaryIO | Dataset, header: Dataset, index: int, name: str
) -> Pixels:
    """By Pillow, or what Pillow cannot by GDCM; not where the header contradicts the frame."""
    content = source.PixelData if isinstance(source, Dataset) else source
    tables = tuple(header.get(key) for key in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"))
    frame = get_frame(
        content,
        index,
        extended_offsets=tables if all(tables) else None,
        number_of_frames=_frames(header),
    )
    coded = inspect_frame(frame)
    if coded is None:
        raise _undecodable(name)
    declared = (header.Columns, header.Rows, header.SamplesPerPixel)
    if declared != (coded.width, coded.height, coded.samples) or coded.bits > header.BitsAllocated:
        raise ImageError(name, "has a header that contradicts its pixels", "export it again")
    syntax = header.file_meta.TransferSyntaxUID
    elements = {key: header[key].value for key in _IMAGE_PIXEL if key in header}
    if "pillow" in get_decoder(syntax).available_plugins:
        with suppress(RuntimeError):
            return decode_frame(frame, syntax, elements, "pillow")
    pixels = decode_apart(frame, str(syntax), elements)
    if pixels is None:
        raise _undecodable(name)
    return pixels


def _is_decodable(syntax: UID) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _lacks_vr(stream: BinaryIO, syntax: UID, name: str) -> bool:
    """Whether compressed pixels lack the VR they must have, so that only pydicom finds them.

    The stream moves from the pixel data element to its first item, where the pixels are compressed.
    """
    element = stream.read(_ENCAPSULATED_HEADER)
    if element[:4] not in _PIXEL_TAGS:
        raise _without_picture(name)
    return bool(syntax.is_encapsulated) and element[4:8] == _UNDEFINED_LENGTH


def _read_whole(stream: BinaryIO, name: str) -> Dataset:
    stream.seek(0)
    dataset = dcmread(stream, force=True)
    if "PixelData" not in dataset:
        raise _without_picture(name)
    return dataset


def _without_picture(name: str) -> ImageError:
    return ImageError(name, "is DICOM without a picture", "choose a file with pixels")


def _undecodable(name: str) -> ImageError:
    return ImageError(
        name,
        "is compressed in a way that cannot be decoded",
        "decompress it first, for example with gdcmconv --raw or dcmdjpeg",
    )


def _adopt_functional_groups(header: Dataset, index: int) -> None:
    """Let an enhanced series' rescale and window for this frame count as the header's own."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    groups = [*(header.get("SharedFunctionalGroupsSequence") or []), *per_frame[index : index + 1]]
    for group in groups:
        for macro in _FUNCTIONAL_GROUPS:
            for item in group.get(macro) or []:
                header.update(item)
