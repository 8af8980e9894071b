"""What one browser tab is asking: words, images, filters."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st
from PIL import Image

from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from medclip_search.state import Feedback

SUGGESTED = 6
"""So many phrases are shown that figures like an image are called by."""

_PREVIEW = 144  # pixels: a 72-pixel preview on a fine screen


@dataclass(frozen=True, slots=True)
class QueryImage:
    """A picture to search with: uploaded (in memory only), or the figure of a case.

    ``key`` stands for it where feedback is remembered; ``preview`` is an image's address.
    """

    name: str
    picture: Image.Image
    key: str
    preview: str

    @classmethod
    def uploaded(cls, name: str, content: bytes, picture: Image.Image, secret: bytes) -> QueryImage:
        """From an upload. The key is a keyed digest: after a restart nobody can link it back."""
        digest = hashlib.blake2b(content, key=secret, digest_size=16).hexdigest()
        return cls(name, picture, f"upload:{digest}", _preview(picture))


@dataclass(slots=True)
class Session:
    """One tab's search. Uploaded images go when they are replaced or the tab closes."""

    words: str = ""
    images: list[QueryImage] = field(default_factory=lambda: list[QueryImage]())
    opened: str | None = None
    troubles: list[str] = field(default_factory=lambda: list[str]())
    answers: tuple[object, Hits] | None = None

    @classmethod
    def current(cls) -> Session:
        """This tab's session, made at the first run."""
        if "session" not in st.session_state:
            st.session_state["session"] = cls()
        session = st.session_state["session"]
        assert isinstance(session, cls)
        return session

    def ask(self, words: str | None = None, images: list[QueryImage] | None = None) -> None:
        """Set the words, the images, or both; what is not given stays."""
        if words is not None:
            self.words = words.strip()
        if images is not None:
            self.images = images

    def query(
        self, where: tuple[str, ...], feedback: Feedback, tray: Sequence[str] = ()
    ) -> Query | None:
        """The query, or ``None`` where nothing is asked.

        The tray helps to steer, and leaves a search alone that nobody steers.
        """
        if not (self.words or self.images or where):
            return None
        return Query(
            text=self.words,
            image=[one.picture for one in self.images],
            where=where,
            like=feedback.likes,
            dislike=feedback.dislikes,
            tray=tray if feedback else (),
            suggest=SUGGESTED if self.images else 0,
        )

    def key(self) -> str:
        """What feedback on this search is remembered under: words and images, not filters."""
        parts = [self.words.casefold(), *sorted(one.key for one in self.images)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _preview(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((_PREVIEW, _PREVIEW))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
