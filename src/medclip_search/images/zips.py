"""Pictures in a zip, read in place: a compact index of its directory, one member at a time.

PKWARE, APPNOTE.TXT 6.3: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import threading
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from medclip_search.errors import ImageError
from medclip_search.images.zip_end import ENTRY_MARK, find_directory

ENTRY = struct.Struct("<4s4xHH4xIIIHHH8xI")
LOCAL = struct.Struct("<4s22xHH")
LOCAL_MARK = b"PK\3\4"

CHUNK = 1 << 20
LONGEST_ENTRY = ENTRY.size + 3 * 0xFFFF
STORED, DEFLATED = 0, 8
ENCRYPTED, UTF8_NAME = 0x1, 0x800
FULL = 0xFFFFFFFF
"""A 32-bit field with this value stands in the zip64 extra field instead."""

MOST_FOLDERS = 4096
UNZIP = "unzip it and give the folder"
AGAIN = "download or copy it again"
DAMAGED = "zip is damaged or cut short"


class Member(NamedTuple):
    """A member as the directory describes it; ``local`` is where its local header begins."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    local: int

    @property
    def name(self) -> str:
        return self.raw.decode("utf-8" if self.flags & UTF8_NAME else "cp437", "replace")


class ZipIndex:
    """The members of a zip by name, at 16 bytes each.

    Only a hash of each name and the place of its entry in the directory are kept; the entry
    itself is read when it is asked for. ``folders`` are those that members lie in (``""`` for
    the top, others end in ``/``), in the order of their first member, at most ``MOST_FOLDERS``;
    ``folders_left_out`` tells whether there are more.
    Where a name stands twice the last member counts, as for Python's zipfile. Safe in any
    number of threads. Raises ``OSError``, or ``ImageError`` where the directory is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folders_left_out = False
        hashes, places = array("q"), array("Q")
        folders: dict[bytes, bool] = {}
        with path.open("rb") as stream:
            try:
                place = find_directory(stream)
            except struct.error:  # it shrank while it was read
                place = None
            if place is None:
                raise self._damaged()
            if place.disk:
                raise ImageError(str(path), "is one part of a split zip", UNZIP)
            self._start, self._end, self._shift = place.start, place.end, place.shift
            for at, flags, raw in self._walk(stream):
                hashes.append(hash(raw))
                places.append(at)
                folder = raw[: raw.rfind(b"/") + 1]
                if folder in folders or raw == folder:
                    continue
                if len(folders) < MOST_FOLDERS:
                    folders[folder] = bool(flags & UTF8_NAME)
                else:
                    self.folders_left_out = True
        unsorted = np.asarray(hashes)
        order = np.argsort(unsorted, kind="stable")
        self._hashes = unsorted[order]
        self._places = np.asarray(places)[order]
        self.folders = tuple(
            folder.decode("utf-8" if utf8 else "cp437", "replace")
            for folder, utf8 in folders.items()
        )

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, name: str) -> bool:
        """Whether there is a member of this name (told by a hash of 64 bits)."""
        return any(len(self._candidates(raw)) for raw in _spellings(name))

    def names(self) -> Iterator[str]:
        """All names in the order of the directory, folders too."""
        with self.path.open("rb") as stream:
            for _, flags, raw in self._walk(stream):
                yield raw.decode("utf-8" if flags & UTF8_NAME else "cp437", "replace")

    def find(self, name: str) -> Member:
        """What the directory says of a member. Raises ``ImageError`` if there is none."""
        with self.path.open("rb") as stream:
            return self._find(stream, name)

    def read(self, name: str, most: int) -> bytes:
        """A member's content, its length and CRC checked.

        Raises ``ImageError`` where there is none, where it is damaged, longer than ``most``
        bytes, encrypted, or packed otherwise than by deflate.
        """
        called = f"{self.path}/{name}"
        with self.path.open("rb") as stream:
            member = self._find(stream, name)
            if member.flags & ENCRYPTED:
                raise ImageError(called, "is encrypted", UNZIP)
            if member.method not in (STORED, DEFLATED):
                raise ImageError(called, "is packed by another method than deflate", UNZIP)
            if max(member.size, member.packed) > most:
                limit = f"{most / 2**30:g} GiB"
                raise ImageError(called, f"is larger than {limit}", "scale it down")
            data = self._unpack(stream, member)
        if data is None or len(data) != member.size or zlib.crc32(data) != member.crc:
            raise ImageError(called, "is damaged in the zip", AGAIN)
        return data

    def _unpack(self, stream: BinaryIO, member: Member) -> bytes | None:
        """A member's content, or ``None`` where there is nothing that could be it."""
        if member.local + LOCAL.size + member.packed > self._start:
            return None
        stream.seek(member.local)
        head = stream.read(LOCAL.size)
        if len(head) < LOCAL.size:
            return None
        mark, name_length, extra_length = LOCAL.unpack(head)
        if mark != LOCAL_MARK or stream.read(name_length) != member.raw:
            return None
        stream.seek(extra_length, 1)
        packed = stream.read(member.packed)
        if member.method == STORED:
            return packed
        try:
            # One byte more than promised is enough to see that there is too much of it.
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.size + 1)
        except zlib.error:
            return None

    # ------------------------------------------------------------------- the directory

    def _damaged(self) -> ImageError:
        return ImageError(str(self.path), DAMAGED, AGAIN)

    def _walk(self, stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
        """Place, flags and name of each entry; raises ``ImageError`` at the first bad one."""
        stream.seek(self._start)
        base, at, buffer = self._start, 0, b""
        while base + at < self._end:
            left = self._end - base - len(buffer)
            if left and len(buffer) - at < LONGEST_ENTRY:
                more = stream.read(min(CHUNK, left))
                if not more:
                    raise self._damaged()
                base, at, buffer = base + at, 0, buffer[at:] + more
            if len(buffer) - at < ENTRY.size:
                raise self._damaged()
            mark, flags, _, _, _, _, name, extra, comment, _ = ENTRY.unpack_from(buffer, at)
            begin = at + ENTRY.size
            end = begin + name + extra + comment
            if mark != ENTRY_MARK or end > len(buffer):
                raise self._damaged()
            yield base + at, flags, buffer[begin : begin + name]
            at = end

    def _candidates(self, raw: bytes) -> list[int]:
        """Places of entries whose names have the hash of this one, the last first."""
        wanted = np.int64(hash(raw))
        low = int(np.searchsorted(self._hashes, wanted, "left"))
        if low == len(self._hashes) or self._hashes[low] != wanted:
            return []
        high = int(np.searchsorted(self._hashes, wanted, "right"))
        return [int(place) for place in self._places[low:high][::-1]]

    def _find(self, stream: BinaryIO, name: str) -> Member:
        unmarked: Member | None = None
        for raw in _spellings(name):
            for place in self._candidates(raw):
                member = self._entry(stream, place)
                if member.raw == raw:
                    if member.name == name:
                        return member
                    unmarked = unmarked or member
        if unmarked is not None:  # UTF-8 that does not say so, as many programs write it
            return unmarked
        raise ImageError(f"{self.path}/{name}", "is not in the zip", AGAIN)

    def _entry(self, stream: BinaryIO, place: int) -> Member:
        stream.seek(place)
        head = stream.read(ENTRY.size)
        if len(head) < ENTRY.size or not head.startswith(ENTRY_MARK):
            raise self._damaged()
        _, flags, method, crc, packed, size, name, more, _, local = ENTRY.unpack(head)
        raw, extra = stream.read(name), stream.read(more)
        if FULL in (size, packed, local):
            try:
                size, packed, local = _widened(extra, size, packed, local)
            except struct.error:
                raise self._damaged() from None
        return Member(raw, flags, method, crc, packed, size, local + self._shift)


def _spellings(name: str) -> list[bytes]:
    """The bytes that may stand for a name in a zip: UTF-8, or the code page of DOS."""
    found = [name.encode("utf-8", "surrogatepass")]
    if not name.isascii():
        with suppress(UnicodeEncodeError):
            found.append(name.encode("cp437"))
    return found


def _widened(extra: bytes, *fields: int) -> list[int]:
    """Size, packed size and offset, those of them that are ``FULL`` from the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{fields.count(FULL)}Q", extra, at + 4))
            return [next(wide) if field == FULL else field for field in fields]
        at += 4 + length
    return list(fields)


# --------------------------------------------------------------------------- those in use

MOST_OPEN = 8
_indexes: OrderedDict[tuple[str, int, int], ZipIndex] = OrderedDict()
_lock = threading.Lock()


def open_zip(path: Path) -> ZipIndex:
    """The index of a zip, made once for each state of the file; the last few are kept.

    Raises ``OSError`` or ``ImageError``.
    """
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    with _lock:
        index = _indexes.get(key) or ZipIndex(path)
        _indexes[key] = index
        _indexes.move_to_end(key)
        while len(_indexes) > MOST_OPEN:
            _indexes.popitem(last=False)
    return index
