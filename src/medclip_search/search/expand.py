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
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cache

from medclip_search.indexes.text import ALONE, Also
from medclip_search.indexes.text.abbreviations import Form, Forms
from medclip_search.indexes.text.analyser import terms
from medclip_search.search.function_words import silent
from medclip_search.search.query import ABBREVIATIONS, PSEUDO_FEEDBACK, SYNONYMS, Query
from medclip_search.search.retrieve import Mask
from medclip_search.search.snapshot import Snapshot

CAPTIONS = 10
"""So many of the best captions are taken for relevant,"""
SHARE = 0.05
"""but of a small library no more than this share: the best must stand out from others."""
FEWEST = 3
"""What one or two captions have in common is chance: then nothing joins the words."""
TERMS = 20
"""So many terms, the strongest, join the query."""
WEIGHT = 0.8
"""The weight of the strongest of them beside a typed word's 1."""
SHARPNESS = 3
"""A caption counts by its score, as a share of the best one's, to this power."""
ANSWERED = 0.5
"""If the best caption answers less than this share of the question, all weighs less."""
NAMED = 8
"""A note names so many of the words,"""
MISSPELT = 10
"""and none of which a spelling that is a letter away is in so many times as many captions;"""
SHORT = 5
"""shorter ones are as likely to be words of their own."""

_WORD = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")

SIDES = "left right bilateral unilateral ipsilateral contralateral"
"""A caption's side is no reason to look for that side."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a text is searched for beside its words, which words these are as the captions write
    them, the strongest first, and what to tell the user."""

    also: Also = ALONE
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def expansion(
    snapshot: Snapshot,
    query: Query,
    text: str,
    allowed: Mask | None,
    synonyms: Forms | None = None,
) -> Expansion:
    """The expansion of one text of a query, from the captions that may answer."""
    index = snapshot.text
    if not query.expand or index.has_id(text):
        return Expansion()
    typed = index.plain(text)
    found: dict[Form, dict[Form, str]] = {}
    for forms in _sources(snapshot, query, synonyms):
        for form, others in forms.within(typed):
            found.setdefault(form, {}).update(others)
    stand = tuple((form, tuple(others)) for form, others in found.items())
    names = tuple(written for others in found.values() for written in others.values())
    notes = [f"Also searched for, as the same: {_listed(names)}."] if names else []
    weights: dict[str, float] = {}
    words: tuple[str, ...] = ()
    most = min(CAPTIONS, int(SHARE * index.size))
    if PSEUDO_FEEDBACK in query.expand and most >= FEWEST:
        order = snapshot.columns.order
        keys, scores = index.search(text, most, allowed, order, Also(forms=stand), silent())
        written_of = snapshot.captions_of(keys.tolist())
        captions = [written_of[key] for key in keys.tolist()]
        asked = frozenset(index.asked(text))
        analysed = [terms(one) for one in captions]
        stems = [frozenset(one) for one in analysed]
        weights = feedback_terms(
            asked,
            stems,
            scores.tolist(),
            index.document_frequency,
            index.size,
        )
        same = {term for others in found.values() for form in others for term in form}
        new = [term for term in weights if term not in asked and term not in same]
        written = as_written(new, zip(captions, analysed, strict=True))
        words = tuple(written.values())
        if words:
            known: dict[str, list[str]] = defaultdict(list)
            for stem in frozenset.union(*stems):
                known[stem[0]].append(stem)
            frequency = index.document_frequency
            right = [term for term in written if not misspelt(term, known[term[0]], frequency)]
            told = _listed([written[term] for term in right], len(words))
            notes.append(f"Also searched for, from the best captions: {told}.")
    return Expansion(Also(weights, stand), (*names, *words), tuple(notes))


def _sources(snapshot: Snapshot, query: Query, synonyms: Forms | None) -> Iterator[Forms]:
    """The tables of words that mean the same, those that the query may use."""
    if ABBREVIATIONS in query.expand:
        yield snapshot.text.abbreviated
    if SYNONYMS in query.expand and synonyms is not None:
        yield synonyms


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
    total = sum(counts)
    for caption, count in zip(captions, counts, strict=True):
        share = count / total
        for term in caption:
            shares[term] = shares.get(term, 0.0) + share
    strengths = {
        term: share * rarity(known)
        for term, share in shares.items()
        if _tells(term) and (known := frequency(term)) > 1
    }
    strongest = sorted(strengths, key=lambda term: (-strengths[term], term))[:TERMS]
    return {term: top * (strengths[term] / strengths[strongest[0]]) for term in strongest}


def as_written(
    asked: Sequence[str], captions: Iterable[tuple[str, Sequence[str]]]
) -> dict[str, str]:
    """For each term the word that it mostly comes from, of captions and their terms in order."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    wanted = frozenset(asked)
    for caption, stems in captions:
        words = _WORD.findall(caption)
        if len(words) != len(stems):  # a run too long for a word is no term
            words = [word for word in words if terms(word)]
        for word, stem in zip(words, stems, strict=False):
            if stem in wanted:
                # A capital is no name at the beginning of a sentence.
                found[stem][word.lower() if word.istitle() else word] += 1
    return {term: found[term].most_common(1)[0][0] for term in asked if term in found}


def misspelt(term: str, others: Iterable[str], frequency: Callable[[str], int]) -> bool:
    """Whether it looks like a slip for one of the ``others``, which is far more frequent."""
    if len(term) < SHORT:  # MR is no slip for MRI
        return False
    most = frequency(term) * MISSPELT
    return any(_is_a_slip(term, other) and frequency(other) >= most for other in others)


def _is_a_slip(one: str, other: str) -> bool:
    """Whether one letter is missing, added or another, or two are exchanged (Damerau, 1964).

    Never the first one, which is seldom mistaken: ``bright`` is no slip for ``right``.
    """
    if abs(len(one) - len(other)) > 1:
        return False
    start = _alike(one, other)
    one, other = one[start:], other[start:]
    end = _alike(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    exchanged = len(one) == 2 and one == other[::-1]
    return start > 0 and (max(len(one), len(other)) == 1 or exchanged)


def _alike(one: str, other: str) -> int:
    """How many letters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


@cache
def _silent() -> frozenset[str]:
    return silent() | frozenset(terms(SIDES))


def _tells(term: str) -> bool:
    return len(term) > 1 and term not in _silent() and not _DIGIT.search(term)


def _listed(words: Sequence[str], count: int = 0) -> str:
    """The first of the words, and how many more there are of all (``count``)."""
    named = words[:NAMED]
    more = max(count, len(words)) - len(named)
    if not named:
        return "1 word" if more == 1 else f"{more} words"
    return f"{', '.join(named)}{f' and {more} more' if more else ''}"
