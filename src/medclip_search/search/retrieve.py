"""Retrieval: one ranked list for each part of a query.

Each part (a text, an image, a liked case) has the weight 1, shared among the lists that answer
it, so that a library with many spaces does not hear images more than words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Floats
from medclip_search.errors import QueryError
from medclip_search.indexes.text import ALONE, Also
from medclip_search.search.function_words import silent
from medclip_search.search.fuse import RankedList, Scale
from medclip_search.search.snapshot import Snapshot
from medclip_search.search.sort import Sort, by_year

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]

BRIDGE_HITS = 10
"""Through so many of the best captioned pictures words reach pictures without captions."""
BRIDGE_WEIGHT = 0.5
BM25_RANGE, COSINE_RANGE = 1.0, 2.0
"""How far scores reach: from 0 to 1 and from -1 to 1."""
LIKE_TERMS = 12
"""So many of a liked caption's most informative terms ask for more like it."""


def image_spaces(snapshot: Snapshot) -> list[str]:
    """The spaces that have any pictures, by name."""
    return _holding(snapshot, "images")


def caption_spaces(snapshot: Snapshot) -> list[str]:
    """The spaces that have any captions' vectors, by name."""
    return _holding(snapshot, "captions")


def encoded_spaces(snapshot: Snapshot) -> list[str]:
    """The spaces of pictures that an encoder is known for, by name."""
    return [name for name in image_spaces(snapshot) if not snapshot.spaces[name].ready_made]


def word_spaces(snapshot: Snapshot) -> list[str]:
    """The joint spaces in which words meet pictures, or captions, by name."""
    joint = {name for name in image_spaces(snapshot) if snapshot.spaces[name].embeds_words}
    return sorted(joint | {snapshot.spaces[name].joint for name in caption_spaces(snapshot)})


def _holding(snapshot: Snapshot, what: str) -> list[str]:
    return sorted(
        name
        for name, index in snapshot.vectors.items()
        if index.size and snapshot.spaces[name].holds == what
    )


def words_lists(
    snapshot: Snapshot,
    text: str,
    vectors: Mapping[str, Floats],
    depth: int,
    allowed: Mask | None,
    also: Also = ALONE,
) -> list[RankedList]:
    """The lists of one text: ``words`` (BM25), and those of its vectors.

    ``words:SPACE`` holds the nearest pictures, ``words-to-captions:SPACE`` the nearest captions.
    Where no space embeds words, pictures without captions are reached through the captions:
    they are ranked by likeness to the mean of the best captioned hits' pictures, which weighs the
    less, the less of the words these hits have. ``also`` is what BM25 looks for beside the
    words (``search.expand``).
    """
    words = _words(snapshot, text, depth, allowed, also)
    lists = [words]
    for space in image_spaces(snapshot):
        if (asking := vectors.get(space)) is not None:
            name = f"words:{space}"
            lists.append(_across(_nearest(snapshot, name, space, asking, depth, allowed)))
    for space in caption_spaces(snapshot):
        if (asking := vectors.get(snapshot.spaces[space].joint)) is not None:
            name = f"words-to-captions:{space}"
            lists.append(_nearest(snapshot, name, space, asking, depth, allowed))
    lists = _shared(lists)
    captionless = snapshot.columns.captionless
    if vectors or captionless is None:
        return lists
    reached = captionless if allowed is None else captionless & allowed
    if allowed is not None and len(words.keys) < BRIDGE_HITS:
        # A filter for what has no caption leaves no caption to go through: look outside it.
        words = _words(snapshot, text, depth, None, also)
    if len(words.keys):
        weight = BRIDGE_WEIGHT * float(words.scale.place(words.scores[:1])[0])
        for space in image_spaces(snapshot):
            rows = [
                row
                for key in words.keys[: 4 * BRIDGE_HITS]
                if (row := snapshot.vectors[space].vector(int(key))) is not None
            ][:BRIDGE_HITS]
            if rows and reached.any():
                mean: Floats = np.asarray(rows, np.float32).mean(axis=0)
                name = f"words-through-captions:{space}"
                bridge = _nearest(snapshot, name, space, mean, depth, reached)
                lists.append(replace(bridge, weight=weight))
    return lists


def image_lists(
    snapshot: Snapshot, vectors: Mapping[str, Floats], depth: int, allowed: Mask | None
) -> list[RankedList]:
    """The lists of one image, given its vector in each space.

    ``image:SPACE`` holds the nearest pictures, ``image-to-captions:SPACE`` the nearest captions
    of a joint space: a hint, since cosines across the gap between pictures and words stay small.
    """
    lists = [
        _nearest(snapshot, f"image:{space}", space, vector, depth, allowed)
        for space, vector in vectors.items()
    ]
    for space in caption_spaces(snapshot):
        if (asking := vectors.get(snapshot.spaces[space].joint)) is not None:
            name = f"image-to-captions:{space}"
            lists.append(_nearest(snapshot, name, space, asking, depth, allowed))
    return _shared(lists)


