"""From text to terms: how captions, keywords and queries are cut, folded and stemmed.

Words are runs of letters and digits, so that "T2", "3" and "cm" stay; they are lower-cased,
freed of accents and stemmed by the English Snowball stemmer (Porter 1980; Porter 2001). No stop
words are taken out: "no pneumothorax" keeps its "no".
"""

from __future__ import annotations

from functools import cache, lru_cache

import tantivy

ANALYSER = "english-stem-1"
"""The analyser's name in the index's schema; a change of what follows needs a new name."""

LONGEST_TERM = 80
"""Longer runs (sequences, links) are no words and are left out, as UTF-8 bytes."""


def _folded() -> tantivy.TextAnalyzerBuilder:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.remove_long(LONGEST_TERM))
    )


@cache
def analyser() -> tantivy.TextAnalyzer:
    """The analyser that the index registers and that queries go through."""
    return _folded().filter(tantivy.Filter.stemmer("english")).build()


@cache
def _unstemmed() -> tantivy.TextAnalyzer:
    return _folded().build()


def sound(text: str) -> str:
    """The text with lone surrogates, which are no Unicode text, replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def terms(text: str) -> list[str]:
    """The terms of a text in their order, repeated ones repeated."""
    found: list[str] = _remembered(text) if len(text) < _REMEMBERED else _analysed(text)
    return found[:]


def _analysed(text: str) -> list[str]:
    found: list[str] = analyser().analyze(sound(text))
    return found


_remembered = lru_cache(1 << 10)(_analysed)
"""A caption is asked for several times by each search that it answers."""
_REMEMBERED = 1 << 12
"""Texts of so many characters are not kept: with a thousand of them memory would fill."""


@lru_cache(1 << 12)
def terms_of_word(word: str) -> tuple[str, ...]:
    """The terms of one word, remembered: every card of a page is asked for the same ones."""
    return tuple(terms(word))


def folded_words(text: str) -> list[str]:
    """The words of a text, folded but not stemmed: what a prefix is compared with."""
    found: list[str] = _unstemmed().analyze(sound(text))
    return found
