"""A figure beside its target, and whether it is met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def beside(
    figure: float, unit: str = "", *, most: float | None = None, least: float | None = None
) -> str:
    """``1.23 ms (≤ 1.5 met)``; a figure without a target stands alone."""
    digits = 4 if not unit else 2 if abs(figure) < 100 else 0
    said = f"{figure:,.{digits}f}{' ' if unit else ''}{unit}"
    if most is not None:
        said += f" (≤ {most:g} {'met' if figure <= most else 'MISSED'})"
    if least is not None:
        said += f" (≥ {least:g} {'met' if figure >= least else 'MISSED'})"
    return said


def spread(
    milliseconds: Sequence[float], p50: float | None = None, p99: float | None = None
) -> str:
    """Median and 99th percentile, each beside what it is to be at most."""
    middle, high = np.quantile(milliseconds, [0.5, 0.99])
    return f"p50 {beside(middle, 'ms', most=p50)}, p99 {beside(high, 'ms', most=p99)}"
