"""The weight of evidence in words: the sum of one hit, line by line, in decibans.

Decibans are how Turing and Good counted (a deciban is about the smallest weight of evidence that a
person can feel): 10 decibans are odds of 10 to 1, 20 of 100 to 1, and weights add up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medclip_search.cases import Case, column_label
from medclip_search.indexes.text import TextIndex
from medclip_search.search.feedback import TermWeight
from medclip_search.search.hits import DECIBAN, FeedbackEvidence, WeightLine

MOST_LINES = 8
"""So many words and labels have a line of their own; the weaker ones share one."""
_WORD = re.compile(r"[^\W_]+")
FELT = DECIBAN / 2
"""What weighs less, in nats, goes without saying in a sentence."""


@dataclass(frozen=True, slots=True)
class Given:
    """How many likes and dislikes there are, and the index's terms of the words asked for."""

    likes: int
    dislikes: int
    asked: frozenset[str] = frozenset()


def lines(
    evidence: FeedbackEvidence,
    case: Case,
    text: TextIndex,
    weights: Sequence[TermWeight],
    given: Given,
) -> tuple[WeightLine, ...]:
    """The sum of ``evidence``: its decibans add up to the total's."""
    known = {one.term: one for one in weights}
    written = as_written(case, text)
    own = [(_own(term), weight) for term, weight in evidence.terms if term not in known]
    terms = [(term, weight) for term, weight in evidence.terms if term in known]
    said = own + [
        (term_says(known[term], weight, written, given), weight)
        for term, weight in terms[:MOST_LINES]
    ]
    if evidence.images:
        said.append((images_say(evidence.images, given), evidence.images))
    said.sort(key=lambda one: -abs(one[1]))
    if rest := terms[MOST_LINES:]:
        said.append((f"{len(rest)} more, weaker", sum(weight for _, weight in rest)))
    first = "brought in by what you like"
    if evidence.rank is not None:
        first = f"number {evidence.rank} before you judged"
    said.insert(0, (first, evidence.prior))
    return tuple(WeightLine(weight / DECIBAN, says) for says, weight in said)


def term_says(weight: TermWeight, said: float, written: Mapping[str, str], given: Given) -> str:
    """What a word (as ``written`` in the case) or a label says, and whose it is."""
    field, label, value = weight.term.partition("=")
    has = f"has {column_label(field)} “{value}”"
    if not label:
        also = "also " if given.asked and weight.term not in given.asked else ""
        has = f"{also}mentions “{written.get(weight.term, weight.term)}”"
    if said < 0:
        if weight.disliked:
            return f"{has}, as {_of_yours(weight.disliked, given.dislikes, 'dislike')}"
        if weight.liked < given.likes:  # most cases have it, these have not
            only = "only " if weight.liked else ""
            return f"{has}, as {only}{_of_yours(weight.liked, given.likes, 'like')}"
        return f"{has}, as {_of_tray(weight.kept, few=True)}"
    if weight.liked:
        return f"{has}, as {_of_yours(weight.liked, given.likes, 'like')}"
    if weight.kept:
        return f"{has}, as {_of_tray(weight.kept)}"
    return f"{has}, which your dislikes have less often than other cases"


def as_written(case: Case, text: TextIndex) -> dict[str, str]:
    """From the index's terms to the words of the case that they come from."""
    words = _WORD.findall(" ".join((case.caption, *case.keywords)))
    terms = text.terms(" ".join(words))
    if len(terms) != len(words):  # the index leaves some out: they are told apart one by one
        pairs = [(each[0], word) for word in words if len(each := text.terms(word)) == 1]
    else:
        pairs = list(zip(terms, words, strict=True))
    return {term: word.lower() for term, word in reversed(pairs)}


def images_say(said: float, given: Given) -> str:
    """What likeness to the judged pictures says.

    Against a case speaks likeness to what is disliked, or less likeness to what is liked than its
    rank explains: it may still look much like that.
    """
    if said < 0:
        if not given.likes:
            return "looks like what you dislike"
        disliked = ", or too much like what you dislike" if given.dislikes else ""
        return f"looks too little like what you like{disliked}"
    return "looks like what you like" if given.likes else "looks like what your tray holds"


def _own(term: str) -> str:
    return f"{term.removeprefix('judged=')} by you"


def _of_yours(some: int, of: int, noun: str) -> str:
    """``your like does``, ``2 of your 3 likes do``, ``no like of yours does``."""
    if not some:
        return f"no {noun} of yours does"
    if of == 1:
        return f"your {noun} does"
    return f"{some} of your {of} {noun}s {'does' if some == 1 else 'do'}"


def _of_tray(some: int, few: bool = False) -> str:
    """``a case of your tray does``, ``only 2 cases of your tray do``."""
    if not some:
        return "no case of your tray does"
    if some == 1:
        return f"{'only one' if few else 'a'} case of your tray does"
    return f"{'only ' if few else ''}{some} cases of your tray do"
