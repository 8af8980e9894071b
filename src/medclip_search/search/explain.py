"""Explanations: why a hit is a hit, in one plain sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from medclip_search.cases import Case
from medclip_search.indexes.text import TextIndex
from medclip_search.indexes.text.analyser import terms_of_word
from medclip_search.search import weighing
from medclip_search.search.feedback import TermWeight
from medclip_search.search.function_words import silent
from medclip_search.search.hits import FeedbackEvidence, ListEvidence
from medclip_search.search.weighing import Given

_WAYS = {
    "words": "by words",
    "words:": "by what the words mean",
    "words-to-captions:": "by what the caption means",
    "words-through-captions:": "by likeness to pictures whose captions have the words",
    "image:": "by image likeness",
    "image-to-captions:": "by captions that mean what the image shows",
    "vector:": "by likeness to the given vector",
    "like:": "by likeness to what you like",
    "like-words": "by words of what you like",
    "not-image:": "in likeness to the unwanted image",
    "filter": "among the cases that pass the filters",
    "cross-encoder": "by the cross-encoder, which read it beside the words",
}
_MOST_WORDS = 5


def why(
    lists: Sequence[ListEvidence],
    case: Case,
    wanted: Sequence[str],
    text: TextIndex,
    feedback: FeedbackEvidence | None = None,
    weights: Sequence[TermWeight] = (),
    given: Given | None = None,
    also: Sequence[str] = (),
) -> str:
    """The sentence for one hit of a query with the ``wanted`` texts, likes and dislikes.

    ``also`` are the words that the texts were searched for beside their own.
    """
    best: dict[str, ListEvidence] = {}
    ranks: dict[str, int] = {}
    for one in lists:
        name = "".join(one.name.partition(":")[:2])
        if one.rank is not None and one.rank <= ranks.get(name, one.rank):
            best[name], ranks[name] = one, one.rank
    parts = []
    if best.pop("known-item", None):
        parts.append("its caption or id is what was asked for")
    for name, one in sorted(best.items(), key=lambda item: item[0].startswith("not-")):
        part = f"{ordinal(ranks[name])} {_WAYS[name]}"
        if name == "image:":
            part += f" ({one.score:.2f})"
        if name == "words":
            if found := matched_words(case, wanted, text):
                part += f" ({', '.join(found)})"
            elif found := matched_words(case, also, text):
                part += f" (none of yours, but {', '.join(found)})"
        parts.append(part)
    if feedback is not None and given is not None:
        parts += _steered(feedback, case, text, weights, given)
    sentence = ", ".join(parts)
    return sentence[:1].upper() + sentence[1:]


def matched_words(case: Case, wanted: Sequence[str], text: TextIndex) -> list[str]:
    """The words of the query, as typed, that the case has; the rarest first.

    Words that say nothing ("of the") are left out, unless there are no others.
    """
    held = set(text.terms(" ".join((case.caption, *case.keywords))))
    short = sum(map(len, wanted)) < _REMEMBERED
    words = (_remembered if short else _words_of)(tuple(wanted))
    found = {terms[0]: (word, terms) for word, terms in words if held.issuperset(terms)}
    telling = {term for term, (_, terms) in found.items() if not silent().issuperset(terms)}
    rarest = sorted((text.document_frequency(term), found[term][0]) for term in telling or found)
    return [word for _, word in rarest[:_MOST_WORDS]]


def _words_of(texts: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The words of texts with their terms, the last first."""
    words = [word for one in texts for word in re.findall(r"\w+", one)]
    return [(word, terms) for word in reversed(words) if (terms := terms_of_word(word))]


_remembered = lru_cache(64)(_words_of)
"""Every card of a page asks for the same ones."""
_REMEMBERED = 1 << 12
"""Texts of so many characters are not kept, lest memory fill."""


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, …, 11th, …"""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{last or 'th'}"


def _steered(
    feedback: FeedbackEvidence,
    case: Case,
    text: TextIndex,
    weights: Sequence[TermWeight],
    given: Given,
) -> list[str]:
    """The judgement of the case itself, or else its weightiest word or label, and its picture."""
    if judged := next((t for t, _ in feedback.terms if t.startswith("judged=")), None):
        return [f"{judged.removeprefix('judged=')} by you"]
    known = {one.term: one for one in weights}
    written = weighing.as_written(case, text)
    parts = [
        weighing.term_says(known[term], weight, written, given)
        for term, weight in feedback.terms[:1]
        if abs(weight) >= weighing.FELT
    ]
    if abs(feedback.images) >= weighing.FELT:
        parts.append(weighing.images_say(feedback.images, given))
    return parts
