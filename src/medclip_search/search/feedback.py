"""Feedback: how much likes and dislikes speak for a case, by weight of evidence.

Everything is a log-odds in nats (Good, Probability and the Weighing of Evidence, 1950): the first
ranking gives a prior, each word and label a relevance weight (Robertson and Spärck Jones, Relevance
Weighting of Search Terms, 1976), and likeness to liked and disliked images a log-likelihood ratio;
their sum ranks. Where each number below comes from: docs/feedback.md.

All functions are pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORD_MASS = 20.0
"""The prior mass of a word: the collection counts as so many judged cases, on either side."""
LABEL_MASS = 10.0
"""That of a label: relevant cases share their modality and region more often than a word."""
DEPENDENCE = 0.5
"""What a word or label says beside all the others of its case, which say much of it too."""
MOST = 5.0
"""What all words and labels, or all images, can say together, in nats: odds of 148 to 1."""
AGAINST = 0.5
"""How much a dislike counts beside a like: it names no other wish. (Rocchio's usual weights, 0.75
for and 0.15 against, say the same.)"""
TRAY = 0.3
"""How much a case of the tray counts beside a like: it was kept, for whatever purpose."""
JUDGED = 4.0
"""What a like or a dislike says of the very case it was given to."""
TERMS = 46
"""Only so many words, and as many labels, are weighed."""
SHIFT = 0.5
"""How far likeness among relevant images exceeds the candidates' mean, in their deviations."""
EVEN_RANK = 10
"""The rank in the first ranking at which relevance is held to be an even bet."""
HEAD = 30
"""So many of the first ranking are held to have been looked at, down to the last one judged."""
LOOK = 3
"""So many likes, and dislikes, are held to be of that look; later ones are of later lists."""
STEEPEST = 3.0
"""The first ranking is never trusted more than so: likes must be able to move something."""

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]


def steepness(liked: Sequence[int], disliked: Sequence[int]) -> float:
    """How fast the odds fall with the rank, from 0 (not at all) to ``STEEPEST`` (as its power).

    ``liked`` and ``disliked`` are ranks (from 1) in the first ranking, in the order in which they
    were given. It is trusted as far as it deserves: by the odds of right to wrong on its first
    page. What was passed over says something too: who likes number 9 and said nothing of those
    before it did not like them, and who dislikes number 9 alone did not mind them. So what lies
    between the last like and the last dislike is wrong where the like is the lower of the two, and
    right where the dislike is; above both, it says nothing. (The cascade model of Craswell, Zoeter,
    Taylor and Ramsey, An Experimental Comparison of Click Position-Bias Models, WSDM 2008, read
    either way.)
    """
    right, wrong = (sum(rank <= HEAD for rank in side) for side in (liked, disliked))
    like, dislike = (
        max((rank for rank in side[:LOOK] if rank <= HEAD), default=0) for side in (liked, disliked)
    )
    first, last = sorted((like, dislike))
    passed = len(set(range(first + 1, last)).difference(liked, disliked))
    if like < dislike:
        right += passed
    else:
        wrong += passed
    return min(STEEPEST, (right + 0.5) / (wrong + 0.5))


def prior(ranks: NDArray[np.integer], steep: float = 1.0) -> Doubles:
    """The log-odds of relevance at ranks (from 1): they fall with the rank's logarithm."""
    return np.asarray(steep * (math.log(EVEN_RANK) - np.log(ranks)), np.float64)


def bent(raw: Doubles) -> Doubles:
    """Evidence bent below ``MOST`` by a hyperbolic tangent, sign and order kept."""
    return MOST * np.tanh(raw / MOST)


@dataclass(frozen=True, slots=True)
class TermWeight:
    """The relevance weight of a word or label, and how many judged cases and kept ones have it."""

    term: str
    weight: float
    liked: int
    disliked: int
    kept: int = 0


