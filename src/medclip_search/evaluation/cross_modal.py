"""Cross-modal retrieval as papers report it: each picture must find its own caption, and back.

Over a pool of pairs, pictures and captions are ranked by the cosine of their vectors in a joint
space and by nothing else (no words of the caption, no index). R@k is the share of queries whose own
counterpart is among the first k, the measure of Karpathy and Fei-Fei (Deep Visual-Semantic
Alignments for Generating Image Descriptions, CVPR 2015). Counterparts of equal cosine count as
ranked before one's own, so that a model that cannot tell them apart gets no credit for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medclip_search.api import Library
from medclip_search.cases import Case
from medclip_search.errors import EvaluationError, UsageError
from medclip_search.evaluation.draw import draw
from medclip_search.evaluation.measures import MEDIAN_RANK, Scores, check_measures
from medclip_search.evaluation.outcome import Evaluation
from medclip_search.progress import SILENT, Progress

Floats = NDArray[np.float32]

DEFAULT = ("R@1", "R@5", "R@10", MEDIAN_RANK)
BATCH = 64
ROWS = 512
EQUAL = 1e-6
"""Cosines that differ by less are equal: products are rounded one way here and another there."""


def evaluate_cross_modal(
    library: Library,
    *,
    measures: Sequence[str] = DEFAULT,
    pool: int | None = None,
    seed: int = 0,
    where: Sequence[str] = (),
    space: str = "",
    progress: Progress = SILENT,
) -> Evaluation:
    """``image-to-caption`` and ``caption-to-image``: R@k, for any k, and the median rank.

    The pool is every case with a picture and a caption that passes the filters, or so many of
    them, drawn by ``seed``. ``space`` names the joint space where there are several. Captions'
    vectors are the library's where it has them, else they are made now. Intervals draw articles
    where these are known.

    Raises ``UsageError`` where no space embeds words, ``EvaluationError`` for too small a pool.
    """
    names = check_measures(measures)
    if other := [one for one in names if one != MEDIAN_RANK and not one.startswith("R@")]:
        raise UsageError(f"--measures: {other[0]} is not of --protocol cross-modal: R@k, MedR")
    space, caption_space = _spaces(library, space)
    pairs = [case for case in library.cases(where=where) if case.image and case.caption]
    pairs = draw(pairs, pool, seed, "--pool")
    images = library.vectors(space, [case.id for case in pairs])
    held = np.flatnonzero(np.isfinite(images).all(axis=1))
    lost = len(pairs) - len(held)
    pairs = [pairs[at] for at in held]
    if len(pairs) < 2:
        raise EvaluationError(
            f"{len(pairs)} cases have a picture's vector and a caption: a pool needs two or more"
        )
    captions = _captions(library, pairs, space, caption_space, progress)
    to_caption, to_image = _ranks(_unit(images[held]), _unit(captions), progress)
    ids = tuple(case.id for case in pairs)
    groups = tuple(case.article or case.id for case in pairs)
    scores = {
        name: Scores(
            ids,
            groups,
            {one: ranks if one == MEDIAN_RANK else _within(ranks, one) for one in names},
        )
        for name, ranks in (("image-to-caption", to_caption), ("caption-to-image", to_image))
    }
    notes = (f"{lost} pictures have no vector in {space} and are left out",) if lost else ()
    facts = {"protocol": "cross-modal", "space": space, "pool": len(pairs), "seed": seed}
    return Evaluation(scores, notes=notes, facts=facts)


def _spaces(library: Library, wanted: str) -> tuple[str, str]:
    """The joint space, and that of the captions beside it (``""`` where there is none)."""
    spaces = library.info()["spaces"]
    joint = [one["name"] for one in spaces if one["embeds_words"] and one["holds"] == "images"]
    if not joint:
        raise UsageError(
            "--protocol cross-modal: words and pictures share no space in this library; build one "
            "with --encoder biomedclip"
        )
    if wanted and wanted not in joint:
        raise UsageError(f"--space {wanted}: no joint space; there are: {', '.join(joint)}")
    if not wanted and len(joint) > 1:
        raise UsageError(f"--space: say which; the joint spaces are: {', '.join(joint)}")
    space = wanted or joint[0]
    beside = [one["name"] for one in spaces if one["holds"] == "captions" and one["joint"] == space]
    return space, beside[0] if beside else ""


def _captions(
    library: Library, pairs: Sequence[Case], space: str, caption_space: str, progress: Progress
) -> Floats:
    """The captions' vectors, (n, dimension): the library's, and those that it lacks made now."""
    known = (
        library.vectors(caption_space, [case.id for case in pairs])
        if caption_space
        else np.full((len(pairs), 1), np.nan, np.float32)
    )
    missing = np.flatnonzero(~np.isfinite(known).all(axis=1))
    made = []
    with progress("captions", len(missing), "caption") as advance:
        for start in range(0, len(missing), BATCH):
            some = missing[start : start + BATCH]
            made.append(library.embed_words([pairs[at].caption for at in some])[space])
            advance(len(some))
    if not made:
        return known
    rows = np.concatenate(made)
    if len(missing) == len(pairs):
        return rows
    known[missing] = rows
    return known


def _ranks(
    images: Floats, captions: Floats, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rank of its caption for each image, and of its image for each caption, both (n,)."""
    own = np.einsum("ij,ij->i", images, captions) - EQUAL
    to_caption = np.zeros(len(own))
    to_image = np.zeros(len(own))
    with progress("ranks", len(own), "pair") as advance:
        for start in range(0, len(own), ROWS):
            part = slice(start, start + ROWS)
            cosines = images[part] @ captions.T
            to_caption[part] = (cosines >= own[part, None]).sum(axis=1)
            to_image += (cosines >= own[None, :]).sum(axis=0)
            advance(len(cosines))
    return to_caption, to_image


def _within(ranks: NDArray[np.float64], measure: str) -> NDArray[np.float64]:
    """Whether each rank is at most the k of R@k."""
    return (ranks <= int(measure.removeprefix("R@"))).astype(np.float64)


def _unit(rows: Floats) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)
