"""Suggestions: what the best hits' captions call it, in words that others seldom use.

An image's neighbours tell what it is likely called, and words lead to words beside them. Captions
are cut into phrases of one to three words; each is weighed by the weight of evidence that having it
gives for being among the hits (Robertson and Spärck Jones, 1976; ``feedback``), times
the number of hits that have it (their offer weight). What is asked for already is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from medclip_search.indexes.text.analyser import terms
from medclip_search.search.function_words import silent
from medclip_search.search.hits import Suggestion
from medclip_search.search.snapshot import Snapshot

NEIGHBOURS = 20
"""So many of the best hits are heard; captions alike, as of one article, are one witness."""
FEWEST = 5
LONGEST = 3
MASS = 2.0
"""The library stands in for so many witnesses."""
_LEAST = 0.1  # of the witnesses, and more than one of them, must have a phrase
_ALIKE = 0.5  # two captions that share this part of their words are one witness
_WEIGHED = 60

_OF_FIGURES = """
additional additionally along appear appearance approximately arrow arrowhead associated case
compatible consistent corresponding day demonstrate demonstrates demonstrating depict evidence
extend extending few figure finding formed identified image imaging indicate involve involving just
large left level likely man measure measuring month multiple new noted obtained old panel patient
performed picture presence present presented relationship reveal right scan section seen sequence
series shown slice small study suggest suggestive use view visible visualized week woman year male
female
"""
"""Words of captions that are about figures and patients, not about what they show."""

_CLAUSE = re.compile(r"[^\w\s'’-]+|\s[-–]\s")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

Stems = tuple[str, ...]


def suggest(
    snapshot: Snapshot, keys: Sequence[int], asked: Sequence[str], most: int
) -> tuple[Suggestion, ...]:
    """What hits (the best first) are called, the weightiest first."""
    few = max(FEWEST, snapshot.text.size // 10)  # of a small library not all are neighbours
    best = list(keys)[: min(NEIGHBOURS, few)]
    cases = snapshot.cases(best)
    captions = [cases[key].caption for key in best if cases[key].caption.strip()]
    return weigh(captions, asked, snapshot.text.phrase_frequency, snapshot.text.size, most)


def weigh(
    captions: Sequence[str],
    asked: Sequence[str],
    frequency: Callable[[Stems], int],
    size: int,
    most: int,
) -> tuple[Suggestion, ...]:
    """The phrases of captions that set them apart from ``size`` others.

    ``frequency`` tells in how many captions the stems stand side by side. A phrase whose stems
    stand in one that was chosen before it, or that add nothing to the texts ``asked``, is left out.
    """
    captions = _witnesses(captions)
    having: Counter[Stems] = Counter()
    written: dict[Stems, Counter[str]] = defaultdict(Counter)
    for caption in captions:
        found = dict(phrases(caption))
        having.update(found.keys())
        for stems, text in found.items():
            written[stems][text] += 1
    least = min(max(2.0, _LEAST * len(captions)), len(captions))
    known = [stems for stems, count in having.items() if count >= least]
    known.sort(key=lambda stems: (-having[stems], -len(stems), stems))
    offers: list[tuple[float, Stems, float, int]] = []
    for stems in known[:_WEIGHED]:
        count, others = having[stems], max(frequency(stems), having[stems])
        share = (others + 0.5) / (max(size, others) + 1)
        p = (count + MASS * share) / (len(captions) + MASS)
        weight = math.log(p * (1 - share) / (share * (1 - p)))
        if weight > 0:
            offers.append((count * weight, stems, weight, others))
    offers.sort(key=lambda one: (-one[0], -len(one[1]), one[1]))
    told = {stem for text in asked for stem in terms(text)}
    chosen: list[Suggestion] = []
    for _, stems, weight, others in offers:
        if told.issuperset(stems) or len(chosen) == most:
            continue
        told.update(stems)
        chosen.append(Suggestion(_spelling(written[stems]), weight, having[stems], others))
    return tuple(chosen)


def phrases(caption: str) -> Iterator[tuple[Stems, str]]:
    """The runs of one to three words within a clause, by their stems; none has a function word."""
    for clause in _CLAUSE.split(caption):
        words = _WORD.findall(clause)
        stems = [tuple(terms(word)) for word in words]
        for start in range(len(words)):
            for end in range(start + 1, min(start + LONGEST, len(words)) + 1):
                if not _tells(words[end - 1], stems[end - 1]):
                    break
                yield (
                    tuple(t for each in stems[start:end] for t in each),
                    " ".join(words[start:end]),
                )


def _tells(word: str, stems: Stems) -> bool:
    """Whether a word says something of a subject; a number alone, or an initial, does not."""
    return len(word) > 1 and not word[0].isdigit() and not _silent().issuperset(stems)


@cache
def _silent() -> frozenset[str]:
    return silent() | frozenset(terms(_OF_FIGURES))


def _witnesses(captions: Sequence[str]) -> list[str]:
    """Captions, the best first, less those that repeat one before them."""
    kept: list[tuple[str, frozenset[str]]] = []
    for caption in captions:
        stems = frozenset(terms(caption))
        if not any(len(stems & one) >= _ALIKE * len(stems | one) for _, one in kept):
            kept.append((caption, stems))
    return [caption for caption, _ in kept]


def _spelling(ways: Counter[str]) -> str:
    """As most captions write it; in small letters where any does."""
    small = {text: count for text, count in ways.items() if text == text.lower()} or ways
    return min(small, key=lambda text: (-small[text], text))
