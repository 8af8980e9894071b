"""Where the directory of a zip lies, told by the record at the zip's end, zip64 or not."""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

END = struct.Struct("<4sHHHHIIH")
END64 = struct.Struct("<4s12xIIQQQQ")
LOCATOR64 = struct.Struct("<4sIQI")
END_MARK, END64_MARK, LOCATOR64_MARK = b"PK\5\6", b"PK\6\6", b"PK\6\7"
ENTRY_MARK = b"PK\1\2"

TAIL = END.size + 0xFFFF
"""The end record lies in so many last bytes: a comment of up to 64 KiB may follow it."""


class Directory(NamedTuple):
    """Start and end of the directory, and by how much all offsets in it are too small.

    They are where something was put before the zip. ``disk`` is the number of a part of a
    split zip, zero for a whole one.
    """

    start: int
    end: int
    shift: int
    disk: int


def find_directory(stream: BinaryIO) -> Directory | None:
    """The directory of a zip, ``None`` where it has no sound end. Raises ``OSError``."""
    size = stream.seek(0, 2)
    first = max(0, size - TAIL)
    stream.seek(first)
    tail = stream.read(size - first)
    part: Directory | None = None
    for at in _ends(tail):
        end = first + at
        _, disk, _, _, _, length, offset, _ = END.unpack_from(tail, at)
        if wide := _wide_end(stream, end):
            end, disk, length, offset = wide
        start = end - length
        if start >= offset and _starts(stream, start, end):
            found = Directory(start, end, start - offset, disk)
            if not disk:
                return found
            part = part or found
    return part


def _wide_end(stream: BinaryIO, end: int) -> tuple[int, int, int, int] | None:
    """Where the zip64 end record lies, with its disk, directory size and offset."""
    if end < LOCATOR64.size:
        return None
    stream.seek(end - LOCATOR64.size)
    mark, _, told, _ = LOCATOR64.unpack(stream.read(LOCATOR64.size))
    if mark != LOCATOR64_MARK:
        return None
    latest = end - LOCATOR64.size - END64.size
    for place in (latest, told):
        if 0 <= place <= latest:
            stream.seek(place)
            mark, disk, _, _, _, length, offset = END64.unpack(stream.read(END64.size))
            if mark == END64_MARK:
                return place, disk, length, offset
    return None


def _starts(stream: BinaryIO, start: int, end: int) -> bool:
    """Whether a directory, be it an empty one, begins here."""
    stream.seek(start)
    return start == end or stream.read(len(ENTRY_MARK)) == ENTRY_MARK


def _ends(tail: bytes) -> list[int]:
    """Where the end record may stand in the last bytes of a file, the likeliest place first.

    Its mark may stand in the comment too; the comment reaches just to the end of the file.
    """
    found: list[int] = []
    at = tail.rfind(END_MARK)
    while at >= 0:
        if at + END.size <= len(tail):
            found.append(at)
        at = tail.rfind(END_MARK, 0, at + len(END_MARK) - 1)
    return sorted(found, key=lambda at: END.unpack_from(tail, at)[-1] != len(tail) - at - END.size)
