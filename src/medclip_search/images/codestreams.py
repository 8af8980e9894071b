"""What a compressed frame says of itself, whatever the DICOM header around it claims."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_JPEG_START = b"\xff\xd8"
_JPEG_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}
_JPEG2000_SIZE = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """Width and height in pixels, samples a pixel, bits a sample."""

    width: int
    height: int
    samples: int
    bits: int


def inspect_frame(frame: bytes) -> CodedFrame | None:
    """What the header of a JPEG, JPEG-LS or JPEG 2000 codestream says; ``None`` without one.

    JPEG and JPEG-LS: the frame header (SOF, ISO/IEC 10918-1 B.2.2; 14495-1 C.2.2). JPEG 2000:
    the SIZ segment, bare or within a JP2 file (ISO/IEC 15444-1 A.5.1).
    """
    if frame.startswith(_JPEG_START):
        return _inspect_jpeg(frame)
    start = frame.find(_JPEG2000_SIZE)
    if start < 0 or len(frame) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    samples, depth = struct.unpack_from(">HB", frame, start + 40)
    return CodedFrame(max(0, right - left), max(0, bottom - top), samples, (depth & 0x7F) + 1)


def _inspect_jpeg(frame: bytes) -> CodedFrame | None:
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _JPEG_FRAME:
            bits, height, width, samples = struct.unpack_from(">BHHB", frame, at + 4)
            return CodedFrame(width, height, samples, bits)
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
