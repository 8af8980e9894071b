"""A case: one figure with its caption, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

Value = str | int | float | bool | None
"""What a metadata column may hold (one value of a JSON scalar type)."""


def column_label(column: str) -> str:
    """A column's name as a person reads it: ``Description.Slice_Plane`` is ``Slice Plane``."""
    return column.rpartition(".")[2].replace("_", " ").strip() or column


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the pixels of a case lie.

    ``path`` is absolute; ``frame`` is the zero-based frame of a clip or an enhanced series,
    ``None`` for a single image. Where ``path`` is a container, ``member`` is what holds the
    picture in it: the name in a zip, or ``COLUMN/ROW`` (zero-based) in a Parquet file.
    """

    path: Path
    frame: int | None = None
    member: str | None = None

    @property
    def name(self) -> str:
        """The last part of the path, or of the name in the zip."""
        return self.path.name if self.member is None else PurePosixPath(self.member).name

    def __str__(self) -> str:
        place = str(self.path) if self.member is None else f"{self.path}/{self.member}"
        return place if self.frame is None else f"{place}#{self.frame}"


@dataclass(frozen=True, slots=True)
class Case:
    """One figure with its caption.

    ``id`` is the source's own id (the catalogue prefixes it by the corpus's name only where
    two sources collide). A case may lack its image (``None``) or its caption (``""``), not both.
    ``article`` is a PubMed Central id such as ``PMC3970251``. ``licence_class`` is one of
    ``commercial``, ``noncommercial``, ``other``. ``origins`` says for each derived value where
    it came from, for example ``{"modality": "umls:C0040405"}``. ``row`` is its zero-based row in
    the table it was read from, by which ready-made vectors are found.
    """

    id: str
    corpus: str = ""
    caption: str = ""
    image: ImageSource | None = None
    article: str | None = None
    licence: str | None = None
    licence_class: str | None = None
    year: int | None = None
    modality: str | None = None
    region: str | None = None
    keywords: tuple[str, ...] = ()
    cuis: tuple[str, ...] = ()
    row: int | None = field(default=None, compare=False, repr=False)
    metadata: Mapping[str, Value] = field(default_factory=lambda: dict[str, Value]())
    origins: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())

    @property
    def article_link(self) -> str | None:
        """The article's page at PubMed Central, where the PMC id is known."""
        return f"https://pmc.ncbi.nlm.nih.gov/articles/{self.article}/" if self.article else None
