"""``trec=DIR``: a judged text collection in the form of Cornell's SMART system.

A document begins with ``.I NUMBER``; each of its sections begins with a line that is a full stop
and a letter: ``.T`` title, ``.W`` text, ``.A`` author, ``.B`` bibliography, and others. MED, CISI,
CRAN, CACM, ADI and OHSUMED are published so, with a file of queries in the same form and one of
relevance judgements.

G. Salton (ed.): The SMART Retrieval System. Prentice Hall, 1971.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from medclip_search.cases import Case, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, clean, one_line
from medclip_search.corpora.files import check_folder, list_folder, unread
from medclip_search.corpora.lines import MAX_LINE, UTF8_REMEDY, open_bytes, read_lines
from medclip_search.corpora.reasons import CONCEALING
from medclip_search.corpora.table import listed
from medclip_search.errors import CorpusError

BEGIN = re.compile(r"\.I(?:[ \t]+(.*))?")
SECTION = re.compile(r"\.([A-Z])")
KEYWORDS = ("K", "M")
METADATA = {
    "A": "author",
    "B": "bibliography",
    "C": "categories",
    "N": "note",
    "P": "publication type",
    "S": "source",
    "U": "medline",
    "X": "cross references",
}
"""What sections mean in the published collections; others are kept under their letter."""

TEXT = ("T", "", "W")
"""The sections that are searched, and of which a query consists."""

A_LINE_EACH = "ACX"
"""Sections of which each line is a value of its own."""

QUERIES = re.compile(r"(?:qry|query|queries|topics?|questions?)(?![a-z])", re.IGNORECASE)
JUDGEMENTS = re.compile(r"(?:rel|qrels?|judge?ments?)(?![a-z])", re.IGNORECASE)
WHOLE = re.compile(r"(?:all|docs?|documents?)(?![a-z])", re.IGNORECASE)
"""What the names of files say, as in ``cran.all.1400``, ``query.text`` and ``cranqrel``."""

HEAD_LINES = 100
HEAD_BYTES = 65536


class TrecCorpus:
    """One case a document, without an image, under the number by which judgements name it.

    Its caption is the title, a space and the text, each with its lines joined. A document however
    short is kept as it stands, for it may be judged. ``queries`` and ``judgements`` are the files
    beside the documents; either may be absent.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of the collection")
        self.documents, self.queries, self.judgements = find_files(self.root)

    def count(self) -> int | None:
        if self.documents.suffix.lower() == ".gz":
            return None
        try:
            with open_bytes(self.documents) as stream:
                head = stream.read(HEAD_BYTES)
            size = self.documents.stat().st_size
        except OSError:
            return None
        begun = len(re.findall(rb"^\.I[ \t]", head, re.MULTILINE))
        return round(begun * size / max(len(head), 1)) or None

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        for entry in read_documents(self.documents):
            if isinstance(entry, Skipped):
                yield entry
                continue
            case = _case(entry, self.spec.name)
            if not case.caption:
                entry.problems.append(Skipped(entry.where, reasons.EMPTY_CAPTION))
            yield from gate.admit(case, entry.place, entry.problems)


@dataclass(slots=True)
class Document:
    """One document: its number, the ``place`` of its first line, and the lines of its sections."""

    number: str
    place: str
    sections: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    problems: list[Skipped] = field(default_factory=list[Skipped])
    size: int = 0

    @property
    def where(self) -> str:
        return f"{self.place} ({one_line(self.number)})"

    @property
    def text(self) -> str:
        """The title, a space and the text, each with its lines joined."""
        sections = (_joined(self.sections.get(name, [])) for name in TEXT)
        return " ".join(word for text in sections for word in text.split())


