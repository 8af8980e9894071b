"""The text index: BM25 over captions, keywords and ids, by tantivy.

Scores are BM25 (Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond,
2009) with k1 = 1.2 and b = 0.75, which tantivy fixes, as is its rounding of lengths to one byte.
Nothing is stored in the index but the case keys, as a column; the catalogue holds the texts.
"""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import tantivy
from numpy.typing import NDArray

from medclip_search.indexes.text.analyser import ANALYSER, folded_words, terms
from medclip_search.indexes.text.building import FIELD_WEIGHTS
from medclip_search.indexes.text.files import Counts, damaged, links_to, open_index, read_counts
from medclip_search.indexes.text.language import Group, Node, Occur, Phrase, Word, parse
from medclip_search.indexes.text.marks import id_mark, marks_of_query

Keys = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
Order = NDArray[np.int32]

K1 = 1.2
B = 0.75

SIFTING = 12
"""To name an allowed case in the query costs as much as to sift so many answers (measured)."""
DEEPEST_TIES = 1 << 17
"""Equal scores are completed, to be ordered by id, until so many answers were looked at."""
DECIMALS = 3
"""Scores are rounded, for sums of the same weights in another order must still tie."""
PREFIX_TERMS = 1024
FUZZY_LENGTH = 5
"""Shorter unknown words are left alone: too many words are one letter off."""
FUZZY_WORDS = 8
"""So many unknown words of one query are looked for with a letter off."""

_BITS = 23  # whole numbers that a float32 score holds exactly
_COMMON_ID_LENGTH = 6


