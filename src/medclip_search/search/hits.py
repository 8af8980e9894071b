"""A hit: a case with its rank, its score, and the evidence for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from medclip_search.cases import Case
from medclip_search.indexes.text.highlighting import Highlight
from medclip_search.search.facets import Facets


@dataclass(frozen=True, slots=True)
class ListEvidence:
    """What one ranked list says of the case: at which rank (from 1), with which score.

    ``name`` is ``words`` (BM25), ``image:SPACE``, ``image-to-captions:SPACE`` (vectors of
    captions), ``vector:SPACE``, ``words:SPACE`` (joint spaces), ``words-to-captions:SPACE``,
    ``words-through-captions:SPACE``, ``not-image:SPACE``, ``like:SPACE``, ``like-words``,
    ``filter``, ``known-item`` (its caption or id is the query) or ``cross-encoder``. ``rank`` is
    ``None`` where the list did not reach down to the case; ``score`` is exact all the same.
    ``share`` is what the list adds to the fused score (negative when unwanted or unlike the
    query, or placed lower by the cross-encoder).
    """

    name: str
    rank: int | None
    score: float
    share: float


DECIBAN = math.log(10) / 10
"""Good's and Turing's unit of evidence, in nats: 10 decibans are odds of 10 to 1."""


@dataclass(frozen=True, slots=True)
class WeightLine:
    """One line of a sum: a weight in decibans (10 log10 of odds), and what it says.

    As text, ``+4.1: also mentions “cavitation”, as 2 of your 3 likes do``.
    """

    decibans: float
    says: str

    def __str__(self) -> str:
        weight = f"{self.decibans:+.1f}".replace("-", "−")
        return f"{weight}: {self.says}"


@dataclass(frozen=True, slots=True)
class FeedbackEvidence:
    """The weight of evidence from likes and dislikes, in nats (natural log-odds).

    ``prior`` is the log-odds given by the first ranking; ``terms`` the weight of each caption
    word or label (``modality=CT``); ``images`` that of likeness to liked and disliked images;
    ``total`` is their sum, by which the hit is ranked. ``rank`` is that in the first ranking;
    ``None`` where likes brought the case in.

    ``lines`` tells the same sum in decibans and in words: the prior, then the weightiest first.
    """

    prior: float
    terms: tuple[tuple[str, float], ...]
    images: float
    total: float
    rank: int | None = None
    lines: tuple[WeightLine, ...] = ()

    @property
    def sum(self) -> WeightLine:
        """The line below the others: what they add up to."""
        return WeightLine(self.total / DECIBAN, "in all")

    def to_json(self) -> dict[str, Any]:
        return {
            "prior": self.prior,
            "terms": [{"term": term, "weight": weight} for term, weight in self.terms],
            "images": self.images,
            "total": self.total,
            "rank": self.rank,
            "decibans": [{"weight": one.decibans, "says": one.says} for one in self.lines],
        }


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``why`` is one plain sentence.

    ``score`` falls with ``rank``, unless diversity or another order is asked for. It is the sum
    of the lists' shares: by ``convex`` fusion a weighted mean of theirs, from about 0 (nothing in
    common with the query) to 1 (the query itself); by ``rrf`` a sum of reciprocal ranks. Where
    likes and dislikes re-rank, it is the log-odds of ``feedback.total``. ``duplicates`` are the
    ids of hits with the same picture that were folded into this one, ``siblings`` those of hits of
    the same group, where groups are asked for; both best first. ``highlights`` are the places of
    the caption that hold the query's words. ``place`` is where the case stands on the map, (x, y)
    in fractions of it; ``None`` where it does not.
    """

    rank: int
    id: str
    score: float
    case: Case
    lists: tuple[ListEvidence, ...] = ()
    feedback: FeedbackEvidence | None = None
    why: str = ""
    duplicates: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    place: tuple[float, float] | None = None

    def carries(self) -> list[str]:
        """What a line or a card says of the hits that this one stands for."""
        same, group = len(self.duplicates), len(self.siblings)
        told = [f"+{same} of the same picture"] if same else []
        return told + ([f"+{group} of its group"] if group else [])

    def to_json(self) -> dict[str, Any]:
        """The one JSON form of a hit, for the command line and the API alike."""
        case = self.case
        evidence: dict[str, Any] = {
            "why": self.why,
            "lists": [
                {"list": e.name, "rank": e.rank, "score": e.score, "share": e.share}
                for e in self.lists
            ],
        }
        if self.feedback is not None:
            evidence["feedback"] = self.feedback.to_json()
        return (
            {"rank": self.rank, "id": self.id, "score": self.score}
            | case_to_json(case)
            | {"duplicates": list(self.duplicates), "siblings": list(self.siblings)}
            | {"highlights": [one.to_json() for one in self.highlights]}
            | {"place": None if self.place is None else list(self.place)}
            | {"evidence": evidence}
        )


def case_to_json(case: Case) -> dict[str, Any]:
    """The one JSON form of a case (without its id)."""
    return {
        "corpus": case.corpus,
        "caption": case.caption,
        "image": str(case.image) if case.image else None,
        "modality": case.modality,
        "region": case.region,
        "year": case.year,
        "article": case.article,
        "article_link": case.article_link,
        "licence": case.licence,
        "licence_class": case.licence_class,
        "keywords": list(case.keywords),
        "cuis": list(case.cuis),
        "metadata": dict(case.metadata),
        "origins": dict(case.origins),
    }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the best hits are called: a phrase as their captions write it.

    ``weight`` is the weight of evidence, in nats, that having it gives for being among them;
    ``hits`` and ``cases`` say how many of their captions, and of the library's, have it.
    """

    text: str
    weight: float
    hits: int
    cases: int

    def to_json(self) -> dict[str, Any]:
        """The one JSON form of a suggestion."""
        return {"text": self.text, "weight": self.weight, "hits": self.hits, "cases": self.cases}


@dataclass(frozen=True, slots=True)
class Hits(Sequence[Hit]):
    """The answers to one query, best first, from one generation.

    ``notes`` are plain sentences about how the query was answered (``compact`` cannot embed
    words, so they met the captions only). ``milliseconds`` is the time the search took.
    ``suggestions``, where the query asked for any, are phrases that the best hits are called by,
    ``facets`` the counts that it asked for. ``start`` hits were passed over before the first;
    ``ranked`` is how many were ranked, these among them; of pages, how many there are in all.
    """

    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()
    generation: int = 0
    milliseconds: float = 0.0
    suggestions: tuple[Suggestion, ...] = ()
    facets: Facets | None = None
    start: int = 0
    ranked: int = 0

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)
