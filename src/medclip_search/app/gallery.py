"""Cards of figures as one component: pictures by URL, gestures as events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import streamlit as st

from medclip_search.cases import Case

Act = Literal["open", "star", "like", "dislike"]

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "medclip_gallery",
    css=(_HERE / "gallery.css").read_text("utf-8"),
    js=(_HERE / "gallery.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """What one card shows. ``case`` is ``None`` for one that has vanished from the library."""

    id: str
    case: Case | None
    rank: int | None = None
    why: str = ""
    star: bool = False
    like: bool = False
    dislike: bool = False
    carries: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """The card as the component's JavaScript reads it."""
        case = self.case
        if case is None:
            caption = f"{self.id} is no longer in this library"
            return {"id": self.id, "caption": caption, "gone": True, "star": self.star}
        item: dict[str, Any] = {
            "id": self.id,
            "caption": case.caption,
            "why": self.why,
            "thumbnail": thumbnail_address(case),
            "badges": [str(b) for b in (case.modality, case.region, case.year, *self.carries) if b],
            "star": self.star,
            "like": self.like,
            "dislike": self.dislike,
        }
        return item | ({"rank": self.rank} if self.rank is not None else {})


def thumbnail_address(case: Case) -> str | None:
    """Where the browser finds a case's thumbnail, relative to the page."""
    return f"api/v1/thumbnails/{quote(case.id)}" if case.image else None


def gallery(
    cards: Sequence[Card],
    *,
    key: str,
    label: str,
    on_gesture: Callable[[Act, str], None],
    layout: Literal["cards", "cards small", "rows"] = "cards",
    acts: Sequence[Act] = ("star", "like", "dislike"),
    verb: str = "Open",
) -> None:
    """Draw cards; ``on_gesture`` is called with what was done and to which case's id.

    ``verb`` is what a click on a figure does, for those who hear the page. ``label`` names
    the list for them.
    """

    def heard() -> None:
        gesture = getattr(st.session_state[key], "gesture", None)
        if gesture:
            on_gesture(gesture["act"], gesture["id"])

    _mount(
        key=key,
        data={
            "items": [card.to_json() for card in cards],
            "acts": list(acts),
            "layout": layout,
            "label": label,
            "verb": verb,
        },
        on_gesture_change=heard,
    )