def vector_lists(
    snapshot: Snapshot, vector: Floats, space: str, depth: int, allowed: Mask | None
) -> list[RankedList]:
    """The list ``vector:SPACE`` of one ready-made vector.

    Raises ``QueryError`` where the library has no such space, or the vector is not of it.
    """
    named = ", ".join(f"{one.name} ({one.dimension}-D)" for one in snapshot.spaces.values())
    if not space and len(snapshot.spaces) == 1:
        space = next(iter(snapshot.spaces))
    if not space:
        raise QueryError(f"space: say of which one the vector is; there are: {named or 'none'}")
    if space not in snapshot.spaces:
        raise QueryError(f"space: the library has no {space}; there are: {named or 'none'}")
    if len(vector) != (dimension := snapshot.spaces[space].dimension):
        raise QueryError(f"vector: has {len(vector)} numbers; the space {space} has {dimension}")
    return [_nearest(snapshot, f"vector:{space}", space, vector, depth, allowed)]


def unwanted_image_lists(snapshot: Snapshot, vectors: Mapping[str, Floats]) -> list[RankedList]:
    """The lists ``not-image:SPACE``: of all candidates, once they are completed."""
    return _shared(
        [
            replace(_nearest(snapshot, f"not-image:{space}", space, vector, 0, None), unwanted=True)
            for space, vector in vectors.items()
        ]
    )


def like_lists(
    snapshot: Snapshot, key: int, caption: str, depth: int, allowed: Mask | None
) -> list[RankedList]:
    """The lists of one liked case, where likes are all that is asked for.

    ``like:SPACE`` holds the nearest to its stored picture, ``like-words`` the best by the
    weightiest terms of its caption.
    """
    lists = [
        _nearest(snapshot, f"like:{space}", space, row, depth, allowed)
        for space in image_spaces(snapshot)
        if (row := snapshot.vectors[space].vector(key)) is not None
    ]
    if weights := informative_terms(snapshot, caption):
        text = snapshot.text
        found = text.search_terms(weights, depth, allowed, snapshot.columns.order)
        scale = _bm25_scale(text.full_score(" ".join(weights)), found[1])
        score = partial(text.score_terms, weights)
        lists.append(RankedList("like-words", *found, scale=scale, score=score))
    return _shared(lists)


def filter_list(
    snapshot: Snapshot, passing: Mask, depth: int, sort: Sort = "relevance"
) -> RankedList:
    """The first cases that pass, in the order of their ids or years, all with the score 0."""
    keys = np.flatnonzero(passing).astype(np.int64)
    ranks: NDArray[Any] = snapshot.columns.order[keys]
    if sort != "relevance":
        place = np.argsort(ranks)
        place = place[by_year(snapshot.columns, keys[place], sort)]
        ranks = np.empty(len(keys), np.int64)
        ranks[place] = np.arange(len(keys))
    if len(keys) > depth:
        first = np.argpartition(ranks, depth - 1)[:depth]
        keys, ranks = keys[first], ranks[first]
    keys = keys[np.argsort(ranks)]
    return RankedList("filter", keys, np.zeros(len(keys), np.float32))


def without_words(snapshot: Snapshot, texts: Sequence[str], passing: Mask | None) -> Mask | None:
    """``passing`` less the cases that have all the words of any of the unwanted texts."""
    for text in texts:
        keys = snapshot.text.matching(text)
        if len(keys):
            passing = snapshot.columns.live.copy() if passing is None else passing
            passing[keys] = False
    return passing


def informative_terms(snapshot: Snapshot, text: str) -> dict[str, float]:
    """The terms of a text with the most weight by count and rarity (tf · idf)."""
    size = snapshot.text.size
    weights = {
        term: count * float(np.log(1 + size / frequency))
        for term, count in Counter(snapshot.text.terms(text)).items()
        if (frequency := snapshot.text.document_frequency(term)) and not term.isdigit()
    }
    best = sorted(weights, key=lambda term: (-weights[term], term))[:LIKE_TERMS]
    return dict.fromkeys(best, 1.0)


def _words(
    snapshot: Snapshot,
    text: str,
    depth: int,
    allowed: Mask | None,
    also: Also,
) -> RankedList:
    index = snapshot.text
    keys, scores = index.search(text, depth, allowed, snapshot.columns.order, also, silent())
    scale = _bm25_scale(index.full_score(text, also), scores)
    return RankedList("words", keys, scores, scale=scale, score=words_score(snapshot, text, also))


def words_score(
    snapshot: Snapshot, text: str, also: Also = ALONE
) -> Callable[[Keys], NDArray[np.float32]]:
    """What any cases score for a text in the list ``words``."""
    return partial(snapshot.text.score, text, also=also, silent=silent())


def _bm25_scale(full: float, scores: NDArray[np.float32]) -> Scale:
    """Short captions that repeat the words score more than is foreseen."""
    return Scale(0.0, max(full, float(scores.max(initial=0.0))), BM25_RANGE)


def _nearest(
    snapshot: Snapshot,
    name: str,
    space: str,
    vector: Floats | NDArray[np.float16],
    depth: int,
    allowed: Mask | None,
) -> RankedList:
    index = snapshot.vectors[space]
    keys, scores = index.search(vector, depth, allowed, snapshot.columns.order)
    scale = Scale(index.typical(vector), 1.0, COSINE_RANGE)
    return RankedList(name, keys, scores, scale=scale, score=partial(index.score, vector))


def _across(one: RankedList) -> RankedList:
    """Words against pictures: cosines never come near 1, so the best found is taken for certain.

    (Liang et al., Mind the Gap: Understanding the Modality Gap, NeurIPS 2022.)
    """
    best = float(one.scores.max(initial=-1.0))
    return replace(one, scale=replace(one.scale, certain=best))


def _shared(lists: list[RankedList]) -> list[RankedList]:
    return [replace(one, weight=one.weight / len(lists)) for one in lists]