class TextIndex:
    """An opened text index; immutable, and safe for use by several threads and processes."""

    def __init__(self, counts: Counts, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self._counts = counts
        self._searcher = searcher
        self._schema = schema

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open for reading; works in a folder without write permission.

        Raises ``FileNotFoundError`` where the folder holds no index (a reader may have come too
        late for a generation) and ``LibraryDamagedError`` where it cannot be read.
        """
        if not (folder / "meta.json").is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder / "meta.json")
        # The files are mapped when the searcher is made; their names are not needed afterwards,
        # so even a killed process leaves no folder behind.
        with links_to(folder) as private:
            index = open_index(folder, private)
            try:
                index.config_reader("manual")
                return cls(read_counts(folder), index.searcher(), index.schema)
            except ValueError as error:
                raise damaged(folder, error, private) from error

    def close(self) -> None:
        """Let go of the files."""
        self.__dict__.pop("_searcher", None)

    @property
    def size(self) -> int:
        """How many documents there are."""
        return int(self._searcher.num_docs)

    def describe(self) -> dict[str, Any]:
        """What the index is, as plain JSON."""
        counts = self._counts
        return {
            "engine": f"tantivy {version('tantivy')}",
            "documents": counts.total - counts.deleted,
            "deleted": counts.deleted,
            "segments": counts.segments,
            "analyser": ANALYSER,
            "k1": K1,
            "b": B,
            "fields": dict(FIELD_WEIGHTS),
            "bytes": counts.bytes,
        }

    def terms(self, text: str) -> list[str]:
        """The index's own terms of a text, in order, repeated ones repeated."""
        return terms(text)

    def document_frequency(self, term: str) -> int:
        """How many captions hold a term (as ``terms`` gives it)."""
        return self._frequency("caption", term)

    def unknown(self, words: str) -> list[str]:
        """The pieces of a query text none of whose terms any case has, for a note to the user."""
        pieces = [
            piece
            for leaf in _leaves(parse(words))
            if not (isinstance(leaf, Word) and leaf.prefix)
            for piece in leaf.text.split()
        ]
        return [
            piece
            for piece in dict.fromkeys(pieces)
            if (found := terms(piece))
            and not any(map(self._known, found))
            and not self._frequency("exact", id_mark(piece))
        ]

    def search(
        self,
        words: str,
        k: int,
        allowed: Mask | None = None,
        order: Order | None = None,
        also: Mapping[str, float] | None = None,
    ) -> tuple[Keys, Scores]:
        """The best ``k`` cases for words (see ``language``): keys and scores, best first.

        ``allowed`` (one bool a case key) leaves the others out. Equal scores go by
        ``order[key]``, the rank of the case's id, or else by key. A case whose id or whole
        caption is the query comes first, with at least the score of the best of the others.
        ``also`` are terms (as ``terms`` gives them) that may be there too, each with its weight
        beside a word's 1; what the words require or forbid they cannot change.
        """
        also = also or {}
        query = self._asking(words, also)
        marks = {m: w for m, w in marks_of_query(words).items() if self._frequency("exact", m)}
        if not marks:
            return self._best(query, k, allowed, order)
        # More than any sum of weights can be, so that nothing else comes before.
        weight = len(terms(words)) + 1 + sum(also.values())
        bonus = 8.0 * weight * (1 + math.log(self.size + 1))
        exact = tantivy.Query.disjunction_max_query(
            [
                tantivy.Query.const_score_query(self._term("exact", mark), bonus + closeness)
                for mark, closeness in marks.items()
            ]
        )
        both = tantivy.Query.boolean_query(
            [(tantivy.Occur.Should, query), (tantivy.Occur.Should, exact)]
        )
        keys, scores = self._best(both, k, allowed, order)
        whole = scores >= bonus
        best_other = float(scores[~whole].max(initial=0.0))
        scores[whole] = np.maximum(scores[whole] - np.float32(bonus), best_other)
        return keys, scores

    def has_id(self, words: str) -> bool:
        """Whether a text is the id of a case."""
        return bool(self._frequency("exact", id_mark(words)))

    def search_terms(
        self,
        weights: Mapping[str, float],
        k: int,
        allowed: Mask | None = None,
        order: Order | None = None,
    ) -> tuple[Keys, Scores]:
        """As ``search``, for terms (as ``terms`` gives them), each with a positive weight."""
        return self._best(self._of_terms(weights), k, allowed, order)

    def score(self, words: str, keys: Keys, also: Mapping[str, float] | None = None) -> Scores:
        """The BM25 scores that ``search`` would give these cases, (m,) float32, 0 for no match.

        A case whose id or whole caption is the query gets the score of its words alone.
        """
        return self._score(self._asking(words, also or {}), keys)

    def score_terms(self, weights: Mapping[str, float], keys: Keys) -> Scores:
        """As ``score``, for what ``search_terms`` asks."""
        return self._score(self._of_terms(weights), keys)

    def full_score(self, words: str, also: Mapping[str, float] | None = None) -> float:
        """What a caption of average length with each plain word and phrase once would score.

        Words that no case has count as the rarest; what must not be there does not count.
        """
        asked = dict.fromkeys((t for text in _asked(parse(words)) for t in terms(text)), 1.0)
        for term, weight in (also or {}).items():
            asked[term] = asked.get(term, 0.0) + weight
        return sum(w * self._idf(self._frequency("caption", term)) for term, w in asked.items())

    def for_rarity(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights that make ``search_terms`` count each term by its weight, not by its rarity."""
        return {
            term: weight / self._idf(self._frequency("caption", term))
            for term, weight in weights.items()
        }

    def matching(self, words: str, allowed: Mask | None = None) -> Keys:
        """The keys, rising, of all cases that have all the words, and all quoted phrases."""
        nodes = list(_leaves(parse(words)))
        queries = [q for node in nodes if (q := self._strict(node, _Guesses(0))) is not None]
        if not queries:
            return np.empty(0, np.int64)
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, q) for q in queries])
        keys = self._keys(query, self.size)
        return keys if allowed is None else keys[allowed[keys]]

    def holding(self, terms: Sequence[str], keys: Keys) -> Mask:
        """Which keys' captions hold which terms (as ``terms`` gives them), (keys, terms) bool."""
        held = np.zeros((len(keys), len(terms)), np.bool_)
        only = tantivy.Query.term_set_query(self._schema, "key", keys.tolist())
        by_key = np.argsort(keys)
        for start in range(0, len(terms), _BITS):
            some = terms[start : start + _BITS]
            # One search for many terms: each adds its own bit to the score.
            clauses = [
                (
                    tantivy.Occur.Should,
                    tantivy.Query.const_score_query(self._term("caption", term), float(1 << bit)),
                )
                for bit, term in enumerate(some)
            ]
            among = (tantivy.Occur.Must, tantivy.Query.const_score_query(only, 0.0))
            query = tantivy.Query.boolean_query([*clauses, among])
            hits = self._searcher.search(query, max(1, len(keys)), count=False).hits
            bits = np.fromiter((int(score) for score, _ in hits), np.int64, len(hits))
            found = self._searcher.fast_field_values("key", [address for _, address in hits])
            rows = by_key[np.searchsorted(keys, np.array(found, np.int64), sorter=by_key)]
            held[rows, start : start + len(some)] = bits[:, None] >> np.arange(len(some)) & 1
        return held

    # --- from the tree to a query ---

    def _of_terms(self, weights: Mapping[str, float]) -> tantivy.Query:
        return tantivy.Query.boolean_query(
            [clause for term, weight in weights.items() for clause in self._any_field(term, weight)]
        )

    def _asking(self, words: str, also: Mapping[str, float]) -> tantivy.Query:
        """A text as a query, and terms that may be there too."""
        tree, guesses = parse(words), _Guesses(FUZZY_WORDS)
        if all(occur is Occur.MAY and isinstance(node, Word) for occur, node in _flat(tree)):
            return self._compile(tree, guesses, also)
        required = (tantivy.Occur.Must, self._compile(tree, guesses))
        return tantivy.Query.boolean_query([required, (tantivy.Occur.Should, self._of_terms(also))])

    def _compile(
        self, group: Group, guesses: _Guesses, also: Mapping[str, float] | None = None
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
        for term in bag:
            clauses += [(tantivy.Occur.Should, q) for q in self._guess(term, guesses)]
        for term, weight in (also or {}).items():
            bag[term] = bag.get(term, 0.0) + weight
        for term, weight in bag.items():
            clauses += self._any_field(term, weight)
        if clauses and all(occur == tantivy.Occur.MustNot for occur, _ in clauses):
            everything = tantivy.Query.const_score_query(tantivy.Query.all_query(), 0.0)
            clauses.append((tantivy.Occur.Must, everything))
        return tantivy.Query.boolean_query(clauses)

    def _strict(self, node: Node, guesses: _Guesses) -> tantivy.Query | None:
        """A node as a query that holds or does not; ``None`` for a node without terms."""
        if isinstance(node, Group):
            return self._compile(node, guesses) if any(_leaves(node)) else None
        found = terms(node.text)
        if not found:
            return None
        if isinstance(node, Word) and node.prefix:
            return self._prefix(node.text)
        if len(found) > 1:
            return _any_of(
                tantivy.Query.boost_query(
                    tantivy.Query.phrase_query(self._schema, field, list(found)), weight
                )
                for field, weight in FIELD_WEIGHTS.items()
            )
        if isinstance(node, Word) and node.distance:
            return _any_of(self._about(found[0], node.distance))
        known = [query for _, query in self._any_field(found[0], 1.0)]
        return _any_of(known + self._guess(found[0], guesses))

    def _any_field(self, term: str, weight: float) -> list[tuple[tantivy.Occur, tantivy.Query]]:
        return [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(self._term(field, term), weight * field_weight),
            )
            for field, field_weight in FIELD_WEIGHTS.items()
            if self._frequency(field, term)
        ]

    def _id_clause(self, piece: str) -> list[tuple[tantivy.Occur, tantivy.Query]]:
        """An id among other words; short or plain ones are more likely to be words."""
        piece = piece.strip(".,;:")
        if len(piece) < _COMMON_ID_LENGTH or not re.search(r"\d", piece):
            return []
        mark = id_mark(piece)
        if not self._frequency("exact", mark):
            return []
        score = self._idf(1)
        return [
            (
                tantivy.Occur.Should,
                tantivy.Query.const_score_query(self._term("exact", mark), score),
            )
        ]

    def _prefix(self, text: str) -> tantivy.Query | None:
        """Words that begin so: each as rare as all of them together, so that none rules."""
        # Stems lose their endings, so that a prefix longer than its stem is found by the stem.
        *before, last = folded_words(text)
        queries: list[tantivy.Query] = []
        for field, weight in FIELD_WEIGHTS.items():
            if stems := terms(" ".join(before)):
                phrase = tantivy.Query.phrase_prefix_query(self._schema, field, [*stems, last])
                queries.append(tantivy.Query.boost_query(phrase, weight))
                continue
            found = dict(self._searcher.terms_with_prefix(field, last, limit=PREFIX_TERMS))
            if len(found) == PREFIX_TERMS:
                pattern = tantivy.Query.regex_query(self._schema, field, re.escape(last) + ".*")
                score = weight * self._idf(sum(found.values()))
                queries.append(tantivy.Query.const_score_query(pattern, score))
                continue
            found |= {t: n for t in terms(last) if (n := self._frequency(field, t))}
            queries += self._alike(field, found, weight)
        mark = id_mark(text)
        if len(text) >= _COMMON_ID_LENGTH and re.search(r"\d", text):
            pattern = tantivy.Query.regex_query(self._schema, "exact", re.escape(mark) + ".*")
            queries.append(tantivy.Query.const_score_query(pattern, 1.0))
        return _any_of(queries)

    def _guess(self, term: str, guesses: _Guesses) -> list[tantivy.Query]:
        """What a word that no case has may have been meant to be."""
        if guesses.left < 1 or len(term) < FUZZY_LENGTH or self._known(term):
            return []
        if any(letter.isdigit() for letter in term):
            return []
        guesses.left -= 1
        return self._about(term, 1)

    def _about(self, term: str, distance: int) -> list[tantivy.Query]:
        """The word and those spelt about so, each as rare as all of them together."""
        queries: list[tantivy.Query] = []
        for field, weight in FIELD_WEIGHTS.items():
            if distance == 1:
                found = {t: n for t in _one_letter_off(term) if (n := self._frequency(field, t))}
                queries += self._alike(field, found, weight)
                continue
            fuzzy = tantivy.Query.fuzzy_term_query(self._schema, field, term, distance)
            if count := _count(self._searcher, fuzzy):
                queries.append(tantivy.Query.const_score_query(fuzzy, weight * self._idf(count)))
        return queries

    def _alike(self, field: str, found: Mapping[str, int], weight: float) -> list[tantivy.Query]:
        """Terms (with their document frequencies) that stand for one word of the query."""
        rarity = self._idf(sum(found.values()))
        return [
            tantivy.Query.boost_query(self._term(field, term), weight * rarity / self._idf(count))
            for term, count in found.items()
        ]

    def _term(self, field: str, term: str) -> tantivy.Query:
        option = "basic" if field == "exact" else "freq"
        return tantivy.Query.term_query(self._schema, field, term, option)

    def _frequency(self, field: str, term: str) -> int:
        return int(self._searcher.doc_freq(field, term))

    def _known(self, term: str) -> bool:
        return any(self._frequency(field, term) for field in FIELD_WEIGHTS)

    def _idf(self, count: int) -> float:
        total = max(self.size, count)
        return math.log(1 + (total - count + 0.5) / (count + 0.5))

    # --- from a query to answers ---

    def _best(
        self, query: tantivy.Query, k: int, allowed: Mask | None, order: Order | None
    ) -> tuple[Keys, Scores]:
        size = self.size
        share = 1.0
        if allowed is not None:
            count = int(np.count_nonzero(allowed))
            share = min(1.0, count / max(size, 1))
            if count and count * SIFTING <= min(size, 1.2 * k / share):
                query = self._among(query, np.flatnonzero(allowed))
                share, allowed = 1.0, None
        if k < 1 or not size or not share:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        limit = min(size, int(1.2 * k / share) + 32)
        while True:
            keys, scores = self._fetch(query, limit)
            fetched, last = len(keys), scores[-1] if len(scores) else 0.0
            if allowed is not None:
                kept = allowed[keys]
                keys, scores = keys[kept], scores[kept]
            complete = len(keys) >= k and (
                scores[k - 1] > last + 10.0**-DECIMALS or fetched >= DEEPEST_TIES
            )
            if complete or fetched < limit or limit >= size:
                break
            limit = min(size, limit * 4)
        ties = keys if order is None else order[keys]
        best = np.lexsort((ties, -scores))[:k]
        return keys[best], scores[best]

    def _among(self, query: tantivy.Query, keys: Keys) -> tantivy.Query:
        """The query, of these cases alone; it adds nothing to a score."""
        only = tantivy.Query.term_set_query(self._schema, "key", keys.tolist())
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Must, query),
                (tantivy.Occur.Must, tantivy.Query.const_score_query(only, 0.0)),
            ]
        )

    def _score(self, query: tantivy.Query, keys: Keys) -> Scores:
        scores = np.zeros(len(keys), np.float32)
        if len(keys):
            found, known = self._fetch(self._among(query, keys), len(keys))
            by_key = np.argsort(keys)
            scores[by_key[np.searchsorted(keys, found, sorter=by_key)]] = known
        return scores

    def _keys(self, query: tantivy.Query, most: int) -> Keys:
        """The keys of all that match, rising; none is scored."""
        found = self._searcher.search(query, max(1, most), count=False, order_by_field="key").hits
        keys = np.fromiter((key for key, _ in found), np.int64, len(found))
        keys.sort()
        return keys

    def _fetch(self, query: tantivy.Query, limit: int) -> tuple[Keys, Scores]:
        hits: Sequence[tuple[float, Any]] = self._searcher.search(query, limit, count=False).hits
        scores = np.fromiter((score for score, _ in hits), np.float64, len(hits))
        keys = np.array(
            self._searcher.fast_field_values("key", [address for _, address in hits]), np.int64
        )
        return keys, np.round(scores, DECIMALS).astype(np.float32)


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
    return not (word.prefix or word.distance)


