"""Many grey levels onto the 256 of a screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
Grey = NDArray[np.uint8]

TAIL = 0.005
"""Share of the pixels that the robust window lets saturate at either end."""

_SAMPLE = 1 << 20
_MAX_LEVELS = 1 << 16


def robust_window(values: Pixels, counts: Pixels | None = None) -> tuple[float, float]:
    """The window from the 0.5th to the 99.5th percentile of finite ``values``.

    ``counts`` says how often each value occurs (once each where it is absent). Where nearly
    all pixels are equal the whole range is taken instead; ``low == high`` for a flat picture.
    """
    values = values.ravel()
    if counts is None and values.size > _SAMPLE:
        values = values[:: values.size // _SAMPLE + 1]
    weights: Pixels = np.ones(values.size) if counts is None else counts.ravel()
    seen = np.isfinite(values) & (weights > 0)
    if not seen.any():
        return 0.0, 0.0
    order = np.argsort(values[seen], kind="stable")
    values, weights = values[seen][order].astype(np.float64), weights[seen][order]
    share = np.cumsum(weights) / np.sum(weights)
    low = float(values[np.searchsorted(share, TAIL)])
    high = float(values[min(int(np.searchsorted(share, 1 - TAIL)), values.size - 1)])
    return (low, high) if high > low else (float(values[0]), float(values[-1]))


def stretch(values: Pixels, low: float, high: float) -> Grey:
    """Linear from ``low`` (0) to ``high`` (255), clipped; not-a-number and flat become 0."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    grey = (values.astype(np.float64) - low) * (255.0 / (high - low))
    np.nan_to_num(grey, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def shade_levels(pixels: Pixels, shade: Callable[[Pixels, Pixels | None], Grey]) -> Grey:
    """Apply a pointwise ``shade(values, counts)`` to a picture.

    Integers that span at most 65,536 levels are shaded level by level and looked up, so that
    a radiograph costs one table instead of arrays of doubles; others pixel by pixel, with
    ``counts`` then ``None``.
    """
    if not np.issubdtype(pixels.dtype, np.integer):
        return shade(pixels, None)
    lowest, highest = int(pixels.min()), int(pixels.max())
    if highest - lowest >= _MAX_LEVELS:
        return shade(pixels.astype(np.float64), None)
    index = (pixels.astype(np.int32) - lowest if lowest else pixels).astype(np.uint16)
    flat = index.ravel()
    counts = np.zeros(highest - lowest + 1, np.int64)
    for start in range(0, flat.size, _SAMPLE):  # bincount widens to 8 bytes a pixel
        counts += np.bincount(flat[start : start + _SAMPLE], minlength=counts.size)
    return shade(np.arange(lowest, highest + 1, dtype=np.int64), counts)[index]


def window_robustly(pixels: Pixels) -> Grey:
    """An 8-bit view of a picture that says nothing about how it wants to be shown."""
    return shade_levels(
        pixels, lambda values, counts: stretch(values, *robust_window(values, counts))
    )
