"""The engine: a query and a generation to hits. The surfaces hold no search logic; it is here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case
from medclip_search.errors import QueryError
from medclip_search.indexes.text.abbreviations import Forms
from medclip_search.indexes.text.highlighting import Marker, highlights
from medclip_search.search import areas, explain, facets, filters, mapping, retrieve, sort, weighing
from medclip_search.search.arrange import Arranged, arrange
from medclip_search.search.asked import Asked
from medclip_search.search.combine import Combiner
from medclip_search.search.depth import depth_of
from medclip_search.search.encoding import encoded
from medclip_search.search.expand import Expansion, expansion
from medclip_search.search.facets import Facets
from medclip_search.search.function_words import silent
from medclip_search.search.fuse import RankedList, evidence
from medclip_search.search.hits import Hit, Hits, ListEvidence
from medclip_search.search.known_item import known_item_first
from medclip_search.search.query import Query
from medclip_search.search.reading import read_texts
from medclip_search.search.rerank import Reranked, rerank
from medclip_search.search.snapshot import Snapshot
from medclip_search.search.steer import Steered, steer
from medclip_search.search.suggest import suggest
from medclip_search.search.together import Once
from medclip_search.search.weighing import Given

if TYPE_CHECKING:
    from medclip_search.encoders.cross_encoder import CrossEncoder
    from medclip_search.indexes.map import Area

DEEPEST = 1000
"""Pages end after so many answers."""

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]


def search(
    generation: Snapshot,
    query: Query,
    k: int = 10,
    reader: CrossEncoder | None = None,
    combiner: Combiner | None = None,
    synonyms: Forms | None = None,
    start: int | None = None,
) -> Hits:
    """The best ``k`` cases for a query, or those from ``start`` on (0 is the best).

    Pages that are asked for by ``start``, the first by 0, fit together, down to ``DEEPEST``. A
    ``reader`` re-ranks the answers to words alone; a ``combiner`` weighs the lists that convex
    fusion adds up; ``synonyms`` are words that mean the same.

    Raises ``QueryError`` (``k`` below 1, an unknown id), ``FilterError``, ``ImageError`` (a query
    image that cannot be read) and ``EncoderError``.
    """
    began = time.perf_counter()
    _check_page(k, start)
    query, notes = read_texts(generation, query)
    liked, disliked = _judged(generation, query)
    tray = [key for key in generation.keys_of(query.tray) if key is not None]
    notes += _judging_notes(query, len(query.tray) - len(tray))
    allowed = _allowed(generation, query)
    if allowed is not None and not allowed.any():
        notes.append(
            "No case stands in that area of the map and passes the filters."
            if query.area
            else "No case passes the filters."
        )
    expanded = [
        Once(partial(expansion, generation, query, text, allowed, synonyms)) for text in query.text
    ]
    meant = encoded(generation, query, notes)
    asked = Asked(generation, query, meant, expanded, liked, combiner)
    judged = bool(liked or disliked or tray)
    depth = depth_of(asked, int(k), start, steered=judged)
    lists, keys, scores = asked.ranking(depth, allowed)
    notes += asked.notes(lists)
    known = known_item_first(generation, query, lists, keys, scores)
    scores = known.scores
    read = _reranked(generation, query, reader, known.keys, scores, notes)
    first = keys = read.keys
    steered = None
    if judged:
        of_likes = not (query.text or query.image or query.vector)
        steered = steer(generation, keys, liked, disliked, allowed, tray, asked=not of_likes)
        keys, scores = steered.keys, steered.totals
    if query.sort != "relevance":
        place = _by_year(asked, keys, notes)
        keys, scores = keys[place], scores[place]
    arranged = arrange(generation, query, keys, scores, int(k), start)
    beyond = (known.evidence, read.evidence)
    more = [one() for one in expanded]
    hits = _hits(
        generation, query, more, keys, scores, lists, beyond, steered, arranged, start or 0
    )
    called = suggest(generation, keys.tolist(), query.text, query.suggest) if query.suggest else ()
    counted = None
    if query.facets:
        best = first if depth >= facets.RANKED else None
        counted = _counted(asked, allowed, best)
    milliseconds = (time.perf_counter() - began) * 1000
    return Hits(
        hits,
        tuple(dict.fromkeys(notes)),
        generation.number,
        milliseconds,
        called,
        counted,
        start or 0,
        arranged.ranked,
    )


def _check_page(k: int, start: int | None) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise QueryError(f"{k}: how many answers must be a whole number of at least 1")
    if start is None:
        return
    if isinstance(start, bool) or not isinstance(start, int | np.integer) or start < 0:
        raise QueryError(f"start: {start}: give a whole number, 0 for the first page")
    if start + k > DEEPEST:
        raise QueryError(
            f"start: pages end at the {DEEPEST:,}th answer; add words or a filter to see others"
        )


def _judged(generation: Snapshot, query: Query) -> tuple[list[int], list[int]]:
    """The keys of likes and dislikes; a case that is both is neither."""
    keys = _keys(generation, (*query.like, *query.dislike))  # what nobody has is told at once
    liked = dict.fromkeys(keys[: len(query.like)])
    disliked = dict.fromkeys(keys[len(query.like) :])
    return (
        [key for key in liked if key not in disliked],
        [key for key in disliked if key not in liked],
    )


def _judging_notes(query: Query, gone: int) -> list[str]:
    """What of likes, dislikes and the tray counts for nothing."""
    notes = []
    if both := [one for one in dict.fromkeys(query.like) if one in query.dislike]:
        named = f"{', '.join(both[:3])}{', …' if len(both) > 3 else ''}"
        notes.append(f"Liked and disliked, and so counted as neither: {named}.")
    if gone:
        are = "1 case of the tray is" if gone == 1 else f"{gone:,} cases of the tray are"
        notes.append(f"{are} not in this library, and left out.")
    return notes


def _allowed(generation: Snapshot, query: Query, lifted: str = "") -> NDArray[np.bool_] | None:
    """The cases that may answer, filters on a field (by its stored name) lifted; ``None``: all."""
    columns = generation.columns
    passing = None
    parsed = [filters.parse_filter(one, columns.fields()) for one in query.where]
    if lifted:
        parsed = [one for one in parsed if filters.stored_field(one.field, columns) != lifted]
    if parsed:
        passing = filters.mask(parsed, columns)
    if query.area:
        inside = areas.within(generation, cast("Area", query.area))
        passing = inside if passing is None else passing & inside
    if query.not_id:
        passing = columns.live.copy() if passing is None else passing
        passing[_keys(generation, query.not_id)] = False
    return retrieve.without_words(generation, query.not_text, passing)


def _keys(generation: Snapshot, ids: Sequence[str]) -> list[int]:
    """The keys of ids, in their order. Raises ``QueryError`` for one that no case has."""
    keys = generation.keys_of(ids)
    if unknown := [one for one, key in zip(ids, keys, strict=True) if key is None]:
        raise QueryError(f"{', '.join(dict.fromkeys(unknown))}: no case of the library has this id")
    return [key for key in keys if key is not None]


def _by_year(asked: Asked, keys: Keys, notes: list[str]) -> NDArray[np.int64]:
    """The places of a ranking that are sorted by year, in their new order; a note tells which."""
    columns, order = asked.generation.columns, asked.query.sort
    if not columns.values("year"):
        notes.append("The library knows no years: the figures are in order of relevance.")
        return np.arange(len(keys))
    chosen, among = np.arange(len(keys)), ""
    if not asked.browses:
        words = asked.counted == "matches"
        every, some = (asked.matched(every=True), asked.matched()) if words else (None, None)
        chosen, what = sort.relevant(keys, every, some)
        among = f" among the {len(chosen):,} {what}"
    notes.append(f"{order.capitalize()} first{among}; what has no year comes last.")
    return np.asarray(chosen[sort.by_year(columns, keys[chosen], order)])


def _counted(asked: Asked, allowed: Mask | None, best: Keys | None) -> Facets:
    """The counts that a query asks for; ``best`` is a first ranking that was made already."""
    generation, query = asked.generation, asked.query
    columns = generation.columns
    for name in query.facets:
        filters.stored_field(name, columns)  # what nobody knows is told at once
    filtered = {
        filters.stored_field(filters.parse_filter(one).field, columns) for one in query.where
    }
    matched = asked.matched()

    def answers(lifted: str) -> Keys:
        passing = _allowed(generation, query, lifted) if lifted else allowed
        if matched is not None:
            return np.flatnonzero(matched if passing is None else matched & passing)
        if best is not None and not lifted:
            return best[: facets.RANKED]
        return asked.ranking(facets.RANKED, passing)[1][: facets.RANKED]

    return facets.count(columns, query.facets, asked.counted, answers, filtered)


def _reranked(
    generation: Snapshot,
    query: Query,
    reader: CrossEncoder | None,
    keys: NDArray[np.int64],
    scores: NDArray[np.float64],
    notes: list[str],
) -> Reranked:
    """What the cross-encoder makes of a first ranking, where there is one and it is asked."""
    if reader is None or not query.rerank or not query.text:
        return Reranked(keys, {})
    if query.image or query.vector or query.not_image:
        notes.append("The cross-encoder was left out, for it reads words alone.")
        return Reranked(keys, {})
    read = rerank(generation, reader, query.text, keys, scores, query.rerank_ms)
    notes += read.notes
    return read


def _hits(
    generation: Snapshot,
    query: Query,
    expanded: Sequence[Expansion],
    keys: NDArray[np.int64],
    scores: NDArray[np.float64],
    lists: Sequence[RankedList],
    beyond: Sequence[Mapping[int, ListEvidence]],
    steered: Steered | None,
    arranged: Arranged,
    start: int,
) -> tuple[Hit, ...]:
    shown = keys[arranged.places].tolist()
    cases: dict[int, Case] = generation.cases(list(dict.fromkeys((*shown, *arranged.carried()))))
    found = evidence(lists, shown, query.fusion)
    places = mapping.places(generation, shown)
    also = [word for one in expanded for word in one.words]
    weighed = steered.evidence(shown) if steered is not None else []
    terms = steered.terms if steered is not None else ()
    asked = frozenset(generation.text.terms(" ".join(query.text)))
    markers = [
        Marker.of(text, one.also, silent(), generation.text.knows)
        for text, one in zip(query.text, expanded, strict=True)
    ]
    given = Given(len(query.like), len(query.dislike), asked)
    hits: list[Hit] = []
    for at, (place, key) in enumerate(zip(arranged.places.tolist(), shown, strict=True)):
        case = cases[key]
        told = (*found[at], *(more[key] for more in beyond if key in more))
        feedback = None
        if weighed:
            lines = weighing.lines(weighed[at], case, generation.text, terms, given)
            feedback = replace(weighed[at], lines=lines)
        hits.append(
            Hit(
                start + at + 1,
                case.id,
                float(scores[place]),
                case,
                told,
                feedback=feedback,
                duplicates=tuple(cases[one].id for one in arranged.duplicates.get(key, ())),
                siblings=tuple(cases[one].id for one in arranged.siblings.get(key, ())),
                why=explain.why(
                    told, case, query.text, generation.text, feedback, terms, given, also
                ),
                highlights=highlights(markers, case.caption),
                place=places.get(key),
            )
        )
    return tuple(hits)