def read_documents(path: Path) -> Iterator[Document | Skipped]:
    """The documents of a file in their order, and reports of what belongs to none of them."""
    here: Document | None = None
    section = ""
    told = False  # of lines that belong to no document only the first is reported
    for line in read_lines(path):
        place = f"{path.name}:{line.number}"
        text = line.text.strip("\ufeff\r\n")
        if line.fault and not line.text:
            if line.fault != reasons.TOO_LONG:
                here = None  # the file ends here, and nobody knows the rest of the document
            yield unread(place, line.fault, dropped=here is None)
        elif begin := BEGIN.fullmatch(text.rstrip()):
            if here is not None:
                yield here
            number = clean(begin[1] or "").strip()
            here, section = Document(number, place), ""
            if not number or " " in number:
                here, told = None, True
                yield Skipped(place, reasons.NO_ID, "a document begins with .I NUMBER")
        elif not text.strip():
            continue
        elif here is None:
            if not told:
                told = True
                yield Skipped(place, reasons.OUTSIDE_DOCUMENT, "a document begins with .I NUMBER")
        elif found := SECTION.fullmatch(text.rstrip()):
            section = found[1]
        elif (size := here.size + len(text)) > MAX_LINE:
            yield Skipped(here.where, reasons.LONG_DOCUMENT)
            here, told = None, True
        else:
            here.size = size
            here.sections.setdefault(section, []).append(text)
            if line.fault and not here.problems:
                here.problems.append(Skipped(place, line.fault, UTF8_REMEDY, dropped=False))
    if here is not None:
        yield here


def _case(document: Document, corpus: str) -> Case:
    sections = document.sections
    text = document.text
    for name in TEXT:
        sections.pop(name, None)
    keywords = "; ".join(_joined(sections.pop(name)) for name in KEYWORDS if name in sections)
    metadata: dict[str, Value] = {
        METADATA.get(name, name): _joined(lines, "; " if name in A_LINE_EACH else " ")
        for name, lines in sections.items()
    }
    return Case(
        document.number,
        corpus,
        text,
        keywords=tuple(word.rstrip(".") for word in listed(keywords)),
        metadata=metadata,
    )


def _joined(lines: list[str], by: str = " ") -> str:
    return by.join(" ".join(clean(line).split()) for line in lines)


def find_files(folder: Path) -> tuple[Path, Path | None, Path | None]:
    """Documents, queries and judgements of a folder, by what they hold and how they are called.

    Raises ``CorpusError`` where no file, or more than one, can be the documents.
    """
    listing = list_folder(folder)
    faults = dict(listing.faults)
    smart: list[str] = []
    judgements: Path | None = None
    for name in listing.files:
        beginning = list(islice(read_lines(folder / name, HEAD_BYTES), HEAD_LINES))
        faults.update((name, line.fault) for line in beginning if line.fault in CONCEALING)
        lines = [line.text.strip("\ufeff\r\n \t") for line in beginning]
        if any((begin := BEGIN.fullmatch(line)) and begin[1] for line in lines):
            smart.append(name)
        elif JUDGEMENTS.search(name) and any(_is_judgement(line) for line in lines[:1]):
            judgements = judgements or folder / name
    queries = [name for name in smart if QUERIES.search(name)]
    documents = [name for name in smart if name not in queries]
    if len(documents) > 1:
        documents = [name for name in documents if WHOLE.search(name)] or documents
    if len(documents) > 1:
        raise CorpusError(
            f"{folder}: {', '.join(documents[:5])} could each be the documents; leave one there, "
            "or call it NAME.ALL"
        )
    if not documents:
        looked = "looked for a file of documents, each beginning with '.I NUMBER', as MED.ALL"
        for name, fault in faults.items():
            remedy = reasons.REMEDIES.get(fault, "")
            raise CorpusError(
                f"{folder}: no collection of SMART in it that can be read "
                f"({one_line(name or folder.name)}: {fault}); {remedy or looked}"
            )
        only = f" beside the queries {queries[0]}" if queries else ""
        raise CorpusError(f"{folder}: no collection of SMART in it; {looked}{only}")
    return folder / documents[0], folder / queries[0] if queries else None, judgements


def _is_judgement(line: str) -> bool:
    """Whether a line is numbers alone: query, document, and how relevant it is."""
    return len(line.split()) > 1 and re.fullmatch(r"[\d\s.+-]+", line) is not None
