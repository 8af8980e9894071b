"""Where a case's picture lies: its bytes, and a mark that tells whether they changed."""

from __future__ import annotations

import stat

from medclip_search.cases import ImageSource
from medclip_search.errors import ImageError

MOST_BYTES = 2 << 30
"""Some pictures are read at once, and none of use, nor a clip, is larger."""


def read_source(source: ImageSource) -> bytes:
    """The bytes of a picture's file. Raises ``OSError`` or ``ImageError``.

    Only a regular file is opened: a pipe would be waited for, a device could do anything.
    """
    status = source.path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(str(source), "is not a regular file", "put a picture in its place")
    if status.st_size > MOST_BYTES:
        limit = f"{MOST_BYTES / 2**30:g} GiB"
        raise ImageError(str(source), f"is larger than {limit}", "scale it down or split the clip")
    return source.path.read_bytes()


def source_mark(source: ImageSource) -> str:
    """What changes when the picture's file changes. Raises ``OSError`` or ``ImageError``."""
    status = source.path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
