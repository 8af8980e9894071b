"""What was done in a component of ours, heard once each, however fast one thing follows another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

SCRIPT = Path(__file__).with_name("gestures.js").read_text("utf-8")
"""To be joined to a component's own, before it."""


def answered(key: str) -> dict[str, Any]:
    """For a component's data, as ``answered``: which of its gestures were heard."""
    found: dict[str, Any] = st.session_state.get(_slot(key), {"from": "", "count": 0})
    return found


def hearing(key: str, hear: Callable[[Any], None]) -> Callable[[], None]:
    """The callback of a component's trigger ``gesture``: ``hear`` is called with every new one."""

    def heard() -> None:
        sent = getattr(st.session_state[key], "gesture", None)
        if not sent:
            return
        before = answered(key)
        known = before["count"] if before["from"] == sent["from"] else 0
        waiting = [(number, gesture) for number, gesture in sent["waiting"] if number > known]
        st.session_state[_slot(key)] = {
            "from": sent["from"],
            "count": max([known, *(number for number, _ in waiting)]),
        }
        for _, gesture in waiting:
            hear(gesture)

    return heard


def _slot(key: str) -> str:
    return f"answered-{key}"
