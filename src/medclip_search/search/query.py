"""A query: what is wanted, what is not, what the answers must be, and what was liked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from medclip_search.errors import FilterError, QueryError
from medclip_search.search.areas import AreaInput, read_area
from medclip_search.search.fuse import FUSIONS, Fusion
from medclip_search.search.regions import ImageInput, Region, images_of
from medclip_search.search.sort import SORTS, Sort
from medclip_search.search.vectors import VectorInput, query_vectors
from medclip_search.search.weights import PARTS, Weights, WeightsInput, part_weights

RERANK_MS = 300
"""What a cross-encoder may take, in milliseconds, unless a query says otherwise."""
MOST_RERANK_MS = 60_000
LONGEST_TEXT = 20_000
"""So many characters may one text have: some pages of words."""

MOST_SUGGESTED = 50
"""So many phrases can be asked for."""
MOST_FACETS = 20
"""The answers are counted by so many fields at most."""

PSEUDO_FEEDBACK = "pseudo-feedback"
ABBREVIATIONS = "abbreviations"
SYNONYMS = "synonyms"
EXPANSIONS = (ABBREVIATIONS, SYNONYMS, PSEUDO_FEEDBACK)
MEASURED = (SYNONYMS, PSEUDO_FEEDBACK)
"""Those on by default: synonyms are the user's own; abbreviations were not surely better."""
"""The ways in which texts are searched for by more than was typed (``search.expand``)."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for. Every field takes one value or several.

    ``text`` and ``image`` are wanted, ``not_text`` and ``not_image`` are unwanted; an image may be
    a ``Region`` of one (``search.regions``). ``vector`` asks by ready-made vectors of the embedding
    space ``space`` (which may be left out where the library has one space only); ``where`` holds
    filters as text (``modality=CT``, ``year=2010..2015``; see ``search.filters``), all of which
    must hold; ``like`` and ``dislike`` are ids of cases, and so is ``not_id``: of those that must
    not answer, nor lend their words or pictures to the search. A query of filters alone browses;
    one of likes alone finds more like them. ``tray`` holds ids of cases that the user keeps: those
    that have to do with the query count as weaker likes, and those that the library does not have
    are left out. Blank text is left out. ``rerank`` lets the library's cross-encoder, where it was
    opened with one, re-rank the answers to words, for about ``rerank_ms`` milliseconds.

    ``fusion`` says how the lists of the parts become one: ``convex`` or ``rrf`` (``search.fuse``).
    ``weights`` says how much each part counts beside the others, 1 where nothing is said:
    ``{"words": 0.5, "image": [2, 1]}`` or ``["words=0.5", "image=2,1"]`` (``search.weights``).
    ``expand`` says by which of ``EXPANSIONS`` ``text`` is searched for by more than was typed:
    those named, ``"all"`` or ``"none"``.

    ``fold`` shows a picture that several hits have once (not where filters alone browse);
    ``group`` names a field, such as ``article``, of each value of which one hit is shown;
    ``diversity``, 0 to 1, prefers hits unlike those above them.

    ``sort`` puts the most relevant hits in order of their year: ``newest`` or ``oldest`` first
    (``search.sort``).

    ``suggest`` asks for so many phrases that the best hits are called by (``search.suggest``);
    ``facets`` names the fields of which the answers are counted by value (``search.facets``).

    ``area`` is a rectangle of the library's map, ``(x, y, width, height)`` in fractions of it
    (``search.areas``): only cases that stand in it may answer. Alone it browses, as filters do.

    Raises ``QueryError`` where nothing is wanted at all, or an id is blank (left out, it would
    give an answer to another question), and ``FilterError`` for a blank filter.
    """

    text: str | Sequence[str] = ()
    image: ImageInput | Region | Sequence[ImageInput | Region] = ()
    not_text: str | Sequence[str] = ()
    not_image: ImageInput | Region | Sequence[ImageInput | Region] = ()
    where: str | Sequence[str] = ()
    like: str | Sequence[str] = ()
    dislike: str | Sequence[str] = ()
    tray: str | Sequence[str] = ()
    vector: VectorInput = ()
    space: str = ""
    rerank: bool = True
    rerank_ms: int = RERANK_MS
    fusion: Fusion = "convex"
    weights: WeightsInput = ()
    fold: bool = True
    group: str = ""
    diversity: float = 0.0
    expand: str | Sequence[str] = MEASURED
    not_id: str | Sequence[str] = ()
    suggest: int = 0
    sort: Sort = "relevance"
    facets: str | Sequence[str] = ()
    area: AreaInput = ()

    def __post_init__(self) -> None:
        for name in ("text", "not_text", "where", "like", "dislike", "tray", "not_id", "facets"):
            value = getattr(self, name)
            if isinstance(value, tuple) and not value:
                continue
            several = (value,) if isinstance(value, str) else tuple(value)
            if not all(isinstance(one, str) for one in several):
                raise QueryError(f"{name}: give a text or a list of texts")
            stripped = tuple(one.strip() for one in several)
            if name in ("text", "not_text") and max(map(len, stripped), default=0) > LONGEST_TEXT:
                raise QueryError(f"{name}: give up to {LONGEST_TEXT:,} characters")
            if name == "where" and "" in stripped:
                raise FilterError(
                    "where: a filter is blank; write KEY=VALUE, for example modality=CT"
                )
            if name in ("like", "dislike", "tray", "not_id") and "" in stripped:
                raise QueryError(f"{name}: an id is blank; give the id of a case")
            object.__setattr__(self, name, tuple(one for one in stripped if one))
        for name in ("image", "not_image"):
            object.__setattr__(self, name, images_of(getattr(self, name)))
        object.__setattr__(self, "vector", query_vectors(self.vector))
        if not isinstance(self.fold, bool):
            raise QueryError("fold: say True or False")
        if not isinstance(self.group, str):
            raise QueryError("group: give the name of one field, for example article")
        object.__setattr__(self, "group", self.group.strip())
        amount = self.diversity
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= 1:
            raise QueryError(f"diversity: {amount} is not a number from 0 to 1")
        object.__setattr__(self, "expand", _expansions(self.expand))
        if self.space and not self.vector:
            raise QueryError(f"space: {self.space} is named, but no vector; give a vector too")
        if isinstance(self.rerank_ms, bool) or not isinstance(self.rerank_ms, int | np.integer):
            raise QueryError("rerank_ms: give a whole number of milliseconds")
        if not 0 <= self.rerank_ms <= MOST_RERANK_MS:
            raise QueryError(f"rerank_ms: give 0 to {MOST_RERANK_MS} milliseconds")
        object.__setattr__(self, "area", read_area(self.area))
        if self.fusion not in FUSIONS:
            raise QueryError(f"fusion: {self.fusion}: choose one of: {', '.join(FUSIONS)}")
        if self.sort not in SORTS:
            raise QueryError(f"sort: {self.sort}: choose one of: {', '.join(SORTS)}")
        if len(self.facets) > MOST_FACETS:
            raise QueryError(f"facets: name up to {MOST_FACETS} fields, for example modality")
        number = self.suggest
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise QueryError("suggest: give a whole number of phrases")
        if not 0 <= number <= MOST_SUGGESTED:
            raise QueryError(f"suggest: {number}: ask for 0 to {MOST_SUGGESTED} phrases")
        parts = {part: len(getattr(self, field)) for part, field in PARTS.items()}
        object.__setattr__(self, "weights", part_weights(self.weights, parts))
        wanted = (self.text, self.image, self.vector, self.where, self.like, self.area)
        if not any(map(len, cast("tuple[tuple[object, ...], ...]", wanted))):
            raise QueryError("the query asks for nothing; give words, an image, a filter or a like")

    def weight(self, part: str, at: int) -> float:
        """How much one text, image or vector counts: the ``at``-th, from 0, of a part."""
        given = dict(cast("Weights", self.weights)).get(part)
        return 1.0 if given is None else given[at]


def _expansions(asked: str | Sequence[str]) -> tuple[str, ...]:
    several = (asked,) if isinstance(asked, str) else tuple(asked)
    named = tuple(one.strip() for text in several for one in str(text).split(","))
    if named in (("all",), ("none",)):
        return EXPANSIONS if named == ("all",) else ()
    for one in named:
        if one not in EXPANSIONS:
            known = ", ".join(EXPANSIONS)
            raise QueryError(f"expand: {one!r} is no way to expand; write {known}, all or none")
    return tuple(dict.fromkeys(named))
