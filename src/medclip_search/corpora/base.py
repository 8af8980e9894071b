"""What a corpus is: a source that streams cases and says what it skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from medclip_search.cases import Case
from medclip_search.progress import Progress


@dataclass(frozen=True, slots=True)
class Skipped:
    """One line of the report: something that did not become (a whole) part of a case.

    ``what`` names the file, with line or id where there is one; ``reason`` says why, in a few
    words that are the same for the same cause, so that reasons can be counted; ``remedy`` says
    what the user can do, where there is something to do. ``dropped`` tells whether the case
    as a whole was left out, or only a part of it (its caption, its image). ``incomplete`` is
    true where nobody knows what lies behind it (a folder that cannot be listed, a file cut
    short): cases that are not met then have not vanished from their source.
    """

    what: str
    reason: str
    remedy: str = ""
    dropped: bool = True
    incomplete: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}" + (f" ({self.remedy})" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """``KIND[:NAME]=PATH`` as the user gave it, with the options that belong to it.

    ``name`` defaults to the kind. ``columns`` maps ``image``, ``caption``, ``id`` (and other
    fields of a case) to a table's columns; ``images`` is a folder of images apart from the table;
    ``embeddings`` maps embedding spaces to files of ready-made vectors, one for each of its rows.
    ``frames`` is how many slices a DICOM series gives, 0
    where nobody said: one.
    """

    kind: str
    path: Path | None
    name: str
    columns: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    images: Path | None = None
    embeddings: Mapping[str, Path] = field(default_factory=lambda: dict[str, Path]())
    frames: int = 0

    @property
    def slices(self) -> int:
        """How many slices each DICOM series gives."""
        return self.frames or 1


class Corpus(Protocol):
    """A source of cases.

    Iterating streams it from the start, in an order that is the same every time, in bounded
    memory, and never raises for a single bad entry: it yields ``Skipped`` instead. What makes
    the whole corpus unreadable (no such folder, nothing of its kind inside) raises
    ``CorpusError`` from the constructor, before anything is read. ``root`` is the folder that
    image paths are remembered relative to.
    """

    spec: CorpusSpec
    root: Path

    def __iter__(self) -> Iterator[Case | Skipped]: ...

    def count(self) -> int | None:
        """About how many entries there are, for the progress bar; ``None`` if costly to know."""
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A corpus that must look at everything before it can give its first case."""

    def survey(self, progress: Progress) -> None:
        """Look now, with a progress bar, rather than when the first case is asked for."""
        ...
