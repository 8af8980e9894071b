"""What the API and the app share: one opened library and one state database a process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from medclip_search.api import Library
from medclip_search.state import State


@dataclass(frozen=True, slots=True)
class Shared:
    """The process's library and state. ``secret`` lives as long as the process."""

    opened: Library
    state: State
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def library(self) -> Library:
        """The library, brought to the generation published last. One ``stat`` when unchanged."""
        self.opened.refresh()
        return self.opened


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
