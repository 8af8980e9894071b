"""Cases to take along: citations, tables, pictures with their licences, a page for print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from medclip_search.cases import Case
from medclip_search.exports.bibtex import to_bibtex
from medclip_search.exports.citations import Reference, references
from medclip_search.exports.ris import to_ris

Style = Literal["text", "bibtex", "ris"]

__all__ = ["Reference", "Style", "cite", "references", "to_bibtex", "to_ris"]


def cite(
    cases: Sequence[Case], style: Style = "text", notes: Mapping[str, str] | None = None
) -> str:
    """How to cite cases: one line a work in the Vancouver manner, BibTeX, or RIS.

    ``notes`` are a user's own by case id; BibTeX and RIS carry them.
    """
    works = references(cases, notes)
    if style == "bibtex":
        return to_bibtex(works)
    if style == "ris":
        return to_ris(works)
    return "".join(f"{work.text()}\n" for work in works)
