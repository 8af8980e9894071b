"""Judgements (qrels): which documents answer which query, and how well.

    TREC, SMART   QUERY 0 DOCUMENT GRADE
    CISI, CACM    QUERY DOCUMENT 0 0.0     (listed, so relevant)
    BEIR          query-id <tab> corpus-id <tab> score, with that header
    short         QUERY DOCUMENT GRADE, or QUERY DOCUMENT

A grade of 1 or more is relevant, 0 and below are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from medclip_search.corpora.base import CorpusSpec
from medclip_search.corpora.beir import DOCUMENTS, BeirCorpus
from medclip_search.corpora.trec import TrecCorpus
from medclip_search.errors import CorpusError, EvaluationError
from medclip_search.evaluation.lines import fields, malformed, numbered_lines

Qrels = Mapping[str, Mapping[str, int]]
"""Query to document to grade."""

_FORMS = "write QUERY 0 DOCUMENT GRADE, or BEIR's query-id, corpus-id, score by tabs"
_LISTED = re.compile(r"\d+\s+\d+\s+0\s+0(\.0+)?")


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """The judgements of a file, or of a folder of BEIR (its split ``test``) or SMART.

    Raises ``EvaluationError``, naming file and line.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = _in_folder(path)
    texts = list(numbered_lines(path))
    # In the lists of CISI and CACM the last two columns are 0 throughout.
    listed = all(_LISTED.fullmatch(text) for _, text in texts)
    lines = [(number, text.split() if listed else fields(text)) for number, text in texts]
    if lines and lines[0][1][0].lower() in ("query-id", "query_id", "qid"):
        del lines[0]
    qrels: dict[str, dict[str, int]] = {}
    for number, cells in lines:
        grade = "1"
        match cells:
            case [query, document, _, _] if listed:
                pass
            case [query, _, document, grade]:
                pass
            case [query, document, grade]:
                pass
            case [query, document]:
                pass
            case _:
                raise malformed(path, number, f"{len(cells)} columns", _FORMS)
        try:
            value = round(float(grade))
        except (ValueError, OverflowError):
            raise malformed(path, number, f"the grade {grade!r} is no number", _FORMS) from None
        if not query or not document:
            raise malformed(path, number, "an empty column", _FORMS)
        known = qrels.setdefault(query, {})
        known[document] = max(known.get(document, value), value)
    if not qrels:
        raise EvaluationError(f"{path}: no judgement in it; {_FORMS}")
    return qrels


def _in_folder(folder: Path) -> Path:
    try:
        if not any((folder / name).exists() for name in DOCUMENTS):
            found = TrecCorpus(CorpusSpec("trec", folder, "trec")).judgements
        else:
            splits = BeirCorpus(CorpusSpec("beir", folder, "beir")).qrels
            found = next(iter(splits.values())) if len(splits) == 1 else splits.get("test")
            if splits and found is None:
                raise EvaluationError(
                    f"{folder}: judgements of several splits ({', '.join(splits)}); "
                    f"give one of them, as {next(iter(splits.values()))}"
                )
    except CorpusError as error:
        raise EvaluationError(str(error)) from None
    if found is None:
        raise EvaluationError(f"{folder}: no judgements in it; give the file of judgements")
    return found


def write_qrels(path: str | Path, qrels: Qrels) -> None:
    """Write judgements: as BEIR's where the name ends in ``.tsv``, else as TREC's.

    TREC's columns stand by spaces, or by tabs where an id has a space in it.
    """
    path = Path(path)
    pairs = [(q, d, grade) for q, known in qrels.items() for d, grade in known.items()]
    if path.suffix == ".tsv":
        rows = ["query-id\tcorpus-id\tscore", *(f"{q}\t{d}\t{grade}" for q, d, grade in pairs)]
    else:
        by = "\t" if any(" " in one for q, d, _ in pairs for one in (q, d)) else " "
        rows = [by.join((q, "0", d, str(grade))) for q, d, grade in pairs]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def match_topics(qrels: Qrels, topics: list[str]) -> dict[str, dict[str, int]]:
    """The judgements under the topics' own ids, for ``01`` and ``1`` are one query in some."""
    exact = {one: dict(known) for one, known in qrels.items()}
    plain: dict[str, list[str]] = {}
    for one in qrels:
        plain.setdefault(one.lstrip("0"), []).append(one)
    for topic in topics:
        same = plain.get(topic.lstrip("0"), [])
        if topic not in exact and len(same) == 1 and same[0] not in topics:
            exact[topic] = exact.pop(same[0], {})
    return exact
