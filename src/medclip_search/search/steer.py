"""Steering: likes and dislikes re-rank the candidates of a first ranking, and bring in new ones.

What a judgement weighs is in ``feedback``; here the evidence is gathered from the indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case
from medclip_search.indexes.columns import Columns
from medclip_search.search import feedback
from medclip_search.search.feedback import Doubles, TermWeight
from medclip_search.search.function_words import silent
from medclip_search.search.hits import FeedbackEvidence
from medclip_search.search.retrieve import image_spaces
from medclip_search.search.snapshot import Snapshot

Keys = NDArray[np.int64]
Mask = NDArray[np.bool_]

BROUGHT = 200
"""So many neighbours of each like, and hits of the strongest words, join the candidates."""
ASKING = 10
"""Of many likes, the last so many ask for neighbours."""
ASKING_WORDS = 20
"""So many of the strongest words, which are rare, ask for captions."""
NEAR = 100
"""A case of the tray has to do with the query if it is among so many of the first ranking."""
FINE = 1000.0
"""A text index rounds its scores: words are weighed in thousandths, so that their sums add up."""
FEW_VALUES = 50
"""A metadata column with no more values than this holds labels."""

_Labels = dict[str, tuple[str, int]]
"""What a label, ``modality=CT``, stands for: a field and a code in it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The keys of liked, disliked and kept cases; none is in two of them."""

    liked: tuple[int, ...]
    disliked: tuple[int, ...]
    kept: tuple[int, ...] = ()

    @property
    def sides(self) -> tuple[tuple[int, ...], ...]:
        return (self.liked, self.disliked, self.kept)


@dataclass(frozen=True, slots=True)
class Steered:
    """Candidates ranked anew: keys, and for each its total log-odds and what these come from."""

    keys: Keys
    totals: Doubles
    ranks: Keys
    """The rank in the first ranking, from 1; 0 for a case that likes brought in."""
    priors: Doubles
    images: Doubles
    scales: Doubles
    """By this the weights of a case's words and labels are multiplied."""
    own: Doubles
    terms: tuple[TermWeight, ...]
    judged: Judged
    _snapshot: Snapshot
    _labels: _Labels

    def evidence(self, keys: Sequence[int]) -> list[FeedbackEvidence]:
        """The sum of each of some candidates, term by term."""
        wanted = np.asarray(keys, np.int64)
        by_key = np.argsort(self.keys)
        places = by_key[np.searchsorted(self.keys, wanted, sorter=by_key)]
        each = [_said(self._snapshot, wanted, [one], self._labels) for one in self.terms]
        said = np.array(each).reshape(len(each), len(wanted)) * self.scales[places]
        return [self._evidence(int(place), said[:, at].tolist()) for at, place in enumerate(places)]

    def _evidence(self, place: int, said: Sequence[float]) -> FeedbackEvidence:
        terms = [
            (term.term, weight) for term, weight in zip(self.terms, said, strict=True) if weight
        ]
        terms.sort(key=lambda one: (-abs(one[1]), one[0]))
        if own := float(self.own[place]):
            terms.insert(0, (f"judged={'liked' if own > 0 else 'disliked'}", own))
        return FeedbackEvidence(
            float(self.priors[place]),
            tuple(terms),
            float(self.images[place]),
            float(self.totals[place]),
            int(self.ranks[place]) or None,
        )


def steer(
    snapshot: Snapshot,
    first: Keys,
    liked: Sequence[int],
    disliked: Sequence[int],
    allowed: Mask | None,
    tray: Sequence[int] = (),
    *,
    asked: bool = True,
) -> Steered:
    """Rank the cases of a first ranking (best first), and what likes bring in, by evidence.

    Likes and dislikes come in the order in which they were given. Of the ``tray`` only those cases
    count that have to do with the query (``NEAR``). Where nothing was ``asked``, the likes made the
    first ranking themselves, and their ranks in it tell nothing of it.
    """
    kept = np.setdiff1d(np.intersect1d(tray, first[:NEAR]), [*liked, *disliked])
    judged = Judged(tuple(liked), tuple(disliked), tuple(kept.tolist()))
    cases = snapshot.cases([key for side in judged.sides for key in side])
    weights, labels = _weights(snapshot, cases, judged)
    keys = np.concatenate((first, _brought(snapshot, first, liked, weights, allowed)))
    ranks = np.minimum(np.arange(1, len(keys) + 1), len(first) + 1)
    rank_of = dict(zip(first.tolist(), range(1, len(first) + 1), strict=True))
    found = [
        [rank_of[key] for key in side if key in rank_of]
        for side in (liked if asked else (), disliked)
    ]
    priors = feedback.prior(ranks, feedback.steepness(*found))

    raw = feedback.DEPENDENCE * _said(snapshot, keys, weights, labels)
    said = feedback.bent(raw)
    bending = np.divide(said, raw, out=np.ones_like(raw), where=np.abs(raw) > 1e-9)
    # Scores of words are of single precision: what differs in their last bits must still tie.
    said = np.round(said, 5)
    explaining = ranks if asked else np.ones_like(ranks)
    images = _image_evidence(snapshot, keys, explaining, ranks <= len(first), judged)
    own = feedback.JUDGED * (np.isin(keys, liked) * 1.0 - np.isin(keys, disliked) * 1.0)

    totals = np.round(priors + said + images + own, 9)
    best = np.lexsort((snapshot.columns.order[keys], -totals))
    return Steered(
        keys[best],
        totals[best],
        np.where(ranks <= len(first), ranks, 0)[best],
        priors[best],
        images[best],
        feedback.DEPENDENCE * bending[best],
        own[best],
        tuple(weights),
        judged,
        snapshot,
        labels,
    )


