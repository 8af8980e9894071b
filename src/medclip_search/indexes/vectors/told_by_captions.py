"""What captions tell of pictures: the directions of a space that their words can be read from.

The pictures' directions, one a caption, are regressed on the captions' words (ridge on TF-IDF, in
the first principal components); the space is then stretched along the main directions of what was
predicted, until half of the pictures' likeness is told by them (the same spread along them as in
the space itself). Thus the library's own words teach which features of a network that was trained
on photographs matter in its figures.

Sources: A. E. Hoerl and R. W. Kennard, "Ridge regression", Technometrics 12, 1970 (here with the
penalty that predicts captions best which were left out); A. J. Izenman, "Reduced-rank regression
for the multivariate linear model", J. Multivariate Analysis 5, 1975; features learnt from captions:
A. Joulin et al., ECCV 2016, arXiv:1511.02251.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclip_search.indexes.text.analyser import terms
from medclip_search.indexes.vectors.cosine import Cosine, Doubles
from medclip_search.indexes.vectors.half import Floats, Half
from medclip_search.indexes.vectors.stretch import Stretch

LEAST = 500
"""Distinct captions of pictures below which nothing is fitted: so few teach nothing reliable."""
MOST = 20_000
"""Distinct captions that are learnt from; which ones is told by their digests."""

_PICTURES = 16  # of one caption
_WORDS = 1024
_COMPONENTS = 256
_AXES = 64
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # in mean variances of a component
_FOLDS = 4


@dataclass(frozen=True)
class Told:
    """Captions, in the order of their digests, each with the rows of its pictures."""

    captions: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    folds: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """What was sampled, captions and rows: equal where a fit to it would be."""
        found = hashlib.sha256()
        for caption, rows in zip(self.captions, self.rows, strict=True):
            found.update(f"{caption}\0{rows}\0".encode("utf-8", "replace"))
        return found.hexdigest()


def sample(captions: Iterable[tuple[int, str]], row_of_key: NDArray[np.int32]) -> Told | None:
    """The captions (by case key) that are learnt from; ``None`` where there are too few.

    Only those of cases with a row count, ``row_of_key`` being -1 elsewhere. Equal captions are
    one: what is left out in cross-validation has no twin among what is kept. The choice depends
    on the captions alone, not on the library's history.
    """
    kept: dict[bytes, tuple[str, list[int]]] = {}
    bound = b"\xff" * 8
    for key, caption in captions:
        if key >= len(row_of_key) or row_of_key[key] < 0 or not (said := caption.strip()):
            continue
        digest = hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=8).digest()
        if digest > bound:
            continue
        rows = kept.setdefault(digest, (said, []))[1]
        if len(rows) < _PICTURES:
            rows.append(int(row_of_key[key]))
        if len(kept) > 2 * MOST:
            kept = dict(sorted(kept.items())[:MOST])
            bound = max(kept)
    chosen = sorted(kept.items())[:MOST]
    if len(chosen) < LEAST:
        return None
    return Told(
        tuple(caption for _, (caption, _) in chosen),
        tuple(tuple(rows) for _, (_, rows) in chosen),
        np.array([digest[-1] % _FOLDS for digest, _ in chosen]),
    )


def fit(told: Told, rows: Half, cosine: Cosine) -> Stretch | None:
    """The stretch that the captions teach; ``None`` where pictures do not tell their words.

    ``cosine`` is of the space as it is. Takes some seconds, and at most 300 MB at 1280 dimensions.
    """
    pictures, spread = _pictures(told, rows, cosine)
    words = _words(told.captions)
    pictures -= pictures.mean(axis=0)
    variances, components = np.linalg.eigh(_product(pictures, pictures))
    components = components[:, np.argsort(-variances, kind="stable")[:_COMPONENTS]]
    pictures = pictures @ components.astype(np.float32)
    penalty = _penalty(pictures, words, told.folds)
    if penalty is None:
        return None
    weights = _ridge(_product(pictures, pictures), _product(pictures, words), penalty)
    strengths, directions = np.linalg.eigh(weights @ weights.T)
    strongest = np.argsort(-strengths, kind="stable")[:_AXES]
    axes = components @ directions[:, strongest]
    gains = np.maximum(strengths[strongest], 0)
    along = np.einsum("ij,ik,kj->j", axes, spread, axes)  # the directions' spread along each axis
    total = float(along @ gains)
    if not total > 0:
        return None
    return Stretch(axes.astype(np.float32), (gains / total).astype(np.float32))


def _pictures(told: Told, rows: Half, cosine: Cosine) -> tuple[Floats, Doubles]:
    """Each caption's mean direction, (n, d), and E[u uᵀ] of all directions, (d, d)."""
    dimension = rows.shape[1]
    found = np.empty((len(told.rows), dimension), dtype=np.float32)
    spread, count = np.zeros((dimension, dimension)), 0
    step = 256
    for start in range(0, len(found), step):
        groups = told.rows[start : start + step]
        sizes = [len(group) for group in groups]
        directions = cosine.directions(rows[np.concatenate(groups)])
        spread += directions.T @ directions
        count += len(directions)
        starts = np.cumsum([0, *sizes[:-1]])
        sums = np.add.reduceat(directions, starts)
        found[start : start + step] = sums / np.array(sizes)[:, None]
    return found, spread / max(1, count)


def _words(captions: tuple[str, ...]) -> Floats:
    """TF-IDF of the most frequent words, unit rows less their mean, (n, words)."""
    counted = [Counter(terms(caption)) for caption in captions]
    frequency = Counter(term for counts in counted for term in counts)
    ranked = sorted((-n, term) for term, n in frequency.items() if n > 1)[:_WORDS]
    place = {term: at for at, (_, term) in enumerate(ranked)}
    found = np.zeros((len(captions), len(place)), dtype=np.float32)
    for row, counts in zip(found, counted, strict=True):
        for term, n in counts.items():
            if (at := place.get(term)) is not None:
                row[at] = (1 + np.log(n)) * np.log(len(captions) / frequency[term])
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    np.divide(found, lengths, out=found, where=lengths > 0)
    found -= found.mean(axis=0)
    return found


def _penalty(pictures: Floats, words: Floats, folds: NDArray[np.int64]) -> float | None:
    """The penalty under which captions that are left out are predicted best.

    ``None`` where none predicts them better than the mean of all captions does.
    """
    errors = np.zeros(len(_PENALTIES))
    gram, cross = _product(pictures, pictures), _product(pictures, words)
    for fold in range(_FOLDS):
        out = folds == fold
        left_pictures, left_words = pictures[out], words[out]
        kept_gram = gram - _product(left_pictures, left_pictures)
        kept_cross = cross - _product(left_pictures, left_words)
        for at, penalty in enumerate(_PENALTIES):
            weights = _ridge(kept_gram, kept_cross, penalty).astype(np.float32)
            errors[at] += np.square(left_pictures @ weights - left_words).sum(dtype=np.float64)
    best = int(np.argmin(errors))
    return _PENALTIES[best] if errors[best] < np.square(words).sum(dtype=np.float64) else None


def _product(one: Floats, other: Floats) -> Doubles:
    """XᵀY, computed in single precision."""
    return np.asarray(one.T @ other, dtype=np.float64)


def _ridge(gram: Doubles, cross: Doubles, penalty: float) -> Doubles:
    """(XᵀX + λ I)⁻¹ XᵀY with λ in means of the diagonal of XᵀX."""
    ridge = penalty * np.trace(gram) / len(gram) * np.eye(len(gram))
    found: Doubles = np.linalg.solve(gram + ridge, cross)
    return found
