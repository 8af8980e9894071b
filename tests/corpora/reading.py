"""A corpus read to its end: its cases, and what it reported."""

from __future__ import annotations

from pathlib import Path

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus
from medclip_search.images.sources import read_source


def read_corpus(kind: str, path: Path, name: str = "") -> tuple[list[Case], list[Skipped]]:
    """The cases and the reports, each of which is one line."""
    items = list(open_corpus(CorpusSpec(kind, path, name or kind)))
    assert all("\n" not in str(item) for item in items if isinstance(item, Skipped))
    return (
        [item for item in items if isinstance(item, Case)],
        [item for item in items if isinstance(item, Skipped)],
    )


def told(skipped: list[Skipped]) -> list[tuple[str, str, bool, bool]]:
    """What reports say: what, why, whether a case was lost, whether more may be hidden."""
    return [(item.what, item.reason, item.dropped, item.incomplete) for item in skipped]


def contents(cases: list[Case]) -> list[str]:
    """The text in each case's image file."""
    return [read_source(case.image).decode() for case in cases if case.image is not None]
