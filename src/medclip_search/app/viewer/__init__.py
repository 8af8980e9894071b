"""The viewer of figures, as one component: zoom, window and level, a box, two side by side.

Zooming and moving is Panzoom's (``vendor``; MIT licence); it takes any element, in a shadow root
too. Windows need the samples themselves, which ``samples.js`` reads from the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.app.gestures import SCRIPT, answered, hear_late, hearing
from medclip_search.cases import Case
from medclip_search.search.regions import Box

_HERE = Path(__file__).parent
# One module of several files: Panzoom's is for any way of loading, and is here given CommonJS's.
_PANZOOM = (_HERE / "vendor" / "panzoom.min.js").read_text("utf-8")
_SCRIPTS = [(_HERE / name).read_text("utf-8") for name in ("samples.js", "pane.js", "viewer.js")]
_mount = st.components.v2.component(
    "medclip_viewer",
    css=(_HERE / "viewer.css").read_text("utf-8"),
    js="\n".join(
        [
            "const Panzoom = ((module) => { const exports = module.exports;",
            _PANZOOM,
            "return module.exports; })({ exports: {} });",
            SCRIPT,
            *_SCRIPTS,
        ]
    ),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to look at: where its picture is, where its samples are, and what it is called.

    ``address`` is ``None`` where there is no picture, ``samples`` where it has 8 bits. ``facts``
    are those of the samples where their address is a data URL. ``name`` stands on the picture;
    ``small`` leaves it at its own size.
    """

    id: str
    address: str | None
    alt: str
    samples: str | None = None
    facts: dict[str, Any] | None = None
    name: str = ""
    small: bool = False

    @classmethod
    def of(cls, case: Case, *, deep: bool = False, small: bool = False) -> Figure:
        """A case's; ``deep``: whether it has samples, ``small``: whether only its thumbnail."""
        shown = image_address(case.id) if case.image is not None else None
        samples = f"api/v1/samples/{quote(case.id)}" if deep else None
        return cls(case.id, shown, case.caption or case.id, samples, small=small)

    def to_json(self) -> dict[str, Any]:
        """As the component's JavaScript reads it."""
        return {name: getattr(self, name) for name in self.__slots__}


def image_address(case_id: str) -> str:
    """Where the browser finds a case's full-size figure, relative to the page."""
    return f"api/v1/images/{quote(case_id)}"


@dataclass(frozen=True, slots=True)
class Gesture:
    """What was done: ``open`` another figure by its id, ``turn`` to the page of figures after
    (``by`` 1) or before (-1), search by a ``region`` (``None``: by the whole image), or a letter
    that was asked for."""

    act: str
    id: str = ""
    by: int = 0
    box: Box | None = None


def viewer(
    figure: Figure,
    *,
    key: str,
    on_gesture: Callable[[Gesture], None],
    around: Sequence[Figure] = (),
    page: tuple[int, int] = (1, 1),
    beside: Figure | None = None,
    regions: bool = False,
    box: Box | None = None,
    mode: str | None = None,
    letters: Sequence[str] = (),
    home: str = "",
) -> None:
    """Draw it. ``around`` are the figures that the arrow keys go through, ``figure`` among them;
    ``page`` tells which page of them, of how many, these are.

    ``regions``: whether a box may be drawn to search by, ``box`` one that is drawn already, in
    fractions. ``mode`` sets what a drag does (``pan``, ``window`` or ``box``). ``letters`` are keys
    that are told as gestures. ``home`` is the key of the gallery whose card gets the focus when the
    viewer goes.
    """

    def heard(told: Any) -> None:
        drawn = told.get("box")
        box = None
        if drawn:  # to a ten-thousandth, so that the same box has the same name
            x, y, width, height = (round(float(one), 4) for one in drawn)
            box = (x, y, min(width, 1 - x), min(height, 1 - y))
        on_gesture(Gesture(told["act"], told.get("id", ""), told.get("by", 0), box))

    mounted = _mount(
        key=key,
        data={
            "figure": figure.to_json() | ({"box": box} if regions else {}),
            "around": [one.to_json() for one in around],
            "page": page,
            "beside": None if beside is None else beside.to_json(),
            "regions": regions,
            "mode": mode,
            "letters": list(letters),
            "home": home,
            "notice": NOT_FOR_DIAGNOSIS,
            "answered": answered(key),
        },
        on_gesture_change=hearing(key, heard),
    )
    hear_late(key, heard, mounted)
