"""What was done in a component of ours, heard once each, however fast one thing follows another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

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
        with _uninterrupted():
            for gesture in _new(key, sent):
                hear(gesture)

    return heard


def hear_late(key: str, hear: Callable[[Any], None], mounted: Any) -> None:
    """Hear what no callback heard: what ended the run that first drew the component, or the
    first gesture after the server was restarted.

    ``mounted`` is what drawing the component gave; the page is then drawn anew.
    """
    with _uninterrupted():
        late = _new(key, getattr(mounted, "gesture", None))
        for gesture in late:
            hear(gesture)
    if late:
        st.rerun()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Do to its end what was begun: else, wherever the session's state is read or written,
    Streamlit may give a run up for the next gesture, and a gesture would be half done."""
    context = get_script_run_ctx()
    assert context is not None, "gestures are heard in a run of the script"
    state = context.session_state
    # Setting it in the plain way would write an item of the session's.
    before = state._yield_callback
    object.__setattr__(state, "_yield_callback", lambda: None)
    try:
        yield
    finally:
        object.__setattr__(state, "_yield_callback", before)


def _new(key: str, sent: Any) -> list[Any]:
    """The gestures that were not heard yet; they count as heard from now on."""
    if not sent:
        return []
    before = answered(key)
    known = before["count"] if before["from"] == sent["from"] else 0
    waiting = [(number, gesture) for number, gesture in sent["waiting"] if number > known]
    count = max([known, *(number for number, _ in waiting)])
    st.session_state[_slot(key)] = {"from": sent["from"], "count": count}
    return [gesture for _, gesture in waiting]


def _slot(key: str) -> str:
    return f"answered-{key}"
