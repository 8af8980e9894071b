"""A generation as a reader sees it: opened once, whole, and never changing."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from medclip_search import encoders
from medclip_search.cases import Case
from medclip_search.encoders.base import Encoder, Space
from medclip_search.errors import EncoderError, LibraryDamagedError
from medclip_search.indexes.columns import Columns
from medclip_search.indexes.text import TextIndex
from medclip_search.indexes.vectors import VectorIndex
from medclip_search.library.catalogue import Catalogue
from medclip_search.library.layout import Manifest, read_current


class Generation:
    """One published state of a library. Everything large is memory-mapped.

    ``columns``, ``text`` and ``vectors`` are the indexes; ``spaces`` the embedding spaces.
    """

    def __init__(self, library: Path, manifest: Manifest) -> None:
        self.library = library
        self.manifest = manifest
        self.number = manifest.number
        self._encoder: Encoder | None = None
        self._encoder_lock = threading.Lock()
        self._thumbnails: int | None = None
        for name, record in manifest.files.items():
            size = (library / name).stat().st_size
            if size < record.size or (record.sha256 is not None and size != record.size):
                raise LibraryDamagedError(
                    f"{library / name}: {size} bytes where {record.size} were published; "
                    "run 'medclip-search build --repair' on the library"
                )
        self.catalogue = Catalogue.open_snapshot(library / manifest.catalogue)
        records = {record.space.name: record for record in self.catalogue.spaces()}
        self._fingerprints = {name: record.fingerprint for name, record in records.items()}
        self.spaces: Mapping[str, Space] = {n: record.space for n, record in records.items()}
        self.columns = Columns.open(library / manifest.columns)
        self.text = TextIndex.open(library / manifest.text)
        self.vectors: Mapping[str, VectorIndex] = {
            name: VectorIndex.open(
                library / folder,
                map_rows(
                    library / records[name].path, records[name].rows, self.spaces[name].dimension
                ),
            )
            for name, folder in manifest.vectors.items()
        }
        if manifest.thumbnails is not None:
            self._thumbnails = os.open(library / manifest.thumbnails, os.O_RDONLY)

    @classmethod
    def open(cls, library: Path) -> Self:
        """Open what ``CURRENT`` names. Raises ``NotALibraryError`` and its kin."""
        while True:
            manifest = read_current(library)
            try:
                return cls(library, manifest)
            except (FileNotFoundError, LibraryDamagedError) as error:
                if read_current(library).number != manifest.number:
                    continue  # superseded and collected while it was being opened
                if isinstance(error, LibraryDamagedError):
                    raise
                raise LibraryDamagedError(
                    f"{error.filename}: is missing; run 'medclip-search build --repair' on the "
                    "library"
                ) from None

    def close(self) -> None:
        self.text.close()
        self.catalogue.close()
        if self._thumbnails is not None:
            os.close(self._thumbnails)
            self._thumbnails = None

    def __del__(self) -> None:
        if hasattr(self, "catalogue") and hasattr(self, "text"):
            self.close()

    def encoder(self) -> Encoder:
        """The encoder that made the library's vectors.

        Raises ``EncoderError`` where it cannot be had, or where this one has other weights or
        another preprocessing than the one whose vectors the library holds.
        """
        with self._encoder_lock:
            if self._encoder is None:
                if self.manifest.encoder is None:
                    raise EncoderError(f"{self.library}: the library was built without an encoder")
                encoder = encoders.load(self.manifest.encoder)
                for space in encoder.spaces:
                    refuse_other_model(
                        self.library, space.name, self._fingerprints.get(space.name), encoder
                    )
                self._encoder = encoder
            return self._encoder

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        return self.catalogue.keys_of(ids)

    def cases(self, keys: Sequence[int]) -> dict[int, Case]:
        return self.catalogue.cases(keys)

    def some_captions(self, count: int = 2000) -> list[str]:
        """Captions of cases spread evenly over the library."""
        live = np.flatnonzero(self.columns.live)
        keys = live[:: max(1, len(live) // count)]
        return [case.caption for case in self.cases(keys.tolist()).values()]

    def thumbnail(self, key: int) -> bytes | None:
        """The WebP thumbnail of a case, ``None`` where it has no image."""
        place = self.catalogue.thumbnail(key)
        if place is None or self._thumbnails is None:
            return None
        return os.pread(self._thumbnails, place[1], place[0])


def map_rows(
    path: Path, rows: int, dimension: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """The counted rows of an embedding file, (rows, dimension) float16, memory-mapped."""
    if rows == 0:
        return np.empty((0, dimension), dtype=np.float16)
    return np.memmap(path, dtype=np.float16, mode="r", shape=(rows, dimension))


def refuse_other_model(library: Path, space: str, known: str | None, encoder: Encoder) -> None:
    """Raise ``EncoderError`` where a space was made by other weights or preprocessing."""
    if known is not None and known != encoder.fingerprint:
        raise EncoderError(
            f"{library}: its space '{space}' was made by another version of the encoder "
            f"'{encoder.name}' ({known[:12]}, this one is {encoder.fingerprint[:12]}); search it "
            "with the program that built it, or build a new library"
        )
