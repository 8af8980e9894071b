"""A generation as a reader sees it: opened once, whole, and never changing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from medclip_search import encoders
from medclip_search.cases import Case
from medclip_search.encoders.base import Encoder, EncoderSpec, Space
from medclip_search.errors import EncoderError, LibraryDamagedError
from medclip_search.indexes.columns import Columns
from medclip_search.indexes.map import MapIndex
from medclip_search.indexes.text import TextIndex
from medclip_search.indexes.vectors import VectorIndex
from medclip_search.library.catalogue import Catalogue, SpaceRecord
from medclip_search.library.layout import Manifest, read_current


class Generation:
    """One published state of a library. Everything large is memory-mapped.

    ``columns``, ``text``, ``vectors`` and ``map`` (``None`` where there is none) are the indexes;
    ``spaces`` the embedding spaces.
    """

    def __init__(self, library: Path, manifest: Manifest, model: str | None = None) -> None:
        self.library = library
        self._model = model
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
        self._records = records
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
        self.map = None if manifest.map is None else MapIndex.open(library / manifest.map)
        if manifest.thumbnails is not None:
            self._thumbnails = os.open(library / manifest.thumbnails, os.O_RDONLY)

    @classmethod
    def open(cls, library: Path, model: str | None = None) -> Self:
        """Open what ``CURRENT`` names. Raises ``NotALibraryError`` and its kin.

        ``model`` is where the encoder's model lies here, if not where it was built.
        """
        while True:
            manifest = read_current(library)
            try:
                return cls(library, manifest, model)
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

        Raises ``EncoderUnavailableError`` where it cannot be had, ``EncoderError`` where there
        is none, or where this one has other weights or another preprocessing than the one whose
        vectors the library holds.
        """
        with self._encoder_lock:
            if self._encoder is None:
                spec = remembered_encoder(self.catalogue)
                if spec is None:
                    raise EncoderError(
                        f"{self.library}: its vectors came ready-made, and no encoder was named "
                        "that could embed a query; ask by a vector, by words or by a liked case"
                    )
                if self._model is not None:
                    spec = replace(spec, model=self._model)
                encoder = encoders.load(spec, made_by(spec, self._records.values()))
                refuse_strange_model(self.library, self._records.values(), encoder)
                for space in encoder.spaces:
                    if space.name in self._records:
                        refuse_other_model(self.library, self._records[space.name], encoder)
                self._encoder = encoder
            return self._encoder

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        return self.catalogue.keys_of(ids)

    def ids_of(self, keys: Sequence[int]) -> dict[int, str]:
        return self.catalogue.ids_of(keys)

    def cases(self, keys: Sequence[int]) -> dict[int, Case]:
        return self.catalogue.cases(keys)

    def captions_of(self, keys: Sequence[int]) -> dict[int, str]:
        return self.catalogue.captions_of(keys)

    def some_captions(self, count: int = 2000) -> list[str]:
        """Captions of cases spread evenly over the library."""
        live = np.flatnonzero(self.columns.live)
        keys = live[:: max(1, len(live) // count)]
        return list(self.captions_of(keys.tolist()).values())

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


def remembered_encoder(catalogue: Catalogue) -> EncoderSpec | None:
    """The encoder that a library was built with; ``None`` where nobody named one."""
    name = catalogue.fact("encoder")
    if name is None:
        return None
    settings = json.loads(catalogue.fact("encoder_settings") or "{}")
    return EncoderSpec(
        name,
        settings.get("model"),
        tuple(settings.get("spaces", ())),
        settings.get("runtime", "auto"),
        settings.get("called", ""),
    )


def made_by(spec: EncoderSpec, known: Iterable[SpaceRecord]) -> str:
    """The fingerprint of the vectors that an encoder has made here; empty where there are none."""
    made = (one.fingerprint for one in known if one.bytes and one.encoder == spec.name)
    return next(made, "")


def refuse_strange_model(library: Path, known: Iterable[SpaceRecord], encoder: Encoder) -> None:
    """Raise ``EncoderError`` where an encoder has none of the spaces that one made."""
    made = [one.space.name for one in known if one.bytes and not one.space.ready_made]
    own = {space.name for space in encoder.spaces}
    if made and not own.intersection(made):
        raise EncoderError(
            f"{library}: its spaces ({', '.join(made)}) were made by another model than this, "
            f"which makes {', '.join(sorted(own))}; name the model that made them"
        )


def refuse_other_model(library: Path, record: SpaceRecord, encoder: Encoder) -> None:
    """Raise ``EncoderError`` where a space was made by other weights or preprocessing."""
    name = record.space.name
    if record.space.ready_made:
        raise EncoderError(
            f"{library}: nobody said which encoder made the ready-made vectors of its space "
            f"'{name}'; build a new library with --encoder {encoder.name} beside --embeddings"
        )
    if record.fingerprint != encoder.fingerprint:
        raise EncoderError(
            f"{library}: its space '{name}' was made by another model than this "
            f"'{encoder.name}' ({record.fingerprint[:12]}, this one is "
            f"{encoder.fingerprint[:12]}); name the model that made it, or build a new library"
        )
