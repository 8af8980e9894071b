"""The cases of a tray as one component: in order, each with its note, moved by mouse or keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from medclip_search.app.gallery import thumbnail_address
from medclip_search.exports.citations import references
from medclip_search.exports.licences import Sharing, sharing, sharing_sentence
from medclip_search.exports.tables import GONE
from medclip_search.exports.tray import Kept
from medclip_search.state.trays import MOST_NOTE

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "medclip_tray_list",
    css=(_HERE / "tray_list.css").read_text("utf-8"),
    js=(_HERE / "tray_list.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to a case: at which place it is to be (from 0), or into which tray to go.

    ``notes`` are all that were typed and not yet sent, by case id.
    """

    act: Literal["open", "note", "place", "remove", "move", "copy"]
    id: str
    place: int = 0
    to: str = ""
    notes: Mapping[str, str] = field(default_factory=dict[str, str])


def tray_list(
    kept: Sequence[Kept], others: Sequence[str], *, key: str, on_change: Callable[[Change], None]
) -> None:
    """Draw the cases; ``others`` are the trays that they can be moved or copied to."""

    def heard() -> None:
        change = getattr(st.session_state[key], "change", None)
        if change:
            on_change(Change(**change))

    _mount(
        key=key,
        data={
            "items": [_item(one) for one in kept],
            "others": list(others),
            "longest": MOST_NOTE,
        },
        on_change_change=heard,
    )


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
