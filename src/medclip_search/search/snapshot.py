"""What a search needs of a library: one generation of it, whole (``library.generation``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from medclip_search.cases import Case
from medclip_search.encoders.base import Encoder, Space

if TYPE_CHECKING:
    from medclip_search.indexes.columns import Columns
    from medclip_search.indexes.map import MapIndex
    from medclip_search.indexes.text import TextIndex
    from medclip_search.indexes.vectors import VectorIndex


class Snapshot(Protocol):
    """An immutable state of a library, safe for use by several threads.

    Everything in it speaks of cases by their integer keys.
    """

    @property
    def number(self) -> int:
        """The generation's number."""
        ...

    @property
    def columns(self) -> Columns: ...

    @property
    def text(self) -> TextIndex: ...

    @property
    def vectors(self) -> Mapping[str, VectorIndex]:
        """The vector index of each space by its name."""
        ...

    @property
    def map(self) -> MapIndex | None:
        """Where pictures stand on the map, where there is one."""
        ...

    @property
    def spaces(self) -> Mapping[str, Space]: ...

    def encoder(self) -> Encoder:
        """The encoder that made the vectors; loaded when first asked for."""
        ...

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        """The keys of ids, ``None`` for an unknown one."""
        ...

    def ids_of(self, keys: Sequence[int]) -> dict[int, str]:
        """The ids of keys; unknown ones are left out."""
        ...

    def cases(self, keys: Sequence[int]) -> dict[int, Case]: ...

    def captions_of(self, keys: Sequence[int]) -> dict[int, str]: ...

    def thumbnail(self, key: int) -> bytes | None:
        """The small picture of a case, encoded; ``None`` where it has none."""
        ...
