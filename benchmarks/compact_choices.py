"""What was tried for `compact`, on MedPix: side, pooling, views, whitening, numbers of captions.

    python -m benchmarks.compact_choices

P@10 as in ``benchmarks/compact_medpix.py``, each choice with its paired difference to the one that
ships. The figures tell how much hangs on a choice; none was made by them alone, for they are of the
data that is reported on (see ``docs/benchmarks.md``). Takes some ten minutes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.compact_medpix import captions_of, encode, folds_of, rank
from benchmarks.medpix import MEASURE, Figure, data_folder, precision, read_figures
from medclip_search.encoders.base import Floats
from medclip_search.encoders.compact import FIRST, NOW, CompactEncoder, Version
from medclip_search.evaluation import Scores, difference
from medclip_search.indexes.vectors import told_by_captions


class Viewed(CompactEncoder):
    """The encoder, with the picture changed before."""

    def __init__(self, view: Callable[[Image.Image], Image.Image]) -> None:
        super().__init__()
        self._view = view

    def preprocess(self, image: Image.Image) -> Floats:
        return super().preprocess(self._view(image))


def squeezed(image: Image.Image) -> Image.Image:
    """Made square, whatever becomes of its proportions."""
    return image.resize((max(image.size),) * 2, Image.Resampling.BICUBIC)


def trimmed(image: Image.Image) -> Image.Image:
    """Without the border that has the colour of its corner."""
    grey = np.asarray(image.convert("L")).astype(int)
    seen = np.abs(grey - grey[0, 0]) > 20
    across, down = np.flatnonzero(seen.mean(0) > 0.01), np.flatnonzero(seen.mean(1) > 0.01)
    if not len(across) or not len(down):
        return image
    return image.crop((int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1))


def mean(one: Floats, other: Floats) -> Floats:
    """Of two vectors of each picture."""
    return np.asarray((one + other) / 2, np.float32)


def whitened(vectors: Floats, power: float) -> Floats:
    """Variances of the principal components raised to 1 - ``power``; the smallest are spared."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    variances, components = np.linalg.eigh(centred.T @ centred / len(centred))
    found: Floats = (
        centred @ components * (variances + 0.01 * variances.mean()) ** (-power / 2)
    ).astype(np.float32)
    return found


def report(name: str, found: Mapping[str, Scores], shipped: Mapping[str, Scores]) -> None:
    """One line: each label's mean, and its difference to what ships, with the interval."""
    cells = []
    for label, scores in found.items():
        less = difference(scores, shipped[label], MEASURE)
        cells.append(
            f"{scores.means()[MEASURE]:.4f} "
            f"({less.mean:+.4f} [{less.interval.low:+.4f}, {less.interval.high:+.4f}])"
        )
    print(f"{name:34} {'   '.join(cells)}", flush=True)


def vectors_of(encoder: CompactEncoder, figures: list[Figure]) -> Floats:
    """As ``encode``, without a word."""
    with contextlib.redirect_stdout(io.StringIO()):
        return encode(encoder, figures)


def without_captions(figures: list[Figure]) -> None:
    """The encoder's own choices, in a centred space that is not stretched."""
    vectors = vectors_of(CompactEncoder(), figures)
    shipped = precision(figures, rank(figures, vectors))

    def judge(name: str, others: Floats) -> None:
        report(name, precision(figures, rank(figures, others)), shipped)

    judge("288 px, generalised means (ships)", vectors)
    by_side = {NOW.side: vectors}
    for side in (160, 224, 256, 320, 384):
        by_side[side] = vectors_of(CompactEncoder(version=Version(side, "gem")), figures)
        judge(f"{side} px", by_side[side])
    for small, large in ((160, 288), (224, 320), (224, 384)):
        judge(f"{small} and {large} px, averaged", mean(by_side[small], by_side[large]))
    judge("224 px, averaged features", vectors_of(CompactEncoder(version=FIRST), figures))
    judge("288 px, averaged", vectors_of(CompactEncoder(version=Version(288, "averaged")), figures))
    judge("with its mirror image", mean(vectors, vectors_of(Viewed(ImageOps.mirror), figures)))
    judge("border trimmed", vectors_of(Viewed(trimmed), figures))
    judge("squeezed into a square", vectors_of(Viewed(squeezed), figures))
    for power in (0.25, 0.5, 1.0):
        judge(f"whitened, power {power:g}", whitened(vectors, power))


def with_captions(figures: list[Figure], captions: list[str]) -> None:
    """What the captions of other folds teach, by the settings of ``told_by_captions``."""
    vectors = vectors_of(CompactEncoder(), figures)
    shipped = precision(figures, rank(figures, vectors, captions))

    def judge(name: str, told: list[str], **settings: int) -> None:
        before = {setting: getattr(told_by_captions, setting) for setting in settings}
        for setting, value in settings.items():
            setattr(told_by_captions, setting, value)
        report(name, precision(figures, rank(figures, vectors, told)), shipped)
        for setting, value in before.items():
            setattr(told_by_captions, setting, value)

    judge("stretched (ships)", captions)
    judge("not stretched", [])
    for words in (256, 512, 2048):
        judge(f"{words} words", captions, _WORDS=words)
    for axes in (16, 32, 128):
        judge(f"{axes} axes", captions, _AXES=axes)
    for components in (128, 512):
        judge(f"{components} components", captions, _COMPONENTS=components)
    for most in (125, 250, 500):
        judge(f"{most} distinct captions", captions, MOST=most, LEAST=100)
    judge("captions dealt at random", shuffled(captions, folds_of(figures)))


def shuffled(captions: list[str], folds: NDArray[np.int64]) -> list[str]:
    """Captions exchanged among the images of each fold."""
    found = list(captions)
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        dealt = np.random.default_rng(0).permutation(members)
        for at, other in zip(members.tolist(), dealt.tolist(), strict=True):
            found[at] = captions[other]
    return found


def main() -> None:
    """Print both tables."""
    folder = data_folder()
    figures = read_figures(folder)
    print(f"{'':34} modality, region, plane: P@10 (less what ships)")
    without_captions(figures)
    with_captions(figures, captions_of(figures, folder))


if __name__ == "__main__":
    main()
