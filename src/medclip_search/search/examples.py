"""Short queries in words for an empty page, mined from the library's own captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

_WORD = re.compile(r"[A-Za-z][A-Za-z-]+|[^\w\s]")
_PLAIN = frozenset(
    """
    a after an and are arrow arrows as at be been before both by case day days fig figure first for
    frame from had has have image images in into is it its left no not of old on one or patient
    patients right same scan second seen several shown showing shows that the their there these
    third this three to two view was were which with without year years
    female male man woman girl boy year-old years-old month-old aged old
    """.split()  # noqa: SIM905
)


def examples(captions: Iterable[str], most: int = 6) -> list[str]:
    """The most frequent pairs of neighbouring content words, no word used twice.

    Each pair stands in the captions it was found in, so every example has answers.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for caption in captions:
        words = [word if word.isupper() else word.lower() for word in _WORD.findall(caption)]
        pairs.update(
            {(a, b) for a, b in pairwise(words) if _is_content(a) and _is_content(b) and a != b}
        )
    chosen: list[str] = []
    used: set[str] = set()
    for (first, second), _ in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        if first not in used and second not in used:
            chosen.append(f"{first} {second}")
            used |= {first, second}
        if len(chosen) == most:
            break
    return chosen


def _is_content(word: str) -> bool:
    return word[0].isalpha() and word not in _PLAIN and (len(word) > 3 or word.isupper())
