"""What the API and the app share: one opened library and one state database a process."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from medclip_search.api import Library
from medclip_search.state import State

T = TypeVar("T")


class Shared:
    """The process's library and state, and what is worth computing once a generation.

    ``secret`` lives as long as the process. ``version`` grows when the library does.
    """

    def __init__(self, library: Library, state: State) -> None:
        self.state = state
        self.secret = secrets.token_bytes(32)
        self.version = 0
        self._library = library
        self._remembered: dict[str, Any] = {}
        self._lock = threading.Lock()

    def library(self) -> Library:
        """The library, brought to the generation published last. One ``stat`` when unchanged."""
        if self._library.refresh():
            with self._lock:
                self.version += 1
                self._remembered = {}
        return self._library

    def remember(self, name: str, compute: Callable[[], T]) -> T:
        """The value of ``compute()``, computed once a generation (counts, examples)."""
        remembered = self._remembered  # a new generation's values go into a dictionary of its own
        if name not in remembered:
            remembered[name] = compute()
        value: T = remembered[name]
        return value


_shared: Shared | None = None


def share(shared: Shared | None) -> None:
    """Set (or clear) what this process serves; the app's script finds it by ``current``.

    A module-level holder, because Streamlit runs the app's script by its path, in this process:
    an import is the only thing that the script and the server have in common.
    """
    global _shared
    _shared = shared


def current() -> Shared:
    """What this process serves."""
    if _shared is None:
        raise RuntimeError("start the app with `medclip-search serve LIBRARY`")
    return _shared