def label_fields(columns: Columns) -> list[str]:
    """The fields whose values are labels: modality, region, metadata columns of few words."""
    known = ("modality", "region")
    others = columns.fields()[len(columns.built_in) :]
    return [
        field
        for field in (*known, *others)
        if not columns.several(field)
        and 1 < columns.values(field) <= FEW_VALUES
        and not columns.is_numeric(field)
    ]


def _weights(
    snapshot: Snapshot, cases: Mapping[int, Case], judged: Judged
) -> tuple[list[TermWeight], _Labels]:
    """The strongest words and labels of the judged cases, and what the labels stand for."""
    columns, text = snapshot.columns, snapshot.text
    captions = [
        [frozenset(text.terms(cases[key].caption)).difference(silent()) for key in keys]
        for keys in judged.sides
    ]
    # Figures of one article often share a caption: said twice, it is still one witness.
    liked, disliked, kept = ([one for one in dict.fromkeys(side) if one] for side in captions)
    witnesses = (*liked, *disliked, *kept)
    frequencies = {term: text.document_frequency(term) for one in witnesses for term in one}
    words = []
    for word in feedback.term_weights(liked, disliked, frequencies, text.size, kept):
        # What is told counts cases, as their user does.
        r, s, t = (sum(word.term in caption for caption in side) for side in captions)
        words.append(replace(word, liked=r, disliked=s, kept=t))

    labels: _Labels = {}
    counts: dict[str, int] = {}
    labelled: list[list[set[str]]] = [[set() for _ in side] for side in judged.sides]
    for field in label_fields(columns):
        codes = columns.codes(field)
        names = [f"{field}={columns.decode(field, code)}" for code in range(columns.values(field))]
        labels |= {name: (field, code) for code, name in enumerate(names)}
        counts |= dict(zip(names, columns.code_counts(field).tolist(), strict=True))
        for keys, sets in zip(judged.sides, labelled, strict=True):
            for key, one in zip(keys, sets, strict=True):
                if (code := int(codes[key])) >= 0:
                    one.add(names[code])
    marks = feedback.term_weights(
        labelled[0], labelled[1], counts, columns.cases, labelled[2], feedback.LABEL_MASS
    )
    return words + marks, labels


def _brought(
    snapshot: Snapshot,
    first: Keys,
    liked: Sequence[int],
    weights: Sequence[TermWeight],
    allowed: Mask | None,
) -> Keys:
    """Cases outside the first ranking that likes bring in, rising."""
    order = snapshot.columns.order
    found: list[Keys] = [np.asarray(liked, np.int64)]
    if allowed is not None:
        found[0] = found[0][allowed[found[0]]]
    for space in image_spaces(snapshot):
        index = snapshot.vectors[space]
        for key in liked[-ASKING:]:
            if (row := index.vector(key)) is not None:
                found.append(index.search(row, BROUGHT, allowed, order)[0])
    asking = {one.term: one.weight for one in weights if one.weight > 0 and "=" not in one.term}
    if asking:
        strongest = dict(sorted(asking.items(), key=lambda one: (-one[1], one[0]))[:ASKING_WORDS])
        wanted = snapshot.text.for_rarity(strongest)
        found.append(snapshot.text.search_terms(wanted, BROUGHT, allowed, order)[0])
    return np.setdiff1d(np.concatenate(found), first)


def _said(
    snapshot: Snapshot, keys: Keys, weights: Sequence[TermWeight], labels: _Labels
) -> Doubles:
    """(n,): the sum of the weights of the words and labels that each case has.

    A word counts as in BM25, with its relevance weight in the place of its rarity: more where it is
    repeated, less in a long caption (Robertson and Zaragoza, 2009).
    """
    said = np.zeros(len(keys))
    words: dict[str, float] = {}
    for one in weights:
        if one.term in labels:
            field, code = labels[one.term]
            said += one.weight * (snapshot.columns.codes(field)[keys] == code)
        else:
            words[one.term] = one.weight
    if words:
        fine = snapshot.text.for_rarity({word: FINE * weight for word, weight in words.items()})
        said += snapshot.text.score_terms(fine, keys) / FINE
    return said


def _image_evidence(
    snapshot: Snapshot, keys: Keys, ranks: Keys, listed: Mask, judged: Judged
) -> Doubles:
    """What likeness to the judged images says of each candidate, the mean over the spaces.

    It is compared with that of those who are ``listed`` in the first ranking.
    """
    asking = [key for side in judged.sides for key in side]
    ends = np.cumsum([len(side) for side in judged.sides])
    background = listed & ~np.isin(keys, asking)
    found = []
    for space in image_spaces(snapshot):
        index = snapshot.vectors[space]
        # The few judged cases first: the index walks through the others block by block.
        likeness = np.asarray(index.pairwise(asking, keys), np.float64).T
        ratios = [
            feedback.image_ratio(likeness[:, start:end], ranks, background)
            for start, end in zip((0, *ends[:-1]), ends, strict=True)
        ]
        found.append(feedback.image_evidence(*ratios))
    return np.mean(found, axis=0) if found else np.zeros(len(keys))
