"""Asking a library all the queries of a collection, for the run that is then judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    left_out: Callable[[str, Hit], bool] = lambda _, __: False,
    spare: Callable[[str], int] = lambda _: 0,
    heard: Callable[[str, Hits], object] = lambda _, __: None,
    progress: Progress = SILENT,
) -> dict[str, dict[str, float]]:
    """The run of (id, query) pairs: the best ``k`` of each, with scores that fall strictly.

    ``named`` says how judgements call a hit. ``left_out(id, hit)`` takes hits out of the ranking
    before ranks are counted, such as those of the query's own case; ``spare(id)`` is how many
    there may be, so that ``k`` are left. ``heard`` sees all the hits.
    """
    queries = list(queries)
    run: dict[str, dict[str, float]] = {}
    with progress("queries", len(queries), "query") as advance:
        for qid, query in queries:
            hits = library.search(query, k + spare(qid))
            heard(qid, hits)
            kept = [hit for hit in hits if not left_out(qid, hit)][:k]
            run[qid] = ranking((named(hit), hit.score) for hit in kept)
            advance(1)
    return run
