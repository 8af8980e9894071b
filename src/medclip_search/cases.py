"""A case: one figure with its caption, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Value = str | int | float | bool | None
"""What a metadata column may hold (one value of a JSON scalar type)."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the pixels of a case lie.

    ``path`` is absolute; ``frame`` is the zero-based frame of a clip or an enhanced series,
    ``None`` for a single image.
    """

    path: Path
    frame: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path}#{self.frame}"


@dataclass(frozen=True, slots=True)
class Case:
    """One figure with its caption.

    ``id`` is the source's own id (the catalogue prefixes it by the corpus's name only where
    two sources collide). A case may lack its image (``None``) or its caption (``""``), not both.
    ``article`` is a PubMed Central id such as ``PMC3970251``. ``licence_class`` is one of
    ``commercial``, ``noncommercial``, ``other``. ``origins`` says for each derived value where
    it came from, for example ``{"modality": "umls:C0040405"}``.
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
    metadata: Mapping[str, Value] = field(default_factory=lambda: dict[str, Value]())
    origins: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())

    @property
    def article_link(self) -> str | None:
        """The article's page at PubMed Central, where the PMC id is known."""
        return f"https://pmc.ncbi.nlm.nih.gov/articles/{self.article}/" if self.article else None
