"""Seeded vectors with the statistics of a CLIP's, of images and of words, as many as wanted.

    python -m benchmarks.clip_like     prints what was wanted beside what came out

Wanted is what 1,000 real pairs of ROCO showed. An image is a common offset, its kind (60 of very
uneven size, weights ∝ rank^-0.75) and noise; kinds and noise have spectra that fall as a power law
along the axes, as in networks with a few loud channels. Words are their image's vector, moved by
the gap between the two, under noise of fewer directions. All have length 1, in float16. What is
drawn depends on the seed, the dimension and the stream alone, so that rows can be written in a
stream and queries drawn beside them. The numbers below were fitted to ``WANTED`` in 512 dimensions.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

KINDS = 60
BLOCK = 8192
"""Rows of one stream in ``blocks``."""

WANTED: Mapping[str, float] = {
    "distance of the means of images and words": 0.19,
    "cosine between images, mean": 0.15,
    "cosine between images, deviation": 0.21,
    "image to its nearest image": 0.85,
    "image to its tenth image": 0.75,
    "caption to its nearest image": 0.69,
    "caption to its tenth image": 0.60,
}

_OFFSET = 0.415
_KIND_SHARE, _KIND_FALL, _NOISE_FALL = 0.765, 0.53, 0.49  # share of the variance; exponents
_GAP, _WORD_NOISE, _WORD_FALL = 0.15, 1.62, 0.9

Half = NDArray[np.float16]
Floats = NDArray[np.float32]
Kinds = NDArray[np.int64]


class ClipLike:
    """One seeded distribution to draw images and words from."""

    def __init__(self, dimension: int = 512, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, dimension])
        self.dimension = dimension
        self.seed = seed
        self._offset = _unit(rng.standard_normal((1, dimension), dtype=np.float32))[0]
        gap = rng.standard_normal(dimension, dtype=np.float32)
        gap -= (gap @ self._offset) * self._offset
        self._gap = _GAP * gap / np.linalg.norm(gap)
        weights = np.arange(1, KINDS + 1) ** -0.75
        self.weights = weights / weights.sum()
        kinds = rng.standard_normal((KINDS, dimension)) * _spectrum(dimension, _KIND_FALL)
        kinds -= self.weights @ kinds  # the offset alone is common to all
        kinds *= np.sqrt(_KIND_SHARE / (self.weights @ np.square(kinds).sum(axis=1)))
        self._centres = (_OFFSET * self._offset + kinds).astype(np.float32)
        self._noise = np.sqrt(1 - _KIND_SHARE) * _spectrum(dimension, _NOISE_FALL)
        self._word_noise = _WORD_NOISE * _spectrum(dimension, _WORD_FALL)

    def images(self, count: int, stream: int) -> tuple[Half, Kinds]:
        """``count`` images, (count, d), and the kind of each; other streams, other images."""
        images, kinds = self._images(count, self._rng(stream))
        return images.astype(np.float16), kinds

    def pairs(self, count: int, stream: int) -> tuple[Half, Half]:
        """``count`` images of a stream, and the words of each, both (count, d)."""
        rng = self._rng(stream)
        images, _ = self._images(count, rng)
        noise = rng.standard_normal(images.shape, dtype=np.float32) * self._word_noise
        words = _unit(images + self._gap + noise)
        return images.astype(np.float16), words.astype(np.float16)

    def blocks(self, count: int, first: int = 1) -> Iterator[tuple[Half, Kinds]]:
        """Images in blocks, of streams from ``first`` on: millions are never held at once."""
        for stream, start in enumerate(range(0, count, BLOCK), start=first):
            yield self.images(min(BLOCK, count - start), stream)

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.dimension, stream])

    def _images(self, count: int, rng: np.random.Generator) -> tuple[Floats, Kinds]:
        kinds = rng.choice(KINDS, size=count, p=self.weights)
        images = rng.standard_normal((count, self.dimension), dtype=np.float32)
        images *= self._noise
        images += self._centres[kinds]
        images /= np.linalg.norm(images, axis=1, keepdims=True)  # in place: twice as fast
        return images, kinds


def statistics(images: Half, words: Half) -> dict[str, float]:
    """What ``WANTED`` names, of as many pairs as there are."""
    pictures, texts = _unit(images.astype(np.float32)), _unit(words.astype(np.float32))
    among = pictures @ pictures.T
    between = among[np.triu_indices(len(among), 1)]
    np.fill_diagonal(among, -1)
    near = np.sort(among, axis=1)[:, [-1, -10]].mean(axis=0)
    across = np.sort(texts @ pictures.T, axis=1)[:, [-1, -10]].mean(axis=0)
    apart = np.linalg.norm(pictures.mean(axis=0) - texts.mean(axis=0))
    found = (apart, between.mean(), between.std(), *near, *across)
    return dict(zip(WANTED, map(float, found), strict=True))


def _spectrum(dimension: int, fall: float) -> Floats:
    """Deviations along the axes, ∝ i^-fall, (d,), whose squares sum to 1."""
    spectrum = np.arange(1, dimension + 1) ** -fall
    return (spectrum / np.linalg.norm(spectrum)).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    got = statistics(*ClipLike(seed=given.seed).pairs(given.pairs, 0))
    print(f"{given.pairs:,} pairs, 512 dimensions{'':20} wanted   got")
    for name, wanted in WANTED.items():
        print(f"  {name:46} {wanted:.2f}   {got[name]:.3f}")


if __name__ == "__main__":
    main()