def term_weights(
    liked: Sequence[Set[str]],
    disliked: Sequence[Set[str]],
    frequencies: Mapping[str, int],
    size: int,
    kept: Sequence[Set[str]] = (),
    mass: float = WORD_MASS,
    most: int = TERMS,
) -> list[TermWeight]:
    """The strongest terms of judged cases, each case given as its set of terms.

    ``frequencies`` tells how many of the ``size`` cases have each term, ``kept`` are the cases of
    the tray. Robertson and Spärck Jones's weight is ``logit p - logit q``: the weight of evidence
    of a term's presence less that of its absence, p being the share of the relevant cases that
    have it, q that of the others. Here p is the share of the liked (of the kept, ``TRAY`` of one
    each), smoothed towards the collection's own share c by ``mass``, and q is the collection's,
    moved by ``AGAINST`` towards the share of the disliked, on the scale of log-odds:
    ``(logit p - logit c) - AGAINST · (logit d - logit c)``.

    Strongest is by what a term is expected to tell the relevant from the others, ``(p - q) ·
    weight`` (Robertson, On Term Selection for Query Expansion, 1990). A term of no case but judged
    ones can bring nothing new and is left out.
    """
    found: list[tuple[float, TermWeight]] = []
    witnesses = len(liked) + TRAY * len(kept)
    for term in sorted(set().union(*liked, *disliked, *kept)):
        r, s, t = (sum(term in one for one in side) for side in (liked, disliked, kept))
        if frequencies.get(term, 0) <= max(r + s + t, 1):
            continue
        share = (frequencies[term] + 0.5) / (max(size, frequencies[term]) + 1)
        common = _logit(share)
        p = (r + TRAY * t + mass * share) / (witnesses + mass)
        d = (s + mass * share) / (len(disliked) + mass)
        weight = (_logit(p) - common) - AGAINST * (_logit(d) - common)
        found.append((abs((p - d) * weight), TermWeight(term, weight, r, s, t)))
    found.sort(key=lambda one: (-one[0], one[1].term))
    return [one for _, one in found[:most]]


def image_ratio(likeness: Doubles, ranks: NDArray[np.integer], background: Mask) -> Doubles:
    """The log-likelihood ratio of candidates' likenesses to judged images, (n, judged) to (n,).

    A candidate is judged by the image that it is most like, beside the ``background`` (n,). What
    its rank explains of that (the rank's logarithm, as a straight line) is no news: where the first
    ranking is one of likeness, what was liked in it is like whatever stands high in it. What is
    left, in deviations of the background's likeness, is x; its variance ρ² is the share that the
    rank does not explain. Likeness of relevant images is taken to be normal as the background's,
    but shifted by ``SHIFT``, of which ρ² is news: the ratio is ``SHIFT · x - SHIFT² · ρ² / 2``.
    Without an image (NaN) there is no evidence, 0.
    """
    ratio = np.zeros(len(likeness))
    if not likeness.shape[1]:
        return ratio
    nearest = np.where(np.isfinite(likeness), likeness, -np.inf).max(axis=1)
    seen = np.isfinite(nearest)
    known = seen & background
    spread = float(nearest[known].std()) if known.any() else 0.0
    if spread < 1e-6:
        return ratio
    beyond = (nearest[seen] - nearest[known].mean()) / spread
    depth = np.log(ranks[seen]) - np.log(ranks[known]).mean()
    among = known[seen]
    if across := float(np.square(depth[among]).sum()):
        beyond -= float(depth[among] @ beyond[among]) / across * depth
    ratio[seen] = SHIFT * beyond - SHIFT**2 * float(np.square(beyond[among]).mean()) / 2
    return ratio


def image_evidence(liked: Doubles, disliked: Doubles, kept: Doubles) -> Doubles:
    """What ratios for the liked, disliked and kept images say together, all (n,).

    Being unlike what is disliked or kept speaks for nothing: most cases are.
    """
    favoured = np.where(kept > 0, np.maximum(liked, TRAY * kept), liked)
    return bent(favoured - AGAINST * np.maximum(disliked, 0))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
