"""Lines over rows, both axes logarithmic, as an SVG file: growth that a straight line shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's
_WIDE, _HIGH = 380, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 34, 250, 250  # the plot's edges in a panel
_LINE = 13  # the least distance of two names

Lines = Mapping[str, Sequence[float]]


def draw(path: Path, rows: Sequence[int], panels: Mapping[str, Lines]) -> None:
    """Write panels side by side; each line has a value, above 0, for each number of rows."""
    inside = "".join(
        f'<g transform="translate({_WIDE * at},0)">{_panel(title, rows, lines)}</g>'
        for at, (title, lines) in enumerate(panels.items())
    )
    wide = _WIDE * len(panels)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {_HIGH}" width="{wide}" '
        f'font-family="sans-serif" font-size="11"><rect width="{wide}" height="{_HIGH}" '
        f'fill="#fff"/>{inside}</svg>\n'
    )


def _panel(title: str, rows: Sequence[int], lines: Lines) -> str:
    values = [value for line in lines.values() for value in line]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    first, last = math.log10(rows[0]), math.log10(rows[-1])

    def x(count: float) -> float:
        share = (math.log10(count) - first) / (last - first) if last > first else 0.5
        return _LEFT + share * (_RIGHT - _LEFT)

    def y(value: float) -> float:
        return _BOTTOM - (math.log10(value) - low) / (high - low) * (_BOTTOM - _TOP)

    parts = [_text(_LEFT, 18, title, weight="bold"), _text(_LEFT, _HIGH - 14, "cases")]
    for power in range(low, high + 1):
        parts.append(f'<path d="M{_LEFT} {y(10**power):.1f}H{_RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, y(10**power) + 4, f"{10.0**power:,g}", anchor="end"))
    for count in rows:
        parts.append(_text(x(count), _BOTTOM + 16, f"{count:,}", anchor="middle"))
    free = -math.inf
    for name, colour in sorted(
        zip(lines, _COLOURS * len(lines), strict=False), key=lambda one: y(lines[one[0]][-1])
    ):
        points = [(x(count), y(value)) for count, value in zip(rows, lines[name], strict=True)]
        drawn = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>'
            for across, down in points
        ]
        free = max(points[-1][1] + 4, free + _LINE)
        parts.append(_text(_RIGHT + 7, free, name, fill=colour))
    return "".join(parts)


def _text(
    x: float, y: float, said: str, *, anchor: str = "start", weight: str = "normal", fill: str = ""
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill or "#333"}">{escape(said)}</text>'
    )
