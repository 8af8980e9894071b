"""Facets as one component: values to tick with their counts, and a histogram of years."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from medclip_search.app.gestures import SCRIPT, answered, hear_late, hearing

Field = str

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "medclip_facets",
    css=(_HERE / "facets.css").read_text("utf-8"),
    js=SCRIPT + (_HERE / "facets.js").read_text("utf-8"),
)
_KEY = "facets"


@dataclass(frozen=True, slots=True)
class Values:
    """A field: its (value, label, count) in the order to show them, and the values chosen."""

    name: Field
    label: str
    values: Sequence[tuple[str, str, int]]
    chosen: Sequence[str]


@dataclass(frozen=True, slots=True)
class Years:
    """(year, count) for every year from the first to the last, and the years chosen."""

    bars: Sequence[tuple[int, int]]
    low: int
    high: int


def facets(
    fields: Sequence[Values],
    years: Years | None,
    *,
    says: str,
    on_choice: Callable[[Field, Any], None],
) -> None:
    """Draw facets; ``on_choice`` hears a field with the value that was ticked or let go.

    For the field ``year`` it hears the first and last year, or ``None`` for all. ``says`` tells
    what was counted.
    """

    def heard(choice: Any) -> None:
        value = choice["value"]
        on_choice(choice["field"], tuple(value) if isinstance(value, list) else value)

    mounted = _mount(
        key=_KEY,
        data={
            "fields": [asdict(one) for one in fields],
            "years": None if years is None else asdict(years),
            "says": says,
            "answered": answered(_KEY),
        },
        on_gesture_change=hearing(_KEY, heard),
    )
    hear_late(_KEY, heard, mounted)
