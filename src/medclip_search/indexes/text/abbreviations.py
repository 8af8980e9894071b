"""Abbreviations that captions explain themselves: "computed tomography (CT)", "CT (computed …)".

Schwartz and Hearst (A Simple Algorithm for Identifying Abbreviation Definitions in Biomedical
Text, PSB 2003): what stands in brackets, or before them, is a short form where its letters are
found, from the right, in the words beside it, the first at a word's beginning.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from medclip_search.indexes.text.analyser import terms

PLAIN = frozenset(
    terms("am an and as at be by do for had has he in is it no not of on or so to we")
)
"""Short forms that a query cannot tell from words, since letters' case says nothing."""

_LONGEST_SHORT = 10
_BRACKETS = re.compile(r"\(([^()]{2,100})\)")
_SENTENCE = re.compile(r"[.;:?!]\s|[()]")

Form = tuple[str, ...]
"""The terms of a word or of several, side by side."""


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """A short form, its long form as it is mostly written, and how many articles explain it so."""

    short: str
    long: str
    articles: int


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """The (short, long) pairs that a text explains."""
    for match in _BRACKETS.finditer(text):
        inside = re.split(r"[;,]", match[1])[0].strip().strip("\"'“”")
        outside = _SENTENCE.split(text[: match.start()])[-1].split()
        if not outside or not inside:
            continue
        if _is_short(inside):
            short, near = inside, outside[-_reach(inside) :]
        elif _is_short(outside[-1]) and len(inside.split()) <= _reach(outside[-1]):
            short, near = outside[-1], inside.split()
        else:
            continue
        long = long_form(short, " ".join(near))
        if long and len(long) > len(short) and short not in long.split():
            yield short, long


def long_form(short: str, text: str) -> str | None:
    """The shortest end of a text that has the letters of a short form in their order."""
    at = len(text) - 1
    for place in range(len(short) - 1, -1, -1):
        letter = short[place].lower()
        if not letter.isalnum():
            continue
        while at >= 0 and (
            text[at].lower() != letter or (place == 0 and at > 0 and text[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
        at -= 1
    return text[text.rfind(" ", 0, at + 1) + 1 :]


def _is_short(text: str) -> bool:
    return (
        2 <= len(text) <= _LONGEST_SHORT
        and len(text.split()) <= 2
        and text[0].isalnum()
        and any(letter.isalpha() for letter in text)
        # "(arrow)" and "(left)" explain nothing.
        and any(letter.isupper() for letter in text)
    )


def _reach(short: str) -> int:
    """In how many words beside it the letters of a short form are looked for."""
    return min(len(short) + 5, 2 * len(short))


@dataclass(frozen=True, slots=True)
class Forms:
    """Words that mean the same: for each form of one its others, as (terms, as written)."""

    others: Mapping[Form, tuple[tuple[Form, str], ...]]

    @classmethod
    def of(cls, groups: Iterable[tuple[str, str]]) -> Forms:
        """From pairs of texts, the second of which may stand for the first."""
        found: dict[Form, dict[Form, str]] = defaultdict(dict)
        for typed, other in groups:
            form, meant = tuple(terms(typed)), tuple(terms(other))
            if form and meant and form != meant:
                found[form].setdefault(meant, other)
        return cls({form: tuple(others.items()) for form, others in found.items()})

    def within(self, typed: Form) -> Iterator[tuple[Form, tuple[tuple[Form, str], ...]]]:
        """The forms among words as typed, none overlapping, the longest first, and their others."""
        longest = max(map(len, self.others), default=0)
        at = 0
        while at < len(typed):
            for size in range(min(longest, len(typed) - at), 0, -1):
                form = typed[at : at + size]
                if form in self.others:
                    yield form, self.others[form]
                    at += size - 1
                    break
            at += 1


def both_ways(found: Iterable[Abbreviation]) -> Forms:
    """Short forms for long ones and the reverse. A short form that is a plain word, is none."""
    pairs = [(one.short, one.long) for one in found if one.short.casefold() not in PLAIN]
    return Forms.of([*pairs, *((long, short) for short, long in pairs)])
