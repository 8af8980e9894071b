"""References in RIS, for EndNote, Zotero, Mendeley and their kin.

A tag, two spaces, a hyphen and a space begin each line, CR LF ends it, ``TY`` is the first of a
record and ``ER`` the last (Reference Manager's specification of 2001, and the tags as EndNote and
Zotero map them: ``C2`` is the PubMed Central id, ``AN`` the PubMed id, ``DB`` the collection).
UTF-8, without a byte order mark, which some programs take for part of the first tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.exports.citations import Reference


def to_ris(references: Sequence[Reference]) -> str:
    """The references as an ``.ris`` file: ``JOUR`` where the article is known, else ``FIGURE``."""
    records = ("\r\n".join(f"{tag}  - {text}" for tag, text in _lines(one)) for one in references)
    return "".join(f"{record}\r\n" for record in records)


def _lines(one: Reference) -> Iterator[tuple[str, str]]:
    yield "TY", "JOUR" if one.article or one.doi or one.journal else "FIGURE"
    yield "ID", one.key
    yield "TI", one.named
    yield from (("AU", name) for name in one.authors)
    first, _, last = one.pages.replace("–", "-").partition("-")
    told = {
        "PY": "" if one.year is None else str(one.year),
        "T2": one.journal,
        "VL": one.volume,
        "IS": one.issue,
        "SP": first.strip(),
        "EP": last.strip(),
        "DO": one.doi,
        "AN": one.pmid,
        "C2": one.article,
        "UR": one.link,
        "DB": one.figures[0].corpus,
    }
    yield from ((tag, text) for tag, text in told.items() if text)
    for figure in one.figures:
        yield "N1", f"{figure} {figure.note}".strip()
    yield "N1", NOT_FOR_DIAGNOSIS
    yield "ER", ""
