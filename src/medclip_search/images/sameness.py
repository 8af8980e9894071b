"""Whether two small pictures show the same picture, or only alike ones.

Pictures published twice come re-encoded, in another size, brighter or darker, with an arrow or a
label, in a frame, slightly cropped. Neighbouring slices of one series, or the same slice by
another sequence, look as alike to an embedding and to a perceptual hash; what they do not share
is the fine detail, everywhere. So details are compared block by block: whatever is coarser than a
few pixels is subtracted, each block is correlated with its counterpart (which takes brightness and
contrast away), and the pair is judged by one of its worst blocks. Not by the very worst: an arrow
may spoil some. Drawings, on a white ground, are judged by the worst of all: of two charts or tables
one bar or number may be all that differs.

A cropped or framed picture is laid over the other first. Along each axis, one is a stretch of
the other; where it begins and ends is found by correlating the profiles of their detail.

How well this tells the same from the alike: ``python -m benchmarks.duplicates``.
"""

from __future__ import annotations

from functools import cached_property
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""
Stretch = tuple[float, float]

SAME = 0.85
"""Two pictures this alike or more are the same one (``benchmarks.duplicates`` measures it)."""

_SIDE = 96
_BLOCK = 8
_JUDGED = 0.1
"""The tenth part of the blocks may differ: an arrow, a label."""
_WHITE = 200
"""A picture with more than half its pixels this bright or brighter is a drawing."""
_PLAIN = 1.0
"""Blocks whose detail varies less than this (grey levels squared) are background."""
_FEWEST = 8
"""Fewer blocks than this with any detail tell nothing."""
_ASTRAY = 0.2
"""Pictures that agree more than this as they lie, lie right already."""
_PROFILES = 0.7
"""Pictures whose profiles correlate less than this, wherever laid, are not the same."""
_REACH = 0.12
"""So much of a side may have been cropped away or added."""


class Look:
    """One small picture as it is compared: grey, and its detail."""

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture.convert("L")

    @classmethod
    def of_bytes(cls, thumbnail: bytes) -> Look:
        """From an encoded picture of the library's own."""
        return cls(Image.open(BytesIO(thumbnail)))

    @cached_property
    def drawn(self) -> bool:
        """Whether it is a chart, a table or another drawing on a white ground."""
        return bool((np.asarray(self.picture) >= _WHITE).mean() > 0.5)

    @cached_property
    def whole(self) -> _Part:
        """All of the picture."""
        return _Part(
            self.picture, (0.0, 0.0, float(self.picture.width), float(self.picture.height))
        )

    @cached_property
    def content(self) -> _Part:
        """The picture less margins of one shade."""
        return _Part(self.picture, _within_margins(self.picture))


class _Part:
    """A part of a picture, squared."""

    def __init__(self, picture: Image.Image, box: Box) -> None:
        self._picture = picture
        self._box = box

    @cached_property
    def detail(self) -> Floats:
        """(96, 96): what each pixel is more than its surroundings."""
        small = self._picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=self._box)
        grey = np.asarray(small, np.float32)
        return np.asarray(grey - _BLUR @ grey @ _BLUR.T, np.float32)

    def part(self, across: Stretch, down: Stretch) -> _Part:
        """A part of the part, by where it begins and ends along each axis, from 0 to 1."""
        left, top, right, bottom = self._box
        width, height = right - left, bottom - top
        box = (
            left + across[0] * width,
            top + down[0] * height,
            left + across[1] * width,
            top + down[1] * height,
        )
        return _Part(self._picture, box)


def sameness(one: Look, other: Look) -> float:
    """How surely two pictures are the same, at most 1; compare with ``SAME``."""
    judged = 0.0 if one.drawn or other.drawn else _JUDGED
    best = _agreement(one.whole.detail, other.whole.detail, judged)
    if best < _ASTRAY:
        best = max(best, _overlaid(one.whole, other.whole, judged))
        if best < SAME:
            best = max(best, _overlaid(one.content, other.content, judged))
    return best


def _agreement(one: Floats, other: Floats, judged: float) -> float:
    """The correlation of two details in one of their worst blocks: this share are worse."""
    a, b = _blocks(one), _blocks(other)
    a_varies, b_varies = (a * a).mean(axis=1), (b * b).mean(axis=1)
    told = np.maximum(a_varies, b_varies) > _PLAIN
    if np.count_nonzero(told) < _FEWEST:
        return 0.0
    both = (a * b).mean(axis=1)[told]
    product = np.maximum(a_varies * b_varies, 1e-6)[told]
    return float(np.quantile(both / np.sqrt(product), judged))


def _blocks(detail: Floats) -> Floats:
    """(144, 64): each block's pixels less their mean."""
    count = _SIDE // _BLOCK
    blocks = detail.reshape(count, _BLOCK, count, _BLOCK).swapaxes(1, 2).reshape(count**2, -1)
    about_zero: Floats = blocks - blocks.mean(axis=1, keepdims=True)
    return about_zero


