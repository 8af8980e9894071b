"""Re-ranking: a cross-encoder reads the captions of the best hits beside the words asked for.

Its logit is the log-odds of relevance up to a constant of the query's, and so a weight of evidence:
it adds to the prior log-odds of the first ranking (``feedback.prior``: odds fall as 1 / rank). The
two are not independent, for both have seen the words; over ``DEPTH`` ranks the prior spans 4 nats,
MedCPT's logits some 15, so that the network decides where it is sure, and the first ranking where
it is not. That BM25 still helps beside a transformer: S. Wang, S. Zhuang and G. Zuccon, BERT-based
Dense Retrievers Require Interpolation with BM25 for Effective Passage Retrieval, ICTIR 2021.

What was read shares out the places and scores it held; what was not, for want of time or of a
caption, keeps its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import EncoderError
from medclip_search.indexes.text.language import plain
from medclip_search.search.feedback import Doubles, prior
from medclip_search.search.hits import ListEvidence
from medclip_search.search.snapshot import Snapshot

if TYPE_CHECKING:
    from medclip_search.encoders.cross_encoder import CrossEncoder

Keys = NDArray[np.int64]

DEPTH = 50
"""So many of the first hits are read."""
NAME = "cross-encoder"


@dataclass(frozen=True, slots=True)
class Reranked:
    """Keys in their new order, and for each that was read the evidence of it.

    In ``ListEvidence``, ``rank`` is among those read, by logit alone; ``score`` the logit;
    ``share`` what the new place adds to the fused score, so that the shares still add up to it.
    """

    keys: Keys
    evidence: Mapping[int, ListEvidence]
    notes: tuple[str, ...] = ()


def rerank(
    snapshot: Snapshot,
    model: CrossEncoder,
    texts: Sequence[str],
    keys: Keys,
    scores: Doubles,
    milliseconds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Reranked:
    """Order the first ``DEPTH`` of ``keys`` (best first, with their fused ``scores``) anew.

    Captions are read the best first, each once however many hits have it, for as long as others
    are likely to be read within ``milliseconds``; a network that fails is left out with a note.
    """
    until = clock() + milliseconds / 1000
    head = keys[:DEPTH].tolist()
    written = {key: text.strip() for key, text in snapshot.captions_of(head).items()}
    captions = list(dict.fromkeys(text for key in head if (text := written[key])))
    asked = " ".join(words for text in texts if (words := plain(text)))
    if not captions or not asked:
        return Reranked(keys, {})
    try:
        logits = read_best(model, asked, captions, until, clock)
    except EncoderError as error:
        return Reranked(keys, {}, (f"The cross-encoder was left out ({error}).",))
    if not len(logits):
        late = (
            f"The cross-encoder was left out, for {milliseconds} ms are too few to read a caption."
        )
        return Reranked(keys, {}, (late,))
    notes: tuple[str, ...] = ()
    if len(logits) < len(captions):
        notes = (
            f"The cross-encoder read the best {len(logits)} of {len(captions)} captions in "
            f"{milliseconds} ms; the others keep their places.",
        )
    known = dict(zip(captions, logits.tolist(), strict=False))
    told = [known.get(written[key], np.nan) for key in head]
    held = np.flatnonzero(np.isfinite(told))
    return _placed(keys, scores, held, np.array(told)[held], notes)


def read_best(
    model: CrossEncoder,
    asked: str,
    captions: Sequence[str],
    until: float,
    clock: Callable[[], float],
) -> Doubles:
    """The logits of as many captions, from the first on, as time allows.

    The first is read alone, and tells how long others are likely to take. Raises ``EncoderError``.
    """
    logits: list[float] = []
    now, size = clock(), 1
    while size and now < until and len(logits) < len(captions):
        batch = captions[len(logits) : len(logits) + size]
        logits += model.score(asked, batch).tolist()
        began, now = now, clock()
        each = max((now - began) / len(batch), 1e-9)
        size = int(min(model.batch_size, (until - now) / each))
    found = np.array(logits, np.float64)
    if not np.isfinite(found).all():
        raise EncoderError(f"{model.name}: gives scores that are not numbers")
    return found


def _placed(
    keys: Keys, scores: Doubles, held: NDArray[np.int64], logits: Doubles, notes: tuple[str, ...]
) -> Reranked:
    """What stood at the places ``held``, in rising order, set anew among them."""
    order = np.argsort(-(prior(held + 1) + logits), kind="stable")
    ranks = np.empty(len(logits), np.int64)
    ranks[np.argsort(-logits, kind="stable")] = np.arange(1, len(logits) + 1)
    placed = keys.copy()
    placed[held] = keys[held[order]]
    evidence = {
        int(keys[held[one]]): ListEvidence(
            NAME, int(ranks[one]), float(logits[one]), float(scores[to] - scores[held[one]])
        )
        for to, one in zip(held, order, strict=True)
    }
    return Reranked(placed, evidence, notes)
