"""Where a case's picture lies: its bytes, and a mark that tells whether they changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from medclip_search.cases import ImageSource
from medclip_search.errors import ImageError
from medclip_search.images.parquet import is_parquet, read_cell
from medclip_search.images.zips import open_zip

MOST_BYTES = 2 << 30
"""Pictures are read at once, and none of use, nor a clip, is larger."""

MOST_PACKED_BYTES = 256 << 20
"""One in a zip or in Parquet: a small file may unfold to a large one, and no figure is larger."""


def read_source(source: ImageSource) -> bytes:
    """The bytes of a picture: a file's, or those of a member of a zip or of a Parquet file.

    Nothing is unpacked to disk. Only a regular file is opened: a pipe would be waited for, a
    device could do anything. Safe in any number of threads. Raises ``OSError`` or
    ``ImageError``.
    """
    status = _status(source)
    if source.member is not None:
        if is_parquet(source.path):
            return read_cell(source.path, source.member, MOST_PACKED_BYTES)
        return open_zip(source.path).read(source.member, MOST_PACKED_BYTES)
    if status.st_size > MOST_BYTES:
        limit = f"{MOST_BYTES / 2**30:g} GiB"
        raise ImageError(str(source), f"is larger than {limit}", "scale it down or split the clip")
    return source.path.read_bytes()


def source_size(source: ImageSource) -> int:
    """How many bytes ``read_source`` would give; 0 where that is not known without reading.

    Raises ``OSError`` or ``ImageError``.
    """
    status = _status(source)
    if source.member is None:
        return status.st_size
    return 0 if is_parquet(source.path) else open_zip(source.path).find(source.member).size


def source_picture(source: ImageSource) -> bytes | Path:
    """What ``read_image`` takes: a plain file's path, so that no more than one frame is read of
    a clip, else the bytes. Raises ``OSError`` or ``ImageError``."""
    _status(source)
    return source.path if source.member is None else read_source(source)


def source_mark(source: ImageSource) -> str:
    """What changes when the picture changes. Raises ``OSError`` or ``ImageError``.

    For a file, and for a cell of a Parquet file, its size and time; for a member of a zip its
    size and CRC from the zip's directory, so that a fresh download of the same zip changes
    nothing.
    """
    status = _status(source)
    if source.member is not None and not is_parquet(source.path):
        member = open_zip(source.path).find(source.member)
        return f"{member.size}:{member.crc:08x}"
    return f"{status.st_size}:{status.st_mtime_ns}"


def _status(source: ImageSource) -> os.stat_result:
    status = source.path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(str(source), "is not a regular file", "put a picture in its place")
    return status
