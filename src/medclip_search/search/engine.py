"""The engine: a query and a generation to hits. The surfaces hold no search logic; it is here."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medclip_search.cases import Case
from medclip_search.encoders.base import Floats
from medclip_search.errors import EncoderUnavailableError, QueryError
from medclip_search.images import read_image
from medclip_search.indexes.text.abbreviations import Forms
from medclip_search.search import explain, filters, retrieve, weighing
from medclip_search.search.arrange import Arranged, arrange
from medclip_search.search.combine import Combiner
from medclip_search.search.expand import Expansion, expansion
from medclip_search.search.fuse import RankedList, completed, evidence, fuse, weighted
from medclip_search.search.hits import Hit, Hits, ListEvidence
from medclip_search.search.known_item import known_item_first
from medclip_search.search.query import ImageInput, Query
from medclip_search.search.reading import read_texts
from medclip_search.search.rerank import Reranked, rerank
from medclip_search.search.snapshot import Snapshot
from medclip_search.search.steer import Steered, steer
from medclip_search.search.suggest import suggest
from medclip_search.search.weighing import Given

if TYPE_CHECKING:
    from medclip_search.encoders.cross_encoder import CrossEncoder

LEAST_DEPTH = 200
"""Lists are at least this deep, and four times as deep as the answer."""
STEERED_DEPTH = 1000
"""Lists are at least this deep where likes and dislikes re-rank them, or one article may fill
many places."""

_ENCODING = threading.Lock()  # encoders are called from one thread at a time


def search(
    generation: Snapshot,
    query: Query,
    k: int = 10,
    reader: CrossEncoder | None = None,
    combiner: Combiner | None = None,
    synonyms: Forms | None = None,
) -> Hits:
    """The best ``k`` cases for a query.

    A ``reader`` re-ranks the answers to words alone; a ``combiner`` weighs the lists that convex
    fusion adds up; ``synonyms`` are words that mean the same.

    Raises ``QueryError`` (``k`` below 1, an unknown id), ``FilterError``, ``ImageError`` (a query
    image that cannot be read) and ``EncoderError``.
    """
    began = time.perf_counter()
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise QueryError(f"{k}: how many answers must be a whole number of at least 1")
    query, notes = read_texts(generation, query)
    liked, disliked = _judged(generation, query)
    tray = [key for key in generation.keys_of(query.tray) if key is not None]
    allowed = _allowed(generation, query)
    if allowed is not None and not allowed.any():
        notes.append("No case passes the filters.")
    deep = bool(liked or disliked or tray or query.group)
    depth = max(STEERED_DEPTH if deep else LEAST_DEPTH, 4 * int(k))
    order = generation.columns.order
    expanded = [expansion(generation, query, text, allowed, synonyms) for text in query.text]
    lists = completed(_lists(generation, query, expanded, liked, depth, allowed, notes), order)
    if combiner is not None and query.fusion == "convex":
        lists = combiner.weighed(lists)
    keys, scores = fuse(lists, order, query.fusion)
    known = known_item_first(generation, query, lists, keys, scores)
    scores = known.scores
    read = _reranked(generation, query, reader, known.keys, scores, notes)
    keys = read.keys
    steered = None
    if liked or disliked or tray:
        steered = steer(generation, keys, liked, disliked, allowed, tray)
        keys, scores = steered.keys, steered.totals
    arranged = arrange(generation, query, keys, scores, int(k))
    beyond = (known.evidence, read.evidence)
    hits = _hits(generation, query, expanded, keys, scores, lists, beyond, steered, arranged)
    called = suggest(generation, keys.tolist(), query.text, query.suggest) if query.suggest else ()
    milliseconds = (time.perf_counter() - began) * 1000
    return Hits(hits, tuple(dict.fromkeys(notes)), generation.number, milliseconds, called)


def _judged(generation: Snapshot, query: Query) -> tuple[list[int], list[int]]:
    """The keys of likes and dislikes; a case that is both is neither."""
    keys = _keys(generation, (*query.like, *query.dislike))  # what nobody has is told at once
    liked = dict.fromkeys(keys[: len(query.like)])
    disliked = dict.fromkeys(keys[len(query.like) :])
    return (
        [key for key in liked if key not in disliked],
        [key for key in disliked if key not in liked],
    )


def _allowed(generation: Snapshot, query: Query) -> NDArray[np.bool_] | None:
    """The cases that may answer; ``None`` where all may."""
    columns = generation.columns
    passing = None
    if query.where:
        parsed = [filters.parse_filter(one, columns.fields()) for one in query.where]
        passing = filters.mask(parsed, columns)
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


def _lists(
    generation: Snapshot,
    query: Query,
    expanded: Sequence[Expansion],
    liked: Sequence[int],
    depth: int,
    allowed: NDArray[np.bool_] | None,
    notes: list[str],
) -> list[RankedList]:
    words = _encoded_words(generation, query.text, notes)
    # A query holds tuples, whatever it was made from.
    pictures = cast("tuple[ImageInput, ...]", query.image)
    others = cast("tuple[ImageInput, ...]", query.not_image)
    images = _encoded_images(generation, (*pictures, *others), notes)
    wanted, unwanted = images[: len(pictures)], images[len(pictures) :]
    lists: list[RankedList] = []
    for at, (text, meant, more) in enumerate(zip(query.text, words, expanded, strict=True)):
        found = retrieve.words_lists(generation, text, meant, depth, allowed, more.also)
        notes += [*more.notes, *_word_notes(generation, text, found)]
        lists += weighted(found, query.weight("words", at))
    for at, vectors in enumerate(wanted):
        found = retrieve.image_lists(generation, vectors, depth, allowed)
        lists += weighted(found, query.weight("image", at))
    for at, vector in enumerate(cast("tuple[Floats, ...]", query.vector)):
        one = retrieve.vector_list(generation, vector, query.space, depth, allowed)
        lists += weighted([one], query.weight("vector", at))
    if not (query.text or query.image or query.vector):
        cases = generation.cases(liked)
        for key in liked:
            lists += retrieve.like_lists(generation, key, cases[key].caption, depth, allowed)
        if not liked:
            passing = generation.columns.live if allowed is None else allowed
            lists.append(retrieve.filter_list(generation, passing, depth))
    for at, vectors in enumerate(unwanted):
        found = retrieve.unwanted_image_lists(generation, vectors)
        lists += weighted(found, query.weight("not-image", at))
    return lists


def _encoded_words(
    generation: Snapshot, texts: Sequence[str], notes: list[str]
) -> list[Mapping[str, Floats]]:
    """For each text its vector in each joint space; no encoder is loaded where there is none.

    Where the encoder is not to be had, the captions answer alone, and a note says so.
    """
    spaces = retrieve.word_spaces(generation)
    if not spaces or not texts:
        return [{} for _ in texts]
    try:
        encoder = generation.encoder()
        with _ENCODING:
            encoded = encoder.encode_words(texts)
    except EncoderUnavailableError as error:
        notes.append(f"Words were matched against captions, not pictures ({error}).")
        return [{} for _ in texts]
    return [
        {space: encoded[space][at] for space in spaces if space in encoded}
        for at in range(len(texts))
    ]


def _encoded_images(
    generation: Snapshot, sources: Sequence[ImageInput], notes: list[str]
) -> list[Mapping[str, Floats]]:
    """For each image its vector in each space."""
    pictures = [_picture(source, at) for at, source in enumerate(sources, 1)]
    # Where all vectors came ready-made, asking for their encoder says why it cannot be.
    spaces = retrieve.encoded_spaces(generation) or retrieve.image_spaces(generation)
    if pictures and not spaces:
        notes.append("The library has no pictures to compare an image with; it was left aside.")
    if not pictures or not spaces:
        return [{} for _ in pictures]
    encoder = generation.encoder()
    prepared = [encoder.preprocess(picture) for picture in pictures]
    vectors: list[Mapping[str, Floats]] = []
    for start in range(0, len(prepared), encoder.batch_size):
        batch = np.stack(prepared[start : start + encoder.batch_size])
        with _ENCODING:
            encoded = encoder.encode_images(batch)
        vectors += [
            {space: encoded[space][at] for space in spaces if space in encoded}
            for at in range(len(batch))
        ]
    return vectors


def _picture(source: ImageInput, number: int) -> Image.Image:
    """A query image, decoded in memory; nothing of it is kept."""
    if isinstance(source, str | Path):
        return read_image(Path(source), name=str(source))
    return read_image(source, name=f"query image {number}")


def _word_notes(generation: Snapshot, text: str, lists: Sequence[RankedList]) -> list[str]:
    notes = []
    if unknown := generation.text.unknown(text):
        named = ", ".join(f"“{word}”" for word in unknown[:3])
        guessed = any(map(generation.text.guesses_at, unknown))
        instead = "; words one letter off were looked for instead" if guessed else ""
        notes.append(f"No case has {named}{instead}.")
    spaces = retrieve.image_spaces(generation)
    if spaces and not retrieve.word_spaces(generation):
        through = any(one.name.startswith("words-through-captions:") for one in lists)
        reach = "; pictures without a caption were reached through similar ones" if through else ""
        made = retrieve.encoded_spaces(generation)
        what = "embeds images only" if made else "holds ready-made vectors"
        notes.append(
            f"Words were matched against captions, not pictures ({', '.join(made or spaces)} "
            f"{what}){reach}."
        )
    return notes


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
) -> tuple[Hit, ...]:
    shown = keys[arranged.places].tolist()
    cases: dict[int, Case] = generation.cases(list(dict.fromkeys((*shown, *arranged.carried()))))
    found = evidence(lists, shown, query.fusion)
    also = [word for one in expanded for word in one.words]
    weighed = steered.evidence(shown) if steered is not None else []
    terms = steered.terms if steered is not None else ()
    asked = frozenset(generation.text.terms(" ".join(query.text)))
    given = Given(len(query.like), len(query.dislike), asked)
    hits: list[Hit] = []
    for at, (place, key) in enumerate(zip(arranged.places.tolist(), shown, strict=True)):
        case = cases[key]
        told = (*found[at], *(more[key] for more in beyond if key in more))
        hit = Hit(
            at + 1,
            case.id,
            float(scores[place]),
            case,
            told,
            duplicates=tuple(cases[one].id for one in arranged.duplicates.get(key, ())),
            siblings=tuple(cases[one].id for one in arranged.siblings.get(key, ())),
        )
        feedback = None
        if weighed:
            lines = weighing.lines(weighed[at], case, generation.text, terms, given)
            feedback = replace(weighed[at], lines=lines)
        why = explain.why(
            hit.lists, case, query.text, generation.text, feedback, terms, given, also
        )
        hits.append(replace(hit, feedback=feedback, why=why))
    return tuple(hits)
