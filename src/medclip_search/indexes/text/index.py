"""The text index: BM25 over captions, keywords and ids, by tantivy.

Scores are BM25 (Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond,
2009) with k1 = 1.2 and b = 0.75, which tantivy fixes, as is its rounding of lengths to one byte.
Nothing is stored in the index but the case keys, as a column; the catalogue holds the texts.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Mapping, Sequence, Set
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import tantivy
from numpy.typing import NDArray

from medclip_search.indexes.text import mining
from medclip_search.indexes.text.abbreviations import Abbreviation, Form, both_ways
from medclip_search.indexes.text.analyser import ANALYSER, terms
from medclip_search.indexes.text.building import FIELD_WEIGHTS
from medclip_search.indexes.text.compiling import (
    ALONE,
    Also,
    Compiler,
    any_of,
    asked_texts,
    guessable,
    leaves,
    plain_terms,
)
from medclip_search.indexes.text.files import Counts, damaged, links_to, open_index, read_counts
from medclip_search.indexes.text.language import Word, parse
from medclip_search.indexes.text.marks import id_mark, marks_of_query
from medclip_search.indexes.text.matching import TermCases

Keys = NDArray[np.int64]
Scores = NDArray[np.float32]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]
Order = NDArray[np.int32]

K1 = 1.2
B = 0.75

SIFTING = 4
"""To name an allowed case in the query costs as much as to sift so many answers (measured)."""
NAMED = 20_000
"""More cases than that are found in one walk through all keys; fewer are looked up (measured)."""
_TOGETHER = 32
"""So many are looked up together: tantivy asks each part of a union at every 4,096th case."""
SPARE = 64
"""So many more than asked for are fetched, and an eighth, lest equal scores make it ask again
(measured)."""
LOOKED_AT = 64
"""Common words put so many more than asked for in order: pages then hold what they hold by a walk
through them (measured), and captions asked for by some of their words are found as often
(``python -m benchmarks.common_words``)."""
LOOKED_AT_EACH = 4
"""No more than so many for each that is asked for: the ten that an expansion is taken from."""
FEW = 160
"""For so few, what very many cases have of the terms that join a query is looked up (measured).
Lists that are fused are deeper: what is near in another list may stand anywhere in them."""
DEEPEST_TIES = 1 << 17
"""Equal scores are completed, to be ordered by id, until so many answers were looked at."""
DECIMALS = 3
"""Scores are rounded, for sums of the same weights in another order must still tie."""
_BITS = 23  # whole numbers that a float32 score holds exactly


class TextIndex:
    """An opened text index; immutable, and safe for use by several threads and processes."""

    def __init__(
        self,
        counts: Counts,
        searcher: tantivy.Searcher,
        schema: tantivy.Schema,
        mined: Sequence[Abbreviation] = (),
    ) -> None:
        self.abbreviated = both_ways(mined)
        self._counts = counts
        self._searcher = searcher
        self._schema = schema
        compiler = self._compiler = Compiler(searcher, schema)
        self._cases = TermCases(lambda term: _all_keys(searcher, compiler.of_terms({term: 1.0})))

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
                mined = mining.read(folder)
                return cls(read_counts(folder), index.searcher(), index.schema, mined)
            except (ValueError, TypeError) as error:
                raise damaged(folder, error, private) from error

    def close(self) -> None:
        """Let go of the files."""
        self.__dict__.pop("_searcher", None)
        self.__dict__.pop("_compiler", None)
        self.__dict__.pop("_cases", None)

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
            "forms of abbreviations": len(self.abbreviated.others),
        }

    def terms(self, text: str) -> list[str]:
        """The index's own terms of a text, in order, repeated ones repeated."""
        return terms(text)

    def asked(self, words: str) -> list[str]:
        """The terms that a query text asks for, each once; not those it forbids."""
        texts = asked_texts(parse(words))
        return list(dict.fromkeys(term for text in texts for term in terms(text)))

    def plain(self, words: str) -> Form:
        """The terms of the words of a text that may be there, in their order."""
        return plain_terms(parse(words))

    def document_frequency(self, term: str) -> int:
        """How many captions hold a term (as ``terms`` gives it)."""
        return self._compiler.frequency("caption", term)

    def phrase_frequency(self, terms: Sequence[str]) -> int:
        """How many captions hold terms (as ``terms`` gives them) side by side, in this order."""
        if len(terms) == 1:
            return self.document_frequency(terms[0])
        query = tantivy.Query.phrase_query(self._schema, "caption", list(terms))
        found: Any = self._searcher.search(query, 1)
        return int(found.count)

    def unknown(self, words: str) -> list[str]:
        """The pieces of a query text none of whose terms any case has, for a note to the user."""
        pieces = [
            piece
            for leaf in leaves(parse(words))
            if not (isinstance(leaf, Word) and (leaf.prefix or leaf.wild))
            for piece in leaf.text.split()
        ]
        return [
            piece
            for piece in dict.fromkeys(pieces)
            if (found := terms(piece))
            and not any(map(self._compiler.known, found))
            and not self._compiler.frequency("exact", id_mark(piece))
        ]

    def knows(self, term: str) -> bool:
        """Whether any case has a term (as ``terms`` gives it)."""
        return self._compiler.known(term)

    def guesses_at(self, piece: str) -> bool:
        """Whether ``search`` looks for words one letter off an unknown piece."""
        return any(map(guessable, terms(piece)))

    def search(
        self,
        words: str,
        k: int,
        allowed: Mask | None = None,
        order: Order | None = None,
        also: Also = ALONE,
        silent: Set[str] = frozenset(),
    ) -> tuple[Keys, Scores]:
        """The best ``k`` cases for words (see ``language``): keys and scores, best first.

        ``allowed`` (one bool a case key) leaves the others out. Equal scores go by
        ``order[key]``, the rank of the case's id, or else by key. A case whose id or whole
        caption is the query comes first, with at least the score of the best of the others.
        ``also`` is what is searched for beside the words, which cannot change what they require
        or forbid. ``silent`` terms that very many cases have only put in order what the others
        find, up to ``LOOKED_AT`` cases more than asked for; so do, where no more than ``FEW`` are
        asked for and the others find as many, terms of ``also``.
        """
        marks = {
            m: w for m, w in marks_of_query(words).items() if self._compiler.frequency("exact", m)
        }
        if not marks:
            common = self._compiler.common(words, silent, also, beside=k <= FEW)
            found = self._found(words, k, allowed, order, also, common)
            if k <= FEW and len(found[0]) < k:  # what joins the words is to fill the list
                fewer = self._compiler.common(words, silent, also)
                if fewer != common:
                    found = self._found(words, k, allowed, order, also, fewer)
            return found
        query = self._compiler.query(words, also)
        # More than any sum of weights can be, so that nothing else comes before.
        weight = len(terms(words)) + 1 + sum(also.terms.values())
        bonus = 8.0 * weight * (1 + math.log(self.size + 1))
        exact = tantivy.Query.disjunction_max_query(
            [
                tantivy.Query.const_score_query(
                    self._compiler.term("exact", mark), bonus + closeness
                )
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

    def _found(
        self,
        words: str,
        k: int,
        allowed: Mask | None,
        order: Order | None,
        also: Also,
        common: Mapping[str, float],
    ) -> tuple[Keys, Scores]:
        """The best ``k`` cases for words, of which the ``common`` ones only put in order."""
        query = self._compiler.query(words, also, common.keys())
        return self._best(query, k, allowed, order, self._compiler.clauses(common))

    def has_whole(self, words: str) -> bool:
        """Whether a text is the id or the whole caption of a case."""
        return any(self._compiler.frequency("exact", mark) for mark in marks_of_query(words))

    def whole(self, words: str) -> Keys:
        """The keys, rising, of the cases whose id or whole caption a text is."""
        if not self.has_whole(words):
            return np.empty(0, np.int64)
        marks = [self._compiler.term("exact", mark) for mark in marks_of_query(words)]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, mark) for mark in marks])
        return self._keys(query, self.size)

    def has_id(self, words: str) -> bool:
        """Whether a text is the id of a case."""
        return bool(self._compiler.frequency("exact", id_mark(words)))

    def search_terms(
        self,
        weights: Mapping[str, float],
        k: int,
        allowed: Mask | None = None,
        order: Order | None = None,
    ) -> tuple[Keys, Scores]:
        """As ``search``, for terms (as ``terms`` gives them), each with a positive weight."""
        return self._best(self._compiler.of_terms(weights), k, allowed, order)

    def score(
        self, words: str, keys: Keys, also: Also = ALONE, silent: Set[str] = frozenset()
    ) -> Scores:
        """The BM25 scores that ``search`` would give these cases, (m,) float32, 0 for no match.

        A case whose id or whole caption is the query gets the score of its words alone.
        """
        common = self._compiler.common(words, silent, also)
        query = self._compiler.query(words, also, common.keys())
        return _rounded(self._score([query, *self._compiler.clauses(common)], keys))

    def score_terms(self, weights: Mapping[str, float], keys: Keys) -> Scores:
        """As ``score``, for terms as ``search_terms`` asks for them; these may speak against, too.

        Only where the best are looked for must weights be positive: every case given is scored.
        """
        return _rounded(self._score([self._compiler.of_terms(weights)], keys))

    def full_score(self, words: str, also: Also = ALONE) -> float:
        """What a caption of average length with each plain word and phrase once would score.

        Words that no case has count as the rarest; what must not be there does not count.
        """
        asked = dict.fromkeys(self.asked(words), 1.0)
        for term, weight in also.terms.items():
            asked[term] = asked.get(term, 0.0) + weight
        return sum(
            w * self._compiler.rarity(self._compiler.frequency("caption", term))
            for term, w in asked.items()
        )

    def for_rarity(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights that make ``search_terms`` count each term by its weight, not by its rarity."""
        return {
            term: weight / self._compiler.rarity(self._compiler.frequency("caption", term))
            for term, weight in weights.items()
        }

    def matching(self, words: str, allowed: Mask | None = None) -> Keys:
        """The keys, rising, of all cases that have all the words, and all quoted phrases."""
        query = self._compiler.all_of(words)
        if query is None:
            return np.empty(0, np.int64)
        keys = self._keys(query, self.size)
        return keys if allowed is None else keys[allowed[keys]]

    def matches(
        self,
        words: str,
        size: int,
        silent: Set[str] = frozenset(),
        also: Also = ALONE,
        *,
        every: bool = False,
    ) -> Mask:
        """All cases that a text matches as it is typed, (size,) bool over keys; none is scored.

        Plain words match where any is there (``every``: where all are, if there is nothing else in
        the text), those of ``silent`` terms aside; of ``also`` the ``forms`` that stand for typed
        words count, the other terms do not.
        """
        found, query = self._compiler.matches(words, silent, also)
        matched = self._cases.holding(found, size, every=every)
        if query is not None:
            matched[self._keys(query, self.size)] = True
        if self.has_whole(words):
            matched[self.whole(words)] = True
        return matched

    def holding(self, terms: Sequence[str], keys: Keys) -> Mask:
        """Which keys' captions hold which terms (as ``terms`` gives them), (keys, terms) bool."""
        held = np.zeros((len(keys), len(terms)), np.bool_)
        only = self._only(keys)
        by_key = np.argsort(keys)
        for start in range(0, len(terms), _BITS):
            some = terms[start : start + _BITS]
            # One search for many terms: each adds its own bit to the score.
            clauses = [
                (
                    tantivy.Occur.Should,
                    tantivy.Query.const_score_query(
                        self._compiler.term("caption", term), float(1 << bit)
                    ),
                )
                for bit, term in enumerate(some)
            ]
            query = tantivy.Query.boolean_query([*clauses, (tantivy.Occur.Must, only)])
            hits = self._searcher.search(query, max(1, len(keys)), count=False).hits
            bits = np.fromiter((int(score) for score, _ in hits), np.int64, len(hits))
            found = self._searcher.fast_field_values("key", [address for _, address in hits])
            rows = by_key[np.searchsorted(keys, np.array(found, np.int64), sorter=by_key)]
            held[rows, start : start + len(some)] = bits[:, None] >> np.arange(len(some)) & 1
        return held

    # --- from a query to answers ---

    def _best(
        self,
        query: tantivy.Query,
        most: int,
        allowed: Mask | None,
        order: Order | None,
        then: Sequence[tantivy.Query] = (),
    ) -> tuple[Keys, Scores]:
        """The best for a query; what the queries of ``then`` give them is added to their scores."""
        size = self.size
        k = most + min(LOOKED_AT, LOOKED_AT_EACH * most) if then and most > 0 else most
        share = 1.0
        if allowed is not None:
            count = int(np.count_nonzero(allowed))
            share = min(1.0, count / max(size, 1))
            if count and count * SIFTING <= min(size, 1.2 * k / share):
                query = self._among(query, np.flatnonzero(allowed))
                share, allowed = 1.0, None
        if k < 1 or not size or not share:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        limit = min(size, SPARE + k // 8 + (k if share == 1 else int(1.2 * k / share)))
        while True:
            keys, found = self._fetch(query, limit)
            fetched = len(keys)
            scores = _rounded(found)
            last = scores[-1] if fetched else 0.0
            if allowed is not None:
                kept = allowed[keys]
                keys, found, scores = keys[kept], found[kept], scores[kept]
            complete = len(keys) >= k and (
                scores[k - 1] > last + 10.0**-DECIMALS or fetched >= DEEPEST_TIES
            )
            if complete or fetched < limit or limit >= size:
                break
            limit = min(size, limit * 4)
        best = _first(keys, scores, k, order)
        if then:
            keys, found = keys[best], found[best]
            scores = _rounded(found + self._score(then, keys))
            best = _first(keys, scores, most, order)
        return keys[best], scores[best]

    def _among(self, query: tantivy.Query, keys: Keys) -> tantivy.Query:
        """The query, of these cases alone; it adds nothing to a score."""
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, query), (tantivy.Occur.Must, self._only(keys))]
        )

    def _only(self, keys: Keys) -> tantivy.Query:
        """These cases, each with the score 0."""
        if len(keys) > NAMED:
            among = tantivy.Query.term_set_query(self._schema, "key", keys.tolist())
        else:
            named = [
                tantivy.Query.term_query(self._schema, "key", key, "basic")
                for key in np.sort(keys).tolist()  # neighbours together are done with together
            ]
            among = any_of(
                any_of(named[at : at + _TOGETHER]) for at in range(0, len(named), _TOGETHER)
            )
        return tantivy.Query.const_score_query(among, 0.0)

    def _score(self, queries: Sequence[tantivy.Query], keys: Keys) -> Doubles:
        """The sums of what queries give these cases, (m,), 0 for no match.

        A query of one term is looked up for each case; one of several is walked through.
        """
        scores = np.zeros(len(keys))
        if len(keys):
            scored = self._only(keys)
            for one in queries:
                parts = [(tantivy.Occur.Must, scored), (tantivy.Occur.Should, one)]
                scored = tantivy.Query.boolean_query(parts)
            found, known = self._fetch(scored, len(keys))
            by_key = np.argsort(keys)
            scores[by_key[np.searchsorted(keys, found, sorter=by_key)]] = known
        return scores

    def _keys(self, query: tantivy.Query, most: int) -> Keys:
        """The keys of all that match, rising; none is scored."""
        return _all_keys(self._searcher, query, most)

    def _fetch(self, query: tantivy.Query, limit: int) -> tuple[Keys, Doubles]:
        hits: Sequence[tuple[float, Any]] = self._searcher.search(query, limit, count=False).hits
        scores, addresses = zip(*hits, strict=True) if hits else ((), ())
        keys = self._searcher.fast_field_values("key", list(addresses))
        return np.array(keys, np.int64), np.array(scores, np.float64)


def _rounded(scores: Doubles) -> Scores:
    return np.round(scores, DECIMALS).astype(np.float32)


def _first(keys: Keys, scores: Scores, k: int, order: Order | None) -> Keys:
    """Where the best ``k`` stand, best first."""
    ties = keys if order is None else order[keys]
    return np.lexsort((ties, -scores))[:k]


def _all_keys(searcher: tantivy.Searcher, query: tantivy.Query, most: int | None = None) -> Keys:
    """The keys of all that match, rising."""
    most = int(searcher.num_docs) if most is None else most
    found = searcher.search(query, max(1, most), count=False, order_by_field="key").hits
    keys = np.fromiter((key for key, _ in found), np.int64, len(found))
    keys.sort()
    return keys
