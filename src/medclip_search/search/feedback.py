"""Feedback: how much likes and dislikes speak for a case, by weight of evidence.

Everything is a log-odds in nats (Good, Probability and the Weighing of Evidence, 1950): the first
ranking gives a prior, each word and label a relevance weight (Robertson and Spärck Jones, Relevance
Weighting of Search Terms, 1976), and likeness to liked and disliked images a log-likelihood ratio;
their sum ranks.

Two clicks do not rule. The collection itself stands in as so many judged cases (``MASS``), and
because words of one caption are anything but independent, what all words together, or all images
together, can say is bounded: by ``bound(n)``, which grows with the number of judgements. Sums are
bent below the bound by a hyperbolic tangent, which keeps their order.

All functions are pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MASS = 2.0
"""The prior mass: the collection counts as so many judged cases, on either side."""
MOST = 4.0
"""What words, or images, can say after any number of judgements, in nats."""
JUDGED = 4.0
"""What a like or a dislike says of the very case it was given to."""
TERMS = 20
"""Only so many terms, the strongest, are weighed."""
EVEN_RANK = 10
"""The rank in the first ranking at which relevance is held to be an even bet."""
AGAINST = 0.5
"""How much evidence against counts beside evidence for: one dislike names no other wish. (Rocchio's
usual weights, 0.75 for and 0.15 against, say the same.)"""
SHIFT = 1.0
"""How far likeness among relevant images exceeds the candidates' mean, in their deviations."""

FUNCTION_WORDS = """
a about after against all also an and are as at be been before behind below between both but by
can did do does due each either for from had has have her here his how if in into is it its may
more most near no nor not of off on one only onto or other our out over per same seen several
she should show showing shown shows since so some such than that the their them then there
these they this those through to two under until up upon very was we were what when where which
while who with within without you
"""
"""Words that say nothing of a subject, and so nothing for or against a case."""

Doubles = NDArray[np.float64]


def prior(ranks: NDArray[np.integer]) -> Doubles:
    """The log-odds of relevance at ranks (from 1): odds fall as 1 / rank, even at ``EVEN_RANK``."""
    return np.asarray(math.log(EVEN_RANK) - np.log(ranks), np.float64)


def bound(judgements: int) -> float:
    """What one kind of evidence can say at most after so many judgements, in nats."""
    return MOST * judgements / (judgements + MASS)


def bent(raw: Doubles, judgements: int) -> Doubles:
    """Evidence bent below its bound, sign and order kept."""
    most = bound(judgements)
    return most * np.tanh(raw / most) if most else np.zeros_like(raw)


def halved_against(evidence: Doubles) -> Doubles:
    """Evidence with what speaks against counted by ``AGAINST``."""
    return np.where(evidence < 0, AGAINST * evidence, evidence)


@dataclass(frozen=True, slots=True)
class TermWeight:
    """The relevance weight of a word or label, and how many liked captions have it."""

    term: str
    weight: float
    liked: int
    disliked: int


def term_weights(
    liked: Sequence[Set[str]],
    disliked: Sequence[Set[str]],
    frequencies: Mapping[str, int],
    size: int,
    most: int = TERMS,
) -> list[TermWeight]:
    """The strongest terms of judged cases, each case given as its set of terms.

    ``frequencies`` tells how many of the ``size`` cases have each term. The weight is Robertson
    and Spärck Jones's ``log [p (1 - q) / (q (1 - p))]`` with p and q the shares of liked and of
    disliked cases that have the term, both smoothed towards the collection's own share by
    ``MASS``. Strongest is by the offer weight ``(r + s) · |weight|`` (Robertson, On Term Selection
    for Query Expansion, 1990), r and s being the counts of judged cases with the term. A term of
    no case but judged ones can bring nothing new and is left out.
    """
    found = []
    for term in sorted(set().union(*liked, *disliked)):
        r = sum(term in one for one in liked)
        s = sum(term in one for one in disliked)
        if frequencies.get(term, 0) <= max(r + s, 1):
            continue
        share = (frequencies[term] + 0.5) / (max(size, frequencies[term]) + 1)
        p = (r + MASS * share) / (len(liked) + MASS)
        q = (s + MASS * share) / (len(disliked) + MASS)
        found.append(TermWeight(term, math.log(p * (1 - q) / (q * (1 - p))), r, s))
    found.sort(key=lambda one: (-(one.liked + one.disliked) * abs(one.weight), one.term))
    return found[:most]


def image_ratio(likeness: Doubles, background: Doubles) -> Doubles:
    """The log-likelihood ratio of candidates' likenesses to judged images, (n, judged) to (n,).

    ``background`` (m, judged) is the likeness among cases of the first ranking. In deviations
    from its mean, z, likeness of relevant images is taken to be normal as theirs, but shifted
    by ``SHIFT``: the ratio is ``SHIFT · z - SHIFT² / 2``. A candidate is judged by the image that
    it is most like; without an image (NaN) there is no evidence, 0.
    """
    if not likeness.shape[1]:
        return np.zeros(len(likeness))
    known = background[np.isfinite(background)]
    spread = float(known.std()) if len(known) > 1 else 0.0
    if spread < 1e-6:
        return np.zeros(len(likeness))
    nearest = np.where(np.isfinite(likeness), likeness, -np.inf).max(axis=1)
    seen = np.isfinite(nearest)
    ratio = np.zeros(len(likeness))
    ratio[seen] = SHIFT * (nearest[seen] - known.mean()) / spread - SHIFT**2 / 2
    return ratio
