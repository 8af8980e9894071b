"""How to cite figures: what a library knows of the work that each comes from, and no more.

Figures of one article are one reference. Title, authors and journal are told where a metadata
column has them (``PMC-OA`` and tables may), and are never guessed: a reference of a PubMed Central
id alone says that id and where it leads. The licence is each figure's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medclip_search.cases import Case, Value
from medclip_search.describe import key

UNKNOWN_LICENCE = "not known"

TITLE_COLUMNS = ("articletitle", "papertitle", "title")
AUTHOR_COLUMNS = ("articleauthors", "authors", "author", "authorlist")
JOURNAL_COLUMNS = ("articlejournal", "journal", "journaltitle", "journalname", "containertitle")
DOI_COLUMNS = ("doi", "articledoi", "doiurl")
PMID_COLUMNS = ("pmid", "pubmedid", "articlepmid")
VOLUME_COLUMNS = ("volume", "articlevolume", "journalvolume")
ISSUE_COLUMNS = ("issue", "articleissue", "journalissue")
PAGE_COLUMNS = ("pages", "articlepages", "pagerange")
CITATION_COLUMNS = ("articlecitation", "citation")
FIGURE_COLUMNS = ("figure", "figureid", "figid", "figurename", "figurelabel")
ATTRIBUTION_COLUMNS = ("attribution",)
"""Names of metadata columns, in lower case without separators, best first."""

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_INITIALS = re.compile(r"(?P<family>.*\S)\s+(?P<initials>[^\W\d_]{1,3}|(?:[^\W\d_]\.[ -]?){1,4})")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a reference: its id here, its name in the article, its licence as known."""

    id: str
    corpus: str
    name: str
    licence: str
    note: str = ""

    def __str__(self) -> str:
        """``Figure fig2.jpg (ROCO_00020, roco). Licence: CC BY.``"""
        told = ", ".join(part for part in (self.id if self.name else "", self.corpus) if part)
        called = f"Figure {self.name or self.id}" + (f" ({told})" if told else "")
        return f"{called}. Licence: {self.licence.rstrip('.')}."


@dataclass(frozen=True, slots=True)
class Reference:
    """A work, and the figures of it; ``""`` where something is not known. All texts are one line.

    ``key`` is unique among the references made together, and ASCII. Authors are written as the
    source does, except that trailing initials are parted: ``Smith, JA``.
    """

    key: str
    figures: tuple[Figure, ...]
    article: str = ""
    link: str = ""
    title: str = ""
    authors: tuple[str, ...] = ()
    journal: str = ""
    year: int | None = None
    volume: str = ""
    issue: str = ""
    pages: str = ""
    doi: str = ""
    pmid: str = ""
    citation: str = ""

    @property
    def named(self) -> str:
        """The title, or, where nobody told it, what is referred to, in square brackets."""
        if self.title:
            return self.title
        if self.article or self.doi:
            return f"[Article {self.article or self.doi}]"
        figure = self.figures[0]
        return f"[Figure {figure.name or figure.id}]"

    def text(self) -> str:
        """The reference in one line, in the manner of the Vancouver style."""
        return " ".join([part for part in (self._work(), *map(str, self.figures)) if part])

    def _work(self) -> str:
        known = self.title or self.authors or self.journal
        if not known and self.citation:
            parts = [self.citation]
        else:
            when = "" if self.year is None else str(self.year)
            place = self.volume + (f"({self.issue})" if self.issue else "")
            place += f":{self.pages}" if self.pages else ""
            parts = [
                ", ".join(one.replace(",", "") for one in self.authors),
                self.title,
                self.journal,
                ";".join(part for part in (when, place) if part),
            ]
        parts.append(f"doi:{self.doi}" if self.doi and self.doi not in self.citation else "")
        parts.append(self.article and f"PMCID: {self.article}")
        sentences = [f"{part.rstrip('.')}." for part in parts if part]
        if self.link and not self.doi:
            sentences.append(self.link)
        return " ".join(sentences)


def references(cases: Sequence[Case], notes: Mapping[str, str] | None = None) -> list[Reference]:
    """The works that cases come from, in the order of the first figure of each.

    ``notes`` are a user's own, by case id.
    """
    works: dict[str, list[Case]] = {}
    for case in cases:
        doi = _doi(case)
        work = case.article or (f"doi:{doi.lower()}" if doi else f"case:{case.id}")
        works.setdefault(work, []).append(case)
    found: list[Reference] = []
    taken: set[str] = set()
    for group in works.values():
        article = group[0].article or ""
        name = _distinct(_key(article or _doi(group[0]) or group[0].id), taken)
        found.append(_reference(name, article, group, notes or {}))
    return found


