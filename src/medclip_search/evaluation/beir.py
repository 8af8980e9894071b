"""A judged collection written as BEIR lays it out, for any other system to be run on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from medclip_search.cases import Case
from medclip_search.evaluation.qrels import Qrels, write_qrels
from medclip_search.evaluation.topics import Topic, write_topics


def write_beir(
    folder: str | Path, cases: Iterable[Case], topics: Iterable[Topic], qrels: Qrels
) -> None:
    """``corpus.jsonl``, ``queries.jsonl`` and ``qrels/test.tsv`` in a folder, made if need be.

    Captions are the texts of the documents, without a title.
    """
    folder = Path(folder)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for case in cases:
            line = {"_id": case.id, "title": "", "text": case.caption}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    write_topics(folder / "queries.jsonl", topics)
    write_qrels(folder / "qrels" / "test.tsv", qrels)
