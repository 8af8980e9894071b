"""Highlighting: which places of a caption hold what a text asks for.

A word is compared as the index compares it, by its term, so that "effusions" is marked for
"effusion"; a pattern (``pneumo*``) by its letters; a quoted phrase where its words stand side by
side. What must not be there is never marked, and words that say nothing ("of the") are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from medclip_search.indexes.text.abbreviations import Form
from medclip_search.indexes.text.analyser import folded_words, terms
from medclip_search.indexes.text.compiling import ALONE, Also, guessable, one_letter_off
from medclip_search.indexes.text.language import Group, Node, Occur, Phrase, Word, parse

_WORD = re.compile(r"[^\W_]+")

Pattern = Callable[[str, str], bool]
"""Whether a word, given folded and as a term, is meant."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """A place of a caption, characters ``start`` to before ``end``.

    ``typed`` is false where it holds a word that was searched for beside those typed.
    """

    start: int
    end: int
    typed: bool = True

    def to_json(self) -> dict[str, Any]:
        """The one JSON form."""
        return {"start": self.start, "end": self.end, "typed": self.typed}


@dataclass(slots=True)
class Marker:
    """Marks captions for one text: terms, phrases of terms, and patterns."""

    typed: set[str] = field(default_factory=set)
    phrases: set[Form] = field(default_factory=set)
    patterns: list[Pattern] = field(default_factory=list)
    also: set[str] = field(default_factory=set)
    forms: set[Form] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        words: str,
        also: Also = ALONE,
        silent: Set[str] = frozenset(),
        known: Callable[[str], bool] = lambda _: True,
    ) -> Marker:
        """For a text and what is searched for beside it.

        Words all of whose terms are ``silent`` are not marked, unless there are no others;
        a word that is not ``known`` stands for those one letter off.
        """
        marker = cls()
        nodes = list(_wanted(parse(words)))
        telling = [one for one in nodes if not set(terms(one.text)) <= silent]
        for node in telling or nodes:
            marker._add(node, known)
        marker.also = set(also.terms) - marker.typed
        for _, others in also.forms:
            marker.forms.update(others)
        return marker

    def _add(self, node: Word | Phrase, known: Callable[[str], bool]) -> None:
        found = terms(node.text)
        if isinstance(node, Word) and node.prefix and len(found) == 1:
            start = "".join(folded_words(node.text))
            self.patterns.append(lambda folded, _: folded.startswith(start))
        elif isinstance(node, Word) and node.wild:
            pieces = re.split(r"([*?])", node.text)
            pattern = "".join(
                {"*": r".*", "?": "."}.get(one, re.escape("".join(folded_words(one))))
                for one in pieces
            )
            self.patterns.append(partial(_fits, re.compile(pattern)))
        elif isinstance(node, Word) and node.distance and len(found) == 1:
            near = one_letter_off(found[0])
            self.patterns.append(partial(_about, found[0], near, node.distance))
        elif len(found) > 1 and (isinstance(node, Phrase) or node.field):
            self.phrases.add(tuple(found))
        else:
            self.typed.update(found)
            for term in found:
                if guessable(term) and not known(term):
                    self.typed |= one_letter_off(term)

    def highlights(self, caption: str) -> tuple[Highlight, ...]:
        """The places of a caption, in order, none overlapping."""
        stems = terms(caption)
        by_term = not (self.patterns or self.phrases or self.forms)
        if by_term and self.typed.isdisjoint(stems) and self.also.isdisjoint(stems):
            return ()
        words = list(_WORD.finditer(caption))
        if len(stems) != len(words):  # the index leaves some out, or cuts them otherwise
            each = [terms(word[0]) for word in words]
            stems = [one[0] if len(one) == 1 else "" for one in each]
        typed, also = self.typed, self.also
        kinds = [True if stem in typed else False if stem in also else None for stem in stems]
        if self.patterns:
            folded = ("".join(folded_words(word[0])) for word in words)
            for at, (one, stem) in enumerate(zip(folded, stems, strict=True)):
                if kinds[at] is not True and any(fits(one, stem) for fits in self.patterns):
                    kinds[at] = True
        ends = list(range(1, len(words) + 1))
        for forms, kind in ((self.forms, False), (self.phrases, True)):
            for start, length in _runs(stems, forms):
                kinds[start : start + length] = [kind] * length
                ends[start] = max(ends[start], start + length)
        found: list[Highlight] = []
        at = 0
        while at < len(words):
            if (marked := kinds[at]) is not None:
                found.append(Highlight(words[at].start(), words[ends[at] - 1].end(), marked))
                at = ends[at]
            else:
                at += 1
        return tuple(found)


def highlights(markers: Sequence[Marker], caption: str) -> tuple[Highlight, ...]:
    """The places that any of some markers mark, in order; of overlapping ones the first."""
    found = [one for marker in markers for one in marker.highlights(caption)]
    if len(markers) < 2:
        return tuple(found)
    kept: list[Highlight] = []
    for one in sorted(found, key=lambda one: (one.start, not one.typed, -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return tuple(kept)


def _wanted(group: Group) -> Iterator[Word | Phrase]:
    """The words and phrases that may or must be in a caption."""
    for occur, node in group.clauses:
        if occur is not Occur.NOT:
            yield from _leaves(node)


def _leaves(node: Node) -> Iterator[Word | Phrase]:
    if isinstance(node, Group):
        yield from _wanted(node)
    elif node.field in ("", "caption"):
        yield node


def _runs(stems: Sequence[str], forms: Set[Form]) -> Iterator[tuple[int, int]]:
    """Where one of some sequences of terms begins, and how many terms it has."""
    for form in sorted(forms):
        for start in range(len(stems) - len(form) + 1):
            if form and tuple(stems[start : start + len(form)]) == form:
                yield start, len(form)


def _fits(pattern: re.Pattern[str], folded: str, stem: str) -> bool:
    return pattern.fullmatch(folded) is not None or pattern.fullmatch(stem) is not None


def _about(term: str, near: Set[str], distance: int, _: str, stem: str) -> bool:
    """Whether a stem is so many letters off a term, at most; ``near`` are those one letter off."""
    if stem in near:
        return True
    if distance == 1 or abs(len(stem) - len(term)) > distance:
        return False
    return not near.isdisjoint(one_letter_off(stem))