def _overlaid(one: _Part, other: _Part, judged: float) -> float:
    """The agreement of what two parts have in common; 0 where their profiles differ."""
    common = []
    for axis in (0, 1):
        profiles = one.detail.mean(axis=axis), other.detail.mean(axis=axis)
        found, begin, end = _ends(*profiles)
        if found < _PROFILES:
            return 0.0
        low, high = max(0.0, begin), min(1.0, end)
        length = end - begin
        there = ((low - begin) / length, min(1.0, (high - begin) / length))
        common.append(((low, high), there))
    (across, across_there), (down, down_there) = common
    return _agreement(
        one.part(across, down).detail, other.part(across_there, down_there).detail, judged
    )


def _ends(one: Floats, other: Floats) -> tuple[float, float, float]:
    """Where the other profile begins and ends on the first, whose own ends are 0 and 1.

    Their correlation there comes first.
    """
    ends = _COARSE[np.argmax(_correlations(one, other, *_COARSE_PLACES))]
    fine = ends + _FINE
    found = _correlations(one, other, *_places(fine))
    best = int(np.argmax(found))
    return float(found[best]), float(fine[best, 0]), float(fine[best, 1])


def _correlations(
    one: Floats, other: Floats, before: NDArray[np.int64], share: Floats, inside: Floats
) -> Floats:
    """Of the first profile with the other at each place, where they overlap."""
    moved = (other[before] * (1 - share) + other[before + 1] * share) * inside
    count = inside.sum(axis=1)
    mean_a, mean_b = inside @ one / count, moved.sum(axis=1) / count
    both = moved @ one / count - mean_a * mean_b
    varies_a = inside @ (one * one) / count - mean_a**2
    varies_b = (moved * moved).sum(axis=1) / count - mean_b**2
    found: Floats = both / np.sqrt(np.maximum(varies_a * varies_b, 1e-9))
    return found


def _places(ends: Doubles) -> tuple[NDArray[np.int64], Floats, Floats]:
    """For (n, 2) ends, where each pixel of the first profile lies on the other, (n, 96).

    The pixel before it, the share of the next one, and whether it lies there at all.
    """
    pixels = (np.arange(_SIDE) + 0.5) / _SIDE
    at = (pixels - ends[:, :1]) / (ends[:, 1:] - ends[:, :1])
    inside = ((at >= 0) & (at <= 1)).astype(np.float32)
    place = np.clip(at * _SIDE - 0.5, 0, _SIDE - 1.001)
    before = place.astype(np.int64)
    return before, (place - before).astype(np.float32), inside


def _within_margins(picture: Image.Image, side: int = 96) -> Box:
    """The part within margins of one shade, whatever little is written on them."""
    grey = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), np.int16)
    left, top, right, bottom = 0, 0, side, side
    for _ in range(4):  # a frame may lie around a margin
        part = grey[top:bottom, left:right]
        rows = np.flatnonzero(_is_varied(part, 1))
        columns = np.flatnonzero(_is_varied(part, 0))
        if min(len(rows), len(columns)) < 0.3 * side:
            break
        found = (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
        if found == (left, top, right, bottom):
            break
        left, top, right, bottom = (int(one) for one in found)
    # The edge of a margin that was cut off goes with it: nothing else is as sharp.
    left, top = left + bool(left), top + bool(top)
    right, bottom = right - (right < side), bottom - (bottom < side)
    width, height = picture.width / side, picture.height / side
    return (left * width, top * height, right * width, bottom * height)


def _is_varied(grey: NDArray[np.int16], axis: int) -> NDArray[np.bool_]:
    """Whether more than a few pixels of each row or column are of another shade than most."""
    apart = np.abs(grey - np.median(grey, axis=axis, keepdims=True)) > 20
    found: NDArray[np.bool_] = apart.mean(axis=axis) > 0.02
    return found


def _blurring() -> Floats:
    """(96, 96): the matrix that blurs along one axis, by 1 2 1 three times over."""
    once = (2 * np.eye(_SIDE) + np.eye(_SIDE, k=1) + np.eye(_SIDE, k=-1)) / 4
    once[0, 0] = once[-1, -1] = 0.75
    return np.asarray(np.linalg.matrix_power(once, 3), np.float32)


def _grid(reach: float, step: float) -> Doubles:
    """(n, 2): every beginning with every end, up to so far from where they are."""
    moves = np.arange(-reach, reach + step / 2, step)
    return np.stack(np.meshgrid(moves, moves, indexing="ij"), axis=-1).reshape(-1, 2)


_BLUR = _blurring()
_COARSE = np.array([0.0, 1.0]) + _grid(_REACH, 0.01)
_COARSE_PLACES = _places(_COARSE)
_FINE = _grid(0.0075, 0.0025)
