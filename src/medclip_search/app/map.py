"""The map as one component: dots by the API's address, an area or a figure chosen as an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from medclip_search.app.gestures import SCRIPT, answered, hear_late, hearing
from medclip_search.indexes.map import Area

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "medclip_map",
    css=(_HERE / "map.css").read_text("utf-8"),
    js="\n".join(
        [SCRIPT, *((_HERE / name).read_text("utf-8") for name in ("map_chart.js", "map.js"))]
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer to the query: its rank, and where it stands."""

    id: str
    rank: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a part of the query stands."""

    x: float
    y: float


def library_map(
    *,
    version: int,
    fields: Mapping[str, str],
    hits: Sequence[Found],
    asked: Sequence[Asked],
    area: Area | None,
    label: str,
    on_area: Callable[[Area | None], None],
    on_open: Callable[[str], None],
) -> None:
    """Draw the map, coloured by one of ``fields`` (with their labels).

    ``version`` is the library's generation: dots are asked for anew when it changes. ``on_area``
    hears of an area that was chosen or let go, ``on_open`` of a figure's id.
    """
    key = "map"

    def heard(gesture: Any) -> None:
        if gesture["act"] == "open":
            on_open(gesture["id"])
        else:
            x, y, width, height = gesture["area"] or (0, 0, 0, 0)
            on_area((x, y, width, height) if gesture["area"] else None)

    query = urlencode([*(("field", name) for name in fields), ("of", version)])
    mounted = _mount(
        key=key,
        data={
            "address": f"api/v1/map?{query}",
            "labels": dict(fields),
            "hits": [asdict(one) for one in hits],
            "asked": [asdict(one) for one in asked],
            "area": area,
            "label": label,
            "answered": answered(key),
        },
        on_gesture_change=hearing(key, heard),
    )
    hear_late(key, heard, mounted)
