"""Steering: likes and dislikes re-rank the candidates of a first ranking, and bring in new ones.

What a judgement weighs is in ``feedback``; here the evidence is gathered from the indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case
from medclip_search.indexes.columns import Columns
from medclip_search.search import feedback
from medclip_search.search.feedback import Doubles, TermWeight
from medclip_search.search.hits import FeedbackEvidence
from medclip_search.search.retrieve import image_spaces
from medclip_search.search.snapshot import Snapshot

Keys = NDArray[np.int64]
Mask = NDArray[np.bool_]

BROUGHT = 200
"""So many neighbours of each like, and hits of the strongest words, join the candidates."""
ASKING = 10
"""Of many likes, the last so many ask for neighbours."""
FEW_VALUES = 50
"""A metadata column with no more values than this holds labels."""


@dataclass(frozen=True, slots=True)
class Steered:
    """Candidates ranked anew: keys, total log-odds, and how each comes about."""

    keys: Keys
    totals: Doubles
    priors: Doubles
    images: Doubles
    terms: tuple[TermWeight, ...]
    term_evidence: Doubles
    """(n, terms): what each term says of each candidate; the columns are as ``terms``."""
    judged: Doubles

    def evidence(self, place: int) -> FeedbackEvidence:
        """The sum of one candidate, by its place in the ranking from 0."""
        terms = [
            (term.term, float(weight))
            for term, weight in zip(self.terms, self.term_evidence[place], strict=True)
            if weight
        ]
        terms.sort(key=lambda one: (-abs(one[1]), one[0]))
        if self.judged[place]:
            name = "liked" if self.judged[place] > 0 else "disliked"
            terms.insert(0, (f"judged={name}", float(self.judged[place])))
        return FeedbackEvidence(
            float(self.priors[place]),
            tuple(terms),
            float(self.images[place]),
            float(self.totals[place]),
        )


def steer(
    snapshot: Snapshot,
    first: Keys,
    liked: Sequence[int],
    disliked: Sequence[int],
    allowed: Mask | None,
    asked: Sequence[str] = (),
) -> Steered:
    """Rank the cases of a first ranking (best first), and what likes bring in, by evidence.

    ``asked`` are the query's texts: what was asked for is no evidence for or against.
    """
    columns = snapshot.columns
    judged = snapshot.cases([*liked, *disliked])
    weights, labels = _weights(snapshot, judged, liked, disliked, asked)
    keys = np.concatenate((first, _brought(snapshot, first, liked, weights, allowed)))
    ranks = np.minimum(np.arange(1, len(keys) + 1), len(first) + 1)
    priors = feedback.prior(ranks)

    count = len(liked) + len(disliked)
    held = _held(snapshot, keys, weights, labels)
    raw = held * np.array([one.weight for one in weights])
    sums = raw.sum(axis=1)
    scale = np.divide(feedback.bent(sums, count), sums, out=np.zeros_like(sums), where=sums != 0)
    said = feedback.halved_against(raw * scale[:, None])
    images = feedback.halved_against(
        feedback.bent(_image_ratios(snapshot, keys, len(first), liked, disliked), count)
    )
    own = feedback.JUDGED * (np.isin(keys, liked) * 1.0 - np.isin(keys, disliked) * 1.0)

    totals = np.round(priors + said.sum(axis=1) + images + own, 9)
    best = np.lexsort((columns.order[keys], -totals))
    return Steered(
        keys[best],
        totals[best],
        priors[best],
        images[best],
        tuple(weights),
        said[best],
        own[best],
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


_Labels = dict[str, tuple[str, int]]
"""What a label, ``modality=CT``, stands for: a field and a code in it."""


def _weights(
    snapshot: Snapshot,
    cases: dict[int, Case],
    liked: Sequence[int],
    disliked: Sequence[int],
    asked: Sequence[str],
) -> tuple[list[TermWeight], _Labels]:
    """The strongest words and labels of the judged cases, and what the labels stand for."""
    columns, text = snapshot.columns, snapshot.text
    silent = set(text.terms(" ".join((feedback.FUNCTION_WORDS, *asked))))
    sides: list[list[frozenset[str]]] = []
    for keys in (liked, disliked):
        # Figures of one article often share a caption: said twice, it is still one witness.
        captions = dict.fromkeys(
            frozenset(text.terms(cases[key].caption)).difference(silent) for key in keys
        )
        sides.append([one for one in captions if one])
    found = {term: text.document_frequency(term) for side in sides for one in side for term in one}
    words = feedback.term_weights(sides[0], sides[1], found, text.size)

    labels: _Labels = {}
    counts: dict[str, int] = {}
    labelled: list[list[set[str]]] = [[set() for _ in liked], [set() for _ in disliked]]
    for field in label_fields(columns):
        codes = columns.codes(field)
        names = [f"{field}={columns.decode(field, code)}" for code in range(columns.values(field))]
        labels |= {name: (field, code) for code, name in enumerate(names)}
        counts |= dict(zip(names, columns.code_counts(field).tolist(), strict=True))
        for keys, sets in zip((liked, disliked), labelled, strict=True):
            for key, one in zip(keys, sets, strict=True):
                if (code := int(codes[key])) >= 0:
                    one.add(names[code])
    marks = feedback.term_weights(labelled[0], labelled[1], counts, columns.cases)
    strongest = sorted(words + marks, key=lambda one: (-abs(one.weight), one.term))
    return strongest[: feedback.TERMS], labels


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
        found.append(snapshot.text.search_terms(asking, BROUGHT, allowed, order)[0])
    return np.setdiff1d(np.concatenate(found), first)


def _held(
    snapshot: Snapshot, keys: Keys, weights: Sequence[TermWeight], labels: _Labels
) -> Doubles:
    """(n, terms): 1 where a candidate has the term."""
    held = np.zeros((len(keys), len(weights)))
    words: list[int] = []
    for at, one in enumerate(weights):
        if one.term in labels:
            field, code = labels[one.term]
            held[:, at] = snapshot.columns.codes(field)[keys] == code
        else:
            words.append(at)
    held[:, words] = snapshot.text.holding([weights[at].term for at in words], keys)
    return held


def _image_ratios(
    snapshot: Snapshot, keys: Keys, first: int, liked: Sequence[int], disliked: Sequence[int]
) -> Doubles:
    """What likeness to the judged images says of each candidate, the mean over the spaces."""
    ratios = []
    for space in image_spaces(snapshot):
        index = snapshot.vectors[space]
        # The few judged cases first: the index walks through the others block by block.
        likeness = np.asarray(index.pairwise([*liked, *disliked], keys), np.float64).T
        background = likeness[:first][~np.isin(keys[:first], [*liked, *disliked])]
        likes = slice(None, len(liked))
        dislikes = slice(len(liked), None)
        ratios.append(
            feedback.image_ratio(likeness[:, likes], background[:, likes])
            # Being unlike what is disliked speaks for nothing: most cases are.
            - np.maximum(feedback.image_ratio(likeness[:, dislikes], background[:, dislikes]), 0)
        )
    return np.mean(ratios, axis=0) if ratios else np.zeros(len(keys))
