"""The cases of a tray as one component: in order, each with its note, moved by mouse or keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import streamlit as st

from medclip_search.app.gallery import thumbnail_address
from medclip_search.app.gestures import SCRIPT, answered, hear_late, hearing
from medclip_search.exports.citations import references
from medclip_search.exports.licences import Sharing, sharing, sharing_sentence
from medclip_search.exports.tables import GONE
from medclip_search.exports.tray import Kept, Tray
from medclip_search.state.trays import MOST_NOTE

ADDRESS = "api/v1/trays"
"""Where the browser finds the trays, relative to the page."""

_KEY = "tray-list"
_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "medclip_tray_list",
    css=(_HERE / "tray_list.css").read_text("utf-8"),
    js=SCRIPT + (_HERE / "tray_list.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to a case of a tray: where it is to be (from 0), by how many places it
    steps (up where negative), or into which tray to go."""

    tray: str
    id: str
    act: Literal["open", "place", "step", "remove", "move", "copy"]
    place: int = 0
    by: int = 0
    to: str = ""


def tray_list(tray: Tray, others: Sequence[str], on_change: Callable[[Change], None]) -> None:
    """Draw the cases; ``others`` are the trays that they can be moved or copied to.

    Notes go from the browser to the API as they are typed: a page that is left meanwhile loses
    none, and nothing is drawn anew under the hand. They are saved before ``on_change`` is called.
    """

    def heard(change: Any) -> None:
        on_change(Change(**change))

    # One component for all trays: what one that goes and comes back hears, Streamlit may drop.
    mounted = _mount(
        key=_KEY,
        data={
            "tray": tray.name,
            "items": [_item(one) for one in tray.kept],
            "others": list(others),
            "longest": MOST_NOTE,
            "address": f"{ADDRESS}/{quote(tray.name, safe='')}",
            "answered": answered(_KEY),
        },
        on_gesture_change=hearing(_KEY, heard),
    )
    hear_late(_KEY, heard, mounted)


def _item(one: Kept) -> dict[str, Any]:
    case = one.case
    if case is None:
        return {"id": one.id, "note": one.note, "caption": f"{one.id} is {GONE}", "gone": True}
    facts = (case.modality, case.region, case.year)
    return {
        "id": one.id,
        "note": one.note,
        "caption": case.caption or "No caption",
        "thumbnail": thumbnail_address(case),
        "facts": " · ".join(str(fact) for fact in facts if fact),
        "citation": references([case])[0].text(),
        "licence": sharing_sentence(case),
        "ask": sharing(case) is Sharing.ASK,
    }
