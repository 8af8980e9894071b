"""``beir=DIR``: a judged text collection as BEIR lays it out.

``corpus.jsonl`` holds the documents (``_id``, ``title``, ``text``, ``metadata``),
``queries.jsonl`` the queries, ``qrels/SPLIT.tsv`` the judgements; any of them may be gzipped.

N. Thakur, N. Reimers, A. Rücklé, A. Srivastava, I. Gurevych: BEIR: A Heterogeneous Benchmark for
Zero-shot Evaluation of Information Retrieval Models. NeurIPS Datasets and Benchmarks, 2021.
https://github.com/beir-cellar/beir
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from medclip_search.cases import Case, Value
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.captions import Gate, one_line
from medclip_search.corpora.columns import flatten, scalar
from medclip_search.corpora.files import check_folder, file_fault, folder_fault, list_folder
from medclip_search.corpora.rows import Row, count_rows, read_rows
from medclip_search.errors import CorpusError

DOCUMENTS = ("corpus.jsonl", "corpus.jsonl.gz")
QUERIES = ("queries.jsonl", "queries.jsonl.gz")
OWN = frozenset({"_id", "title", "text", "metadata"})


class BeirCorpus:
    """One case a document, without an image, under the ``_id`` by which judgements name it.

    Its caption is the title, a space and the text, as in BEIR's flat BM25 baseline and its dense
    models. A document however short is kept as it stands, for it may be judged. ``queries`` and
    ``qrels`` (files by their split) are where the judgements lie; either may be absent.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of a BEIR collection")
        documents = _present(self.root, DOCUMENTS)
        if documents is None:
            raise CorpusError(_nothing_here(self.root))
        if fault := file_fault(documents):
            remedy = reasons.REMEDIES.get(fault, "put the collection's file in its place")
            raise CorpusError(f"{documents}: {fault}; {remedy}")
        self.documents = documents
        self.queries = _present(self.root, QUERIES)
        self.qrels = _judgements(self.root / "qrels")

    def count(self) -> int | None:
        return count_rows(self.documents)

    def __iter__(self) -> Iterator[Case | Skipped]:
        gate = Gate()
        for row in read_rows(self.documents):
            if isinstance(row, Skipped):
                yield row
                continue
            case_id = _text(row, "_id")
            if not case_id:
                yield Skipped(row.where, reasons.NO_ID, "judgements need an _id")
                continue
            caption = f"{_text(row, 'title')} {_text(row, 'text')}".strip()
            where = f"{row.where} ({one_line(case_id)})"
            problems = [] if caption else [Skipped(where, reasons.EMPTY_CAPTION)]
            case = Case(case_id, self.spec.name, caption, metadata=dict(_known(row.values)))
            yield from gate.admit(case, row.where, problems)


def _text(row: Row, field: str) -> str:
    value = scalar(row.values.get(field))
    return "" if value is None else str(value)


def _known(values: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    """Every scalar beside the document itself; those of ``metadata`` without that prefix."""
    further = {name: value for name, value in values.items() if name not in OWN}
    metadata = values.get("metadata")
    if isinstance(metadata, Mapping):
        yield from flatten({**further, **metadata})
    else:
        yield from flatten({**further, "metadata": metadata})


def _present(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some files that is there, be it one that cannot be opened."""
    for name in names:
        if file_fault(folder / name) not in (reasons.ABSENT, reasons.A_FOLDER):
            return folder / name
    return None


def _judgements(folder: Path) -> dict[str, Path]:
    """Splits (``test``, ``dev``, ``train``) to the files of their judgements."""
    if folder_fault(folder):
        return {}
    found: dict[str, Path] = {}
    for name in list_folder(folder).files:
        stem = name.lower().removesuffix(".gz")
        if stem.endswith(".tsv"):
            found[name[: len(stem) - len(".tsv")]] = folder / name
    return found


def _nothing_here(folder: Path) -> str:
    below = [
        name
        for name in list_folder(folder).folders
        if _present(folder / name, DOCUMENTS) is not None
    ]
    remedy = f"give one collection, as {folder / below[0]}" if below else "is it unpacked?"
    return f"{folder}: no BEIR collection in it; looked for {' or '.join(DOCUMENTS)}; {remedy}"
