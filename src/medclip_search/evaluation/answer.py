"""Asking a library all the queries of a collection, for the run that is then judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sized
from dataclasses import replace
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

    ``named`` says how judgements call a hit. ``left_out(id)`` are the cases that a query is asked
    without, such as its own: taken out of the answers afterwards, they would still have told the
    search, by their captions, what to look for. ``heard`` gets the hits, and the whole answer.
    ``total`` is how many queries there are, where ``queries`` does not know.
    """
    total = len(queries) if isinstance(queries, Sized) else total
    run: dict[str, dict[str, float]] = {}
    with progress("queries", total, "query") as advance:
        for qid, query in queries:
            if without := left_out(qid):
                query = replace(query, not_id=(*query.not_id, *sorted(without)))
            hits = library.search(query, k)
            heard(qid, list(hits), hits)
            run[qid] = ranking((named(hit), hit.score) for hit in hits)
            advance(1)
    return run
