"""Expansion: what else a text is searched for, and with which weight.

Pseudo-relevance feedback: the best captions for the words as typed are taken for relevant, and the
words that set them apart join the query. After Rocchio (Relevance Feedback in Information
Retrieval, in Salton, The SMART Retrieval System, 1971), each caption counting by its score as in
RM3 (Abdul-Jaleel et al., UMass at TREC 2004). What was typed keeps its full weight and only gains:
a best caption that misleads can add to the answer, not replace the question.

The numbers were chosen on MED and on the first half of ROCO's articles; see docs/benchmarks.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from functools import cache

from medclip_search.indexes.text.analyser import terms
from medclip_search.search.feedback import FUNCTION_WORDS
from medclip_search.search.query import PSEUDO_FEEDBACK, Query
from medclip_search.search.retrieve import Mask
from medclip_search.search.snapshot import Snapshot

CAPTIONS = 10
"""So many of the best captions are taken for relevant,"""
SHARE = 0.05
"""but of a small library no more than this share: the best must stand out from others."""
TERMS = 20
"""So many terms, the strongest, join the query."""
WEIGHT = 0.8
"""The weight of the strongest of them beside a typed word's 1."""
SHARPNESS = 3
"""A caption counts by its score, as a share of the best one's, to this power."""
ANSWERED = 0.5
"""If the best caption answers less than this share of the question, all weighs less."""
NAMED = 8
"""A note names so many of the words."""

_WORD = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")

SIDES = "left right bilateral unilateral ipsilateral contralateral"
"""A caption's side is no reason to look for that side."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What joins a text: weights by term (a typed word's is 1 without it), what words these are
    as the captions write them, the strongest first, and what to tell the user."""

    weights: dict[str, float] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def expansion(snapshot: Snapshot, query: Query, text: str, allowed: Mask | None) -> Expansion:
    """The expansion of one text of a query, from the captions that may answer."""
    index = snapshot.text
    most = min(CAPTIONS, int(SHARE * index.size))
    if PSEUDO_FEEDBACK not in query.expand or not most or index.has_id(text):
        return Expansion()
    keys, scores = index.search(text, most, allowed, snapshot.columns.order)
    cases = snapshot.cases(keys.tolist())
    captions = [cases[key].caption for key in keys.tolist()]
    asked = frozenset(index.asked(text))
    weights = feedback_terms(
        asked,
        [frozenset(terms(one)) for one in captions],
        scores.tolist(),
        index.document_frequency,
        index.size,
    )
    words = as_written([one for one in weights if one not in asked], captions)
    return Expansion(weights, words, (_note(words),) if words else ())


def feedback_terms(
    asked: Set[str],
    captions: Sequence[Set[str]],
    scores: Sequence[float],
    frequency: Callable[[str], int],
    size: int,
) -> dict[str, float]:
    """The strongest terms of the best captions for the ``asked`` ones, with their weights.

    A term weighs the share of the captions that have it, each by its score, times its inverse
    document frequency, ``frequency`` telling in how many of ``size`` captions it is. The
    strongest gets ``WEIGHT``, or less where the best score is low beside what a caption with
    every asked term once would score (``ANSWERED``). Terms that could turn an answer against its
    question are left out: function words ("no"), sides, and whatever holds a digit ("T1" beside
    "T2", "3" cm); so are those of one caption alone, which find nothing else.
    """

    def rarity(known: int) -> float:
        return math.log(1 + (max(size, known) - known + 0.5) / (known + 0.5))

    best = max(scores, default=0.0)
    question = sum(rarity(frequency(term)) for term in asked)
    if best <= 0 or question <= 0:
        return {}
    top = WEIGHT * min(1.0, best / question / ANSWERED)
    counts = [(score / best) ** SHARPNESS for score in scores]
    shares: dict[str, float] = {}
    for caption, count in zip(captions, counts, strict=True):
        for term in caption:
            shares[term] = shares.get(term, 0.0) + count / sum(counts)
    strengths = {
        term: share * rarity(known)
        for term, share in shares.items()
        if _tells(term) and (known := frequency(term)) > 1
    }
    strongest = sorted(strengths, key=lambda term: (-strengths[term], term))[:TERMS]
    return {term: top * (strengths[term] / strengths[strongest[0]]) for term in strongest}


def as_written(asked: Sequence[str], captions: Sequence[str]) -> tuple[str, ...]:
    """For each term the word of the captions that it comes from; in capitals only if never not."""
    found: dict[str, str] = {}
    for caption in captions:
        words, stems = _WORD.findall(caption), terms(caption)
        if len(words) != len(stems):  # a run too long for a word is no term
            words = [word for word in words if terms(word)]
        for word, stem in zip(words, stems, strict=False):
            if stem not in found or (word.islower() and not found[stem].islower()):
                found[stem] = word
    return tuple(found[term] for term in asked if term in found)


@cache
def _silent() -> frozenset[str]:
    return frozenset(terms(FUNCTION_WORDS)) | frozenset(terms(SIDES))


def _tells(term: str) -> bool:
    return term not in _silent() and not _DIGIT.search(term)


def _note(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return f"Also searched for, from the best captions: {', '.join(words[:NAMED])}{more}."