def _count(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    found: Any = searcher.search(query, 1)
    return int(found.count)


def _one_letter_off(term: str) -> set[str]:
    """A term, and what one letter more, less, other, or one swap of neighbours makes of it."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(term[:at], term[at:]) for at in range(len(term) + 1)]
    made = {a + letter + b for a, b in cuts for letter in letters}
    made |= {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    made |= {a + b[1:] for a, b in cuts if b}
    made |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return (made | {term}) - {""}


def _any_of(queries: Iterable[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _flat(group: Group) -> Iterator[tuple[Occur, Node]]:
    """The clauses of a group; what stands in brackets only by the way, "(arrow)", among them."""
    for occur, node in group.clauses:
        plain = isinstance(node, Group) and all(o is Occur.MAY for o, _ in node.clauses)
        if occur is Occur.MAY and plain and isinstance(node, Group):
            yield from _flat(node)
        else:
            yield occur, node


def _asked(group: Group) -> Iterator[str]:
    """The texts of plain words and phrases that are asked for."""
    for occur, node in group.clauses:
        if occur is Occur.NOT:
            continue
        if isinstance(node, Group):
            yield from _asked(node)
        elif isinstance(node, Phrase) or _is_plain(node):
            yield node.text


def _leaves(group: Group) -> Iterator[Word | Phrase]:
    for _, node in group.clauses:
        if isinstance(node, Group):
            yield from _leaves(node)
        else:
            yield node
