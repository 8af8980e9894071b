"""From words to a query of tantivy: the tree of ``language`` over the fields of the index."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tantivy

from medclip_search.indexes.text.abbreviations import Form
from medclip_search.indexes.text.analyser import folded_words, terms
from medclip_search.indexes.text.building import FIELD_WEIGHTS
from medclip_search.indexes.text.language import Group, Node, Occur, Phrase, Word, parse
from medclip_search.indexes.text.marks import id_mark

PREFIX_TERMS = 1024
FUZZY_LENGTH = 5
"""Shorter unknown words are left alone: too many words are one letter off."""
FUZZY_WORDS = 8
"""So many unknown words of one query are looked for with a letter off."""

COMMON = 1 << 17
"""To walk through so many cases of a term takes as long as to look up some hundreds (measured)."""
COMMON_BESIDE = 1 << 14
"""Of terms that join the query, which weigh little then, that many are common; together they are
to have ``COMMON`` (measured)."""

_FREQUENCIES = 1 << 14
"""So many are remembered."""

_COMMON_ID_LENGTH = 6

Clauses = list[tuple[tantivy.Occur, tantivy.Query]]


@dataclass(frozen=True, slots=True)
class Also:
    """What a text is searched for beside its own words.

    ``terms`` may be there too, each with its weight beside a word's 1. ``forms`` stand for words of
    the text: whichever is there, it counts once, as the words it stands for.
    """

    terms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    forms: tuple[tuple[Form, tuple[Form, ...]], ...] = ()


ALONE = Also()
"""Nothing beside its own words."""


class Compiler:
    """Makes queries for one searcher; as immutable as it."""

    def __init__(self, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self._searcher = searcher
        self._schema = schema
        self._size = int(searcher.num_docs)
        # One search asks for the same terms several times.
        self._frequency = lru_cache(_FREQUENCIES)(searcher.doc_freq)

    def of_terms(self, weights: Mapping[str, float]) -> tantivy.Query:
        """Any of the terms, each with its weight."""
        return any_of(self.clauses(weights))

    def clauses(self, weights: Mapping[str, float]) -> list[tantivy.Query]:
        """Terms, each with its weight, in each of the fields: all that ``of_terms`` adds up."""
        return [
            query for term, weight in weights.items() for _, query in self._any_field(term, weight)
        ]

    def query(
        self, words: str, also: Also = ALONE, without: Set[str] = frozenset()
    ) -> tantivy.Query:
        """A text as a query, and terms that may be there too; ``without`` some (``common``)."""
        tree, guesses = parse(words), _Guesses(FUZZY_WORDS)
        if _only_words(tree):
            return self._compile(tree, guesses, also, without)
        required = (tantivy.Occur.Must, self._compile(tree, guesses, Also(forms=also.forms)))
        if not also.terms:
            return tantivy.Query.boolean_query([required])
        more = (tantivy.Occur.Should, self.of_terms(also.terms))
        return tantivy.Query.boolean_query([required, more])

    def all_of(self, words: str) -> tantivy.Query | None:
        """All the words, and all quoted phrases, as they are spelt; ``None`` where none is."""
        nodes = leaves(parse(words))
        queries = [q for node in nodes if (q := self._strict(node, _Guesses(0))) is not None]
        if not queries:
            return None
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, q) for q in queries])

    def matches(
        self, words: str, silent: Set[str] = frozenset(), also: Also = ALONE
    ) -> tuple[tuple[str, ...], tantivy.Query | None]:
        """What a text matches: any of some terms; or, where it is not as simple, a query.

        Words of ``silent`` terms only ("of the") match nothing by themselves, unless there are
        no others. Of ``also`` the forms count.
        """
        asked = tuple(_flat(parse(words)))
        telling = tuple(one for one in asked if not _is_silent(*one, silent))
        if any(occur is not Occur.NOT for occur, _ in telling):
            asked = telling
        found: dict[str, None] = {}
        for occur, node in asked:
            if not (occur is Occur.MAY and isinstance(node, Word) and _is_plain(node)):
                break
            if self._id_clause(node.text):
                break
            found.update(dict.fromkeys(terms(node.text)))
        else:
            if not also.forms and not any(guessable(t) and not self.known(t) for t in found):
                return tuple(found), None
        guesses = _Guesses(FUZZY_WORDS)
        return (), self._compile(Group(asked), guesses, Also(forms=also.forms))

    def common(
        self, words: str, silent: Set[str], also: Also = ALONE, *, beside: bool = False
    ) -> dict[str, float]:
        """The ``silent`` terms of plain words that very many cases have, where others tell more.

        Each with its weight. One that fewer cases have than any of the others would outweigh them,
        and takes no longer to walk through: it is an ordinary word. With ``beside``, the terms of
        ``also`` that many cases have too.
        """
        tree = parse(words)
        if not _only_words(tree):
            return {}
        asked = dict.fromkeys(plain_terms(tree))
        forms = {term for form, _ in also.forms for term in form}
        found = {
            term: 1.0 + also.terms.get(term, 0.0)
            for term in asked
            if term in silent and term not in forms and self.frequency("caption", term) > COMMON
        }
        others = [
            self.frequency("caption", term) for term in asked.keys() - found if self.known(term)
        ]
        if not others:
            return {}
        rarest = min(others)
        found = {t: weight for t, weight in found.items() if self.frequency("caption", t) > rarest}
        if not beside:
            return found
        joined = {
            term: frequency
            for term in also.terms.keys() - asked.keys() - forms
            if (frequency := self.frequency("caption", term)) > COMMON_BESIDE
        }
        if found or sum(joined.values()) > COMMON:
            found |= {term: also.terms[term] for term in also.terms if term in joined}
        return found

    def _compile(
        self,
        group: Group,
        guesses: _Guesses,
        also: Also = ALONE,
        without: Set[str] = frozenset(),
    ) -> tantivy.Query:
        clauses: list[tuple[tantivy.Occur, tantivy.Query]] = []
        # A term counts once however often it is typed: repeating "of" is no wish for it.
        bag: dict[str, float] = {}
        for occur, node in _flat(group):
            if occur is Occur.MAY and isinstance(node, Word) and _is_plain(node):
                bag.update(dict.fromkeys(terms(node.text), 1.0))
                clauses += self._id_clause(node.text)
                continue
            # Nothing is taken away on a guess.
            query = self._strict(node, _Guesses(0) if occur is Occur.NOT else guesses)
            if query is not None:
                clauses.append((_OCCUR[occur], query))
        for form, others in also.forms:
            if all(term in bag for term in form):
                clauses.append((tantivy.Occur.Should, self._whichever(form, others)))
                for term in form:
                    del bag[term]
        for term in bag:
            clauses += [(tantivy.Occur.Should, q) for q in self._guess(term, guesses)]
        for term, weight in also.terms.items():
            bag[term] = bag.get(term, 0.0) + weight
        for term, weight in bag.items():
            if term not in without:
                clauses += self._any_field(term, weight)
        if clauses and all(occur == tantivy.Occur.MustNot for occur, _ in clauses):
            everything = tantivy.Query.const_score_query(tantivy.Query.all_query(), 0.0)
            clauses.append((tantivy.Occur.Must, everything))
        return tantivy.Query.boolean_query(clauses)

    def _whichever(self, form: Form, others: Iterable[Form]) -> tantivy.Query:
        """A form or another, whichever scores more, all as rare as the first."""
        typed = [clause for term in dict.fromkeys(form) for clause in self._any_field(term, 1.0)]
        own = self._rarity_of(form)
        queries = [tantivy.Query.boolean_query(typed)] if typed else []
        for other in others:
            scale = own / self._rarity_of(other) if typed else 1.0
            for field_name, weight in FIELD_WEIGHTS.items():
                if len(other) == 1:
                    query = self.term(field_name, other[0])
                else:
                    query = tantivy.Query.phrase_query(self._schema, field_name, list(other))
                queries.append(tantivy.Query.boost_query(query, weight * scale))
        return tantivy.Query.disjunction_max_query(queries)

    def _rarity_of(self, form: Form) -> float:
        return sum(self.rarity(self.frequency("caption", term)) for term in form)

    def _strict(self, node: Node, guesses: _Guesses) -> tantivy.Query | None:
        """A node as a query that holds or does not; ``None`` for a node without terms."""
        if isinstance(node, Group):
            return self._compile(node, guesses) if any(leaves(node)) else None
        found = terms(node.text)
        if not found:
            return None
        if node.field == "id":
            return self._id(node)
        fields = {node.field: 1.0} if node.field else FIELD_WEIGHTS
        if isinstance(node, Word) and node.prefix:
            return self._prefix(node.text, fields)
        if isinstance(node, Word) and node.wild:
            return self._wild(node.text, fields)
        if len(found) > 1:
            return any_of(
                tantivy.Query.boost_query(
                    tantivy.Query.phrase_query(self._schema, field, list(found)), weight
                )
                for field, weight in fields.items()
            )
        if isinstance(node, Word) and node.distance:
            return any_of(self._about(found[0], node.distance, fields))
        known = [query for _, query in self._any_field(found[0], 1.0, fields)]
        return any_of(known + self._guess(found[0], guesses))

    def _any_field(
        self, term: str, weight: float, fields: Mapping[str, float] = FIELD_WEIGHTS
    ) -> Clauses:
        return [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(self.term(field, term), weight * field_weight),
            )
            for field, field_weight in fields.items()
            if self.frequency(field, term)
        ]

    def _id_clause(self, piece: str) -> Clauses:
        """An id among other words; short or plain ones are more likely to be words."""
        piece = piece.strip(".,;:")
        if len(piece) < _COMMON_ID_LENGTH or not re.search(r"\d", piece):
            return []
        mark = id_mark(piece)
        if not self.frequency("exact", mark):
            return []
        return [(tantivy.Occur.Should, self._one(self.term("exact", mark)))]

    def _id(self, node: Word | Phrase) -> tantivy.Query:
        """An id, or with a star all that begin so."""
        mark = id_mark(node.text)
        if isinstance(node, Word) and node.prefix:
            return self._one(self._pattern("exact", re.escape(mark) + ".*"))
        return self._one(self.term("exact", mark))

    def _one(self, query: tantivy.Query) -> tantivy.Query:
        """What finds one case weighs as the rarest word."""
        return tantivy.Query.const_score_query(query, self.rarity(1))

    def _wild(self, text: str, fields: Mapping[str, float]) -> tantivy.Query:
        """A pattern of ``*`` and ``?``: what matches it is as rare as all of it together."""
        *before, last = re.split(r"([*?])", text)
        start = "".join({"*": ".*", "?": "."}.get(one, _folded(one)) for one in before)
        # The index holds stems, and a stem can lose its ending: "*itis" is to find "arthriti".
        ends = dict.fromkeys((_folded(last), "".join(terms("xa" + last))[2:]))
        pattern = start + (f"({'|'.join(ends)})" if last else "")
        queries = []
        for field, weight in fields.items():
            found = self._pattern(field, pattern)
            if count := _count(self._searcher, found):
                queries.append(tantivy.Query.const_score_query(found, weight * self.rarity(count)))
        return any_of(queries)

    def _pattern(self, field: str, pattern: str) -> tantivy.Query:
        try:
            return tantivy.Query.regex_query(self._schema, field, pattern)
        except ValueError:  # its automaton would be too large: nothing is like that
            return tantivy.Query.empty_query()

    def _prefix(self, text: str, fields: Mapping[str, float]) -> tantivy.Query | None:
        """Words that begin so: each as rare as all of them together, so that none rules."""
        # Stems lose their endings, so that a prefix longer than its stem is found by the stem.
        *before, last = folded_words(text)
        queries: list[tantivy.Query] = []
        for field, weight in fields.items():
            if stems := terms(" ".join(before)):
                phrase = tantivy.Query.phrase_prefix_query(self._schema, field, [*stems, last])
                queries.append(tantivy.Query.boost_query(phrase, weight))
                continue
            found = dict(self._searcher.terms_with_prefix(field, last, limit=PREFIX_TERMS))
            if len(found) == PREFIX_TERMS:
                pattern = self._pattern(field, re.escape(last) + ".*")
                score = weight * self.rarity(sum(found.values()))
                queries.append(tantivy.Query.const_score_query(pattern, score))
                continue
            found |= {t: n for t in terms(last) if (n := self.frequency(field, t))}
            queries += self._alike(field, found, weight)
        if fields is FIELD_WEIGHTS and len(text) >= _COMMON_ID_LENGTH and re.search(r"\d", text):
            pattern = self._pattern("exact", re.escape(id_mark(text)) + ".*")
            queries.append(tantivy.Query.const_score_query(pattern, 1.0))
        return any_of(queries)

    def _guess(self, term: str, guesses: _Guesses) -> list[tantivy.Query]:
        """What a word that no case has may have been meant to be."""
        if guesses.left < 1 or not guessable(term) or self.known(term):
            return []
        guesses.left -= 1
        return self._about(term, 1, FIELD_WEIGHTS)

    def _about(self, term: str, distance: int, fields: Mapping[str, float]) -> list[tantivy.Query]:
        """The word and those spelt about so, each as rare as all of them together."""
        queries: list[tantivy.Query] = []
        for field, weight in fields.items():
            if distance == 1:
                found = {t: n for t in one_letter_off(term) if (n := self.frequency(field, t))}
                queries += self._alike(field, found, weight)
                continue
            fuzzy = tantivy.Query.fuzzy_term_query(self._schema, field, term, distance)
            if count := _count(self._searcher, fuzzy):
                queries.append(tantivy.Query.const_score_query(fuzzy, weight * self.rarity(count)))
        return queries

    def _alike(self, field: str, found: Mapping[str, int], weight: float) -> list[tantivy.Query]:
        """Terms (with their document frequencies) that stand for one word of the query."""
        rarity = self.rarity(sum(found.values()))
        return [
            tantivy.Query.boost_query(self.term(field, term), weight * rarity / self.rarity(count))
            for term, count in found.items()
        ]

    def term(self, field: str, term: str) -> tantivy.Query:
        """The documents of which a field has a term."""
        option = "basic" if field == "exact" else "freq"
        return tantivy.Query.term_query(self._schema, field, term, option)

    def frequency(self, field: str, term: str) -> int:
        """In how many documents a field has a term."""
        return self._frequency(field, term)

    def known(self, term: str) -> bool:
        """Whether any text has a term."""
        return any(self.frequency(field, term) for field in FIELD_WEIGHTS)

    def rarity(self, count: int) -> float:
        """The inverse document frequency of BM25, for so many documents."""
        total = max(self._size, count)
        return math.log(1 + (total - count + 0.5) / (count + 0.5))


@dataclass(slots=True)
class _Guesses:
    """How many unknown words of a query may still be guessed at."""

    left: int


_OCCUR = {
    Occur.MAY: tantivy.Occur.Should,
    Occur.MUST: tantivy.Occur.Must,
    Occur.NOT: tantivy.Occur.MustNot,
}


def _is_plain(word: Word) -> bool:
    return not (word.prefix or word.distance or word.field or word.wild)


def _is_silent(occur: Occur, node: Node, silent: Set[str]) -> bool:
    if occur is not Occur.MAY or not isinstance(node, Word) or not _is_plain(node):
        return False
    return set(terms(node.text)) <= silent


def _folded(text: str) -> str:
    return re.escape("".join(folded_words(text)))


def _count(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    found: Any = searcher.search(query, 1)
    return int(found.count)


def one_letter_off(term: str) -> set[str]:
    """A term, and what one letter more, less, other, or one swap of neighbours makes of it."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(term[:at], term[at:]) for at in range(len(term) + 1)]
    made = {a + letter + b for a, b in cuts for letter in letters}
    made |= {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    made |= {a + b[1:] for a, b in cuts if b}
    made |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return (made | {term}) - {""}


def any_of(queries: Iterable[tantivy.Query]) -> tantivy.Query:
    """What any of the queries finds, at the sum of their scores."""
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _flat(group: Group) -> Iterator[tuple[Occur, Node]]:
    """The clauses of a group; what stands in brackets only by the way, "(arrow)", among them."""
    for occur, node in group.clauses:
        plain = isinstance(node, Group) and all(o is Occur.MAY for o, _ in node.clauses)
        if occur is Occur.MAY and plain and isinstance(node, Group):
            yield from _flat(node)
        else:
            yield occur, node


def asked_texts(group: Group) -> Iterator[str]:
    """The texts of plain words and phrases that are asked for."""
    for occur, node in group.clauses:
        if occur is Occur.NOT:
            continue
        if isinstance(node, Group):
            yield from asked_texts(node)
        elif isinstance(node, Phrase) or not (node.prefix or node.distance or node.wild):
            yield node.text


def _only_words(tree: Group) -> bool:
    return all(occur is Occur.MAY and isinstance(node, Word) for occur, node in _flat(tree))


def plain_terms(group: Group) -> Form:
    """The terms of the words that may be there, in their order."""
    return tuple(
        term
        for occur, node in _flat(group)
        if occur is Occur.MAY and isinstance(node, Word) and _is_plain(node)
        for term in terms(node.text)
    )


def leaves(group: Group) -> Iterator[Word | Phrase]:
    """All words and phrases of a tree, asked for or not."""
    for _, node in group.clauses:
        if isinstance(node, Group):
            yield from leaves(node)
        else:
            yield node


def guessable(term: str) -> bool:
    """Whether words one letter off are looked for: not of a short word, or one with a digit."""
    return len(term) >= FUZZY_LENGTH and not any(letter.isdigit() for letter in term)
