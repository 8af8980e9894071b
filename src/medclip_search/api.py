"""The public API: a library that is opened, searched, and followed as it grows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from PIL import Image

from medclip_search.cases import Case
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query


class Library:
    """An opened library: one generation of it, whole, for as long as nobody calls ``refresh``.

    Safe for use by several threads. ``Library.open(path)`` starts in well under a second:
    everything large is memory-mapped.
    """

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the published generation. Raises ``NotALibraryError`` and its kin."""
        raise NotImplementedError

    def search(self, query: Query, k: int = 10) -> Hits:
        """The best ``k`` cases for a query (``k`` >= 1, else ``QueryError``)."""
        raise NotImplementedError

    def case(self, case_id: str) -> Case:
        """The case with this id; raises ``CaseNotFoundError``."""
        raise NotImplementedError

    def image(self, case_id: str) -> Image.Image:
        """The full-size picture, decoded from its source (8-bit, windowed, upright).

        Raises ``CaseNotFoundError``, or ``ImageError`` where the source image is gone.
        """
        raise NotImplementedError

    def thumbnail(self, case_id: str) -> bytes | None:
        """The WebP thumbnail kept in the library; ``None`` for a case without an image."""
        raise NotImplementedError

    def facets(self, field: str) -> Mapping[str, int]:
        """Values of a field over the library with their counts, most frequent first."""
        raise NotImplementedError

    def fields(self) -> list[str]:
        """Fields that filters accept: modality, region, corpus, …, and metadata columns."""
        raise NotImplementedError

    def examples(self) -> list[str]:
        """A few short queries in words that this library answers well, for an empty page."""
        raise NotImplementedError

    def info(self) -> dict[str, Any]:
        """What the library is: id, generation, counts, sources, spaces, sizes (plain JSON)."""
        raise NotImplementedError

    def refresh(self) -> bool:
        """Follow a newly published generation, if there is one; tells whether there was.

        Costs one ``stat`` when there is none. Searches under way end on the old generation.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the files."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The library's own id, the same in every copy of it."""
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """The folder."""
        raise NotImplementedError

    def __len__(self) -> int:
        """How many cases there are."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
