"""Asking a library all the queries of a collection, for the run that is then judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sized
from typing import Protocol

from medclip_search.evaluation.runs import ranking
from medclip_search.progress import SILENT, Progress
from medclip_search.search.hits import Hit, Hits
from medclip_search.search.query import Query


class Searched(Protocol):
    """What can be asked: a ``Library``, or anything that answers as one."""

    def search(self, query: Query, k: int = 10) -> Hits: ...


def answer(
    library: Searched,
    queries: Iterable[tuple[str, Query]],
    k: int = 1000,
    *,
    named: Callable[[Hit], str] = lambda hit: hit.id,
    left_out: Callable[[str], Collection[str]] = lambda _: (),
    heard: Callable[[str, list[Hit], Hits], object] = lambda _, __, ___: None,
    progress: Progress = SILENT,
    total: int | None = None,
) -> dict[str, dict[str, float]]:
    """The run of (id, query) pairs: the best ``k`` of each, with scores that fall strictly.

    ``named`` says how judgements call a hit. ``left_out(id)`` are the cases that are taken out of
    a query's answers before ranks are counted, such as its own. ``heard`` gets what is left, and
    the whole answer. ``total`` is how many queries there are, where ``queries`` does not know.
    """
    total = len(queries) if isinstance(queries, Sized) else total
    run: dict[str, dict[str, float]] = {}
    with progress("queries", total, "query") as advance:
        for qid, query in queries:
            without = left_out(qid)
            hits = library.search(query, k + len(without))
            kept = [hit for hit in hits if hit.id not in without][:k]
            heard(qid, kept, hits)
            run[qid] = ranking((named(hit), hit.score) for hit in kept)
            advance(1)
    return run
