"""The bytes of images for several decoding threads, of which only so many are held at once.

A file of many frames is read and hashed once for the frames that follow each other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from medclip_search.cases import ImageSource
from medclip_search.images.sources import read_source, source_size
from medclip_search.library.durable import Digest, begin_digest

MOST_HELD = 1 << 30
"""Bytes of images in all threads. One image that is larger is read alone."""


@dataclass(frozen=True, slots=True)
class _Clip:
    source: ImageSource
    mark: str
    data: bytes
    hashed: Digest


class ImageBytes:
    """Reads for the threads of one build."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most = most
        self._held = 0
        self._room = threading.Condition()
        self._clip: _Clip | None = None
        self._clips = threading.Lock()

    @contextmanager
    def reading(self, source: ImageSource, mark: str) -> Iterator[tuple[bytes, bytes]]:
        """An image's bytes, and the digest of what is shown of them (the file and the frame).

        ``mark`` tells whether the file changed. Waits until there is room. Raises ``OSError`` or
        ``ImageError``.
        """
        size = source_size(source)
        with self._room:
            # What is larger than all the room there is comes alone.
            self._room.wait_for(lambda: not self._held or self._held + size <= self._most)
            self._held += size
        try:
            data, hashed = self._read(source, mark)
            hashed.update(b"#%d" % (source.frame or 0))
            yield data, hashed.digest()
        finally:
            with self._room:
                self._held -= size
                self._room.notify_all()

    def _read(self, source: ImageSource, mark: str) -> tuple[bytes, Digest]:
        if source.frame is None:
            data = read_source(source)
            return data, begin_digest(data)
        whole = replace(source, frame=None)
        with self._clips:  # the next frame of the same file waits for this one to have read it
            clip = self._clip
            if clip is None or (clip.source, clip.mark) != (whole, mark):
                self._clip = None
                data = read_source(source)
                self._clip = clip = _Clip(whole, mark, data, begin_digest(data))
            return clip.data, clip.hashed.copy()