def _reference(
    name: str, article: str, group: Sequence[Case], notes: Mapping[str, str]
) -> Reference:
    def first(columns: tuple[str, ...]) -> str:
        return next((text for case in group if (text := _told(case, columns))), "")

    doi = next((text for case in group if (text := _doi(case))), "")
    link = next((case.article_link for case in group if case.article_link), "")
    return Reference(
        key=name,
        figures=tuple(figure(case, notes.get(case.id, "")) for case in group),
        article=line(article),
        link=link or (f"https://doi.org/{doi}" if doi else ""),
        title=first(TITLE_COLUMNS),
        authors=authors(first(AUTHOR_COLUMNS)),
        journal=first(JOURNAL_COLUMNS),
        year=next((case.year for case in group if case.year is not None), None),
        volume=first(VOLUME_COLUMNS),
        issue=first(ISSUE_COLUMNS),
        pages=first(PAGE_COLUMNS),
        doi=doi,
        pmid=first(PMID_COLUMNS),
        citation=first(CITATION_COLUMNS),
    )


def figure(case: Case, note: str = "") -> Figure:
    """A case as a figure to cite."""
    licence = line(case.licence or "") or UNKNOWN_LICENCE
    # ROCOv2's attribution has both, as in "CC BY [Muacevic et al. (2020)]".
    attribution = _told(case, ATTRIBUTION_COLUMNS)
    if attribution:
        licence = attribution if case.licence else f"{licence} ({attribution})"
    return Figure(
        line(case.id), line(case.corpus), _told(case, FIGURE_COLUMNS), licence, line(note)
    )


def authors(text: str) -> tuple[str, ...]:
    """The authors that a text lists; a list that nothing surely parts is one name.

    They are parted by semicolons, bars or "and", or by commas where each part is a whole name
    (``Smith JA, Doe B``, not ``Smith, J.``).
    """
    for mark in (";", "|"):
        if mark in text:
            return tuple(_inverted(name) for one in text.split(mark) if (name := one.strip(" ,")))
    joined = [part.strip(" ,") for part in re.split(r"\s+and\s+|&", text)]
    # Beside "and", a comma may part family from given name: ``Smith, John and Doe, Jane``.
    whole = _ends_in_initials if len(joined) > 1 else _has_two_words
    names: list[str] = []
    for part in joined:
        pieces = [piece.strip() for piece in part.split(",")]
        names += pieces if all(map(whole, pieces)) else [part]
    return tuple(_inverted(name) for name in names if name)


def line(text: str) -> str:
    """A text as one line, without what no printer shows."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _inverted(name: str) -> str:
    """``Smith JA`` as ``Smith, JA``; another name as it stands."""
    found = _INITIALS.fullmatch(name)
    if found is None or not _ends_in_initials(name):
        return name
    return f"{found['family']}, {found['initials']}"


def _ends_in_initials(name: str) -> bool:
    found = _INITIALS.fullmatch(name)
    return found is not None and "," not in name and found["initials"].isupper()


def _has_two_words(name: str) -> bool:
    return " " in name


def _told(case: Case, columns: tuple[str, ...]) -> str:
    for wanted in columns:
        for column, value in case.metadata.items():
            if key(column) == wanted and value is not None and (text := line(_digits(value))):
                return text
    return ""


def _digits(value: Value) -> str:
    """A number of a table as it was written: a column with gaps makes 12 a 12.0."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _doi(case: Case) -> str:
    """The DOI alone, without the address or the word before it."""
    found = _DOI.search(_told(case, DOI_COLUMNS))
    return found[0].rstrip(".,;") if found else ""


def _key(text: str) -> str:
    """What every program that reads BibTeX takes for a key."""
    return re.sub(r"[^A-Za-z0-9_.:-]+", "-", text).strip("-.") or "figure"


def _distinct(name: str, taken: set[str]) -> str:
    """The name, or one with a number after it; keys differ by more than case."""
    numbered, again = name, 2
    while numbered.lower() in taken:
        numbered, again = f"{name}-{again}", again + 1
    taken.add(numbered.lower())
    return numbered
