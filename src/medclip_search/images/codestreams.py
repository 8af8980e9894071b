"""What size a compressed frame says it has, whatever the DICOM header around it claims."""

from __future__ import annotations

import struct

_JPEG_START = b"\xff\xd8"
_JPEG_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}
_JPEG2000_SIZE = b"\xff\x4f\xff\x51"


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height from a JPEG, JPEG-LS or JPEG 2000 codestream; ``None`` for others.

    JPEG and JPEG-LS: the frame header (SOF, ISO/IEC 10918-1 B.2.2; 14495-1 C.2.2). JPEG 2000:
    the SIZ segment, bare or within a JP2 file (ISO/IEC 15444-1 A.5.1).
    """
    if frame.startswith(_JPEG_START):
        return _jpeg_size(frame)
    start = frame.find(_JPEG2000_SIZE)
    if start < 0 or len(frame) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    return max(0, right - left), max(0, bottom - top)


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _JPEG_FRAME:
            height, width = struct.unpack_from(">HH", frame, at + 5)
            return width, height
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
