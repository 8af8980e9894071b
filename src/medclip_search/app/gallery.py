"""Cards of figures as one component: pictures by URL, gestures as events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import streamlit as st

from medclip_search.app.gestures import SCRIPT, answered, hear_late, hearing
from medclip_search.cases import Case
from medclip_search.indexes.text.highlighting import Highlight
from medclip_search.search.hits import Hit

Act = Literal["open", "search", "star", "like", "dislike", "stack"]

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "medclip_gallery",
    css=(_HERE / "gallery.css").read_text("utf-8"),
    js=SCRIPT + (_HERE / "gallery.js").read_text("utf-8"),
)

_LICENCES = {"commercial": "Free to reuse", "noncommercial": "Non-commercial"}
_SHORT = 16


@dataclass(frozen=True, slots=True)
class Card:
    """What one card shows. ``case`` is ``None`` for one that has vanished from the library.

    ``stack`` tells how many lie beneath it and what they are, to be laid out beside it where it is
    ``unfolded``; ``beneath`` says of a card laid out so what it has to do with the one before.
    """

    id: str
    case: Case | None
    rank: int | None = None
    why: str = ""
    star: bool = False
    like: bool = False
    dislike: bool = False
    highlights: Sequence[Highlight] = ()
    stack: tuple[int, str] | None = None
    unfolded: bool = False
    beneath: str = ""

    @classmethod
    def of(cls, hit: Hit, *, unfolded: bool = False) -> Card:
        """The card of a hit."""
        return cls(
            hit.id,
            hit.case,
            rank=hit.rank,
            why=hit.why,
            highlights=hit.highlights,
            stack=_stack(hit),
            unfolded=unfolded,
        )

    def to_json(self) -> dict[str, Any]:
        """The card as the component's JavaScript reads it."""
        case = self.case
        if case is None:
            caption = f"{self.id} is no longer in this library"
            return {"id": self.id, "caption": caption, "gone": True, "star": self.star}
        item: dict[str, Any] = {
            "id": self.id,
            "caption": case.caption,
            "pieces": pieces(case.caption, self.highlights),
            "why": self.why,
            "thumbnail": thumbnail_address(case),
            "badges": [*([self.beneath] if self.beneath else []), *_badges(case)],
            "star": self.star,
            "like": self.like,
            "dislike": self.dislike,
            "beneath": bool(self.beneath),
        }
        if self.stack:
            count, says = self.stack
            item |= {"stack": {"count": count, "says": says}, "unfolded": self.unfolded}
        return item | ({"rank": self.rank} if self.rank is not None else {})


def pieces(caption: str, highlights: Sequence[Highlight]) -> list[list[Any]]:
    """A caption in pieces, each with 0 for plain text, 1 for words typed, 2 for words beside."""
    found: list[list[Any]] = []
    at = 0
    for one in highlights:
        if at < one.start:
            found.append([caption[at : one.start], 0])
        found.append([caption[one.start : one.end], 1 if one.typed else 2])
        at = one.end
    if at < len(caption):
        found.append([caption[at:], 0])
    return found


def _stack(hit: Hit) -> tuple[int, str] | None:
    same, article = len(hit.duplicates), len(hit.siblings)
    told = [f"{same} more of the same picture"] if same else []
    told += [f"{article} more of the same article"] if article else []
    return (same + article, ", ".join(told)) if told else None


def _badges(case: Case) -> list[str]:
    """What is known of a case, in a few short words."""
    licence = case.licence or ""
    if not licence or len(licence) > _SHORT:
        licence = _LICENCES.get(case.licence_class or "", "")
    return [str(one) for one in (case.modality, case.region, case.year, licence) if one]


def thumbnail_address(case: Case) -> str | None:
    """Where the browser finds a case's thumbnail, relative to the page."""
    return f"api/v1/thumbnails/{quote(case.id)}" if case.image else None


def gallery(
    cards: Sequence[Card],
    *,
    key: str,
    label: str,
    on_gesture: Callable[[Act, str, bool], None],
    layout: Literal["cards", "cards small", "rows", "strip"] = "cards",
    acts: Sequence[Act] = ("star", "like", "dislike"),
    verb: str = "Open",
    page: tuple[str, int] | None = None,
) -> None:
    """Draw cards; ``on_gesture`` is called with what was done, to which case's id, and whether a
    star or thumb is to be on, of what the card showed.

    ``verb`` is what a click on a figure does, for those who hear the page. ``label`` names
    the list for them. ``page`` is the question that the cards answer, and which page of the answers
    they are: another question is shown from the top, where it stands, another page from the list's.
    """

    def heard(gesture: Any) -> None:
        on_gesture(gesture["act"], gesture["id"], gesture["on"])

    mounted = _mount(
        key=key,
        data={
            "items": [card.to_json() for card in cards],
            "acts": list(acts),
            "layout": layout,
            "label": label,
            "verb": verb,
            "page": page,
            "answered": answered(key),
        },
        width="content" if layout == "strip" else "stretch",
        on_gesture_change=hearing(key, heard),
    )
    hear_late(key, heard, mounted)
