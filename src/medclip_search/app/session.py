"""What one browser tab is asking: words, images, filters, an area of the map."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st
from PIL import Image

from medclip_search.images.samples import Samples, read_samples
from medclip_search.indexes.map import Area
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from medclip_search.search.regions import Box, Region, crop, written
from medclip_search.state import Feedback

SUGGESTED = 6
"""So many phrases are shown that figures like an image are called by."""

MOST_SAMPLES = 1 << 22
"""Pixels of an upload whose samples a tab keeps, so that its window can be set: 8 MB."""

_PREVIEW = 144  # pixels: a 72-pixel preview on a fine screen


@dataclass(frozen=True, slots=True)
class QueryImage:
    """A picture to search with: uploaded (in memory only), or the figure of a case.

    ``key`` stands for it where feedback is remembered, its region included; ``preview`` is an
    image's address. ``region`` is the box of it that is searched by, in fractions; ``samples`` are
    those of a deep upload. ``case_id`` is of whose figure it is. ``made`` keeps what was made of it
    to be shown, and goes with it.
    """

    name: str
    picture: Image.Image
    key: str
    preview: str
    region: Box | None = None
    samples: Samples | None = None
    case_id: str | None = None
    made: dict[str, Any] = field(
        default_factory=lambda: dict[str, Any](), compare=False, repr=False
    )

    @classmethod
    def uploaded(cls, name: str, content: bytes, picture: Image.Image, secret: bytes) -> QueryImage:
        """From an upload. The key is a keyed digest: after a restart nobody can link it back.

        Raises ``ImageError`` where it is deep and its samples cannot be read.
        """
        digest = hashlib.blake2b(content, key=secret, digest_size=16).hexdigest()
        samples = None
        if picture.width * picture.height <= MOST_SAMPLES:
            samples = read_samples(content, name=name)
        return cls(name, picture, f"upload:{digest}", address(picture, _PREVIEW), samples=samples)

    @property
    def asked(self) -> Image.Image | Region:
        """What is searched by: the region, or the whole picture."""
        return self.picture if self.region is None else Region(self.picture, self.region)

    def by_region(self, box: Box | None) -> QueryImage:
        """The same, searched by a box of it; ``None``: whole. Raises ``QueryError``."""
        whole = self.key.partition("#")[0]
        if box is None:
            shown, key = self.picture, whole
        else:
            shown, key = crop(self.picture, box, self.name), f"{whole}#{written(box)}"
        return replace(self, region=box, key=key, preview=address(shown, _PREVIEW))


@dataclass(slots=True)
class Session:
    """One tab's search. Uploaded images go when they are replaced or the tab closes."""

    words: str = ""
    images: list[QueryImage] = field(default_factory=lambda: list[QueryImage]())
    area: Area | tuple[()] = ()
    opened: str | None = None
    opened_image: QueryImage | None = None
    troubles: list[str] = field(default_factory=lambda: list[str]())
    answers: tuple[object, Hits] | None = None
    answered: str = ""

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
        if not (self.words or self.images or where or self.area):
            return None
        return Query(
            text=self.words,
            image=[one.asked for one in self.images],
            where=where,
            area=self.area,
            like=feedback.likes,
            dislike=feedback.dislikes,
            tray=tray if feedback else (),
            suggest=SUGGESTED if self.images else 0,
        )

    @property
    def waits(self) -> bool:
        """Whether words or images were asked by, from another page, that were not searched for."""
        return self.key() != (self.answered or Session().key())

    def key(self) -> str:
        """What feedback on this search is remembered under: words and images, not filters."""
        parts = [self.words.casefold(), *sorted(one.key for one in self.images)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def address(picture: Image.Image, side: int) -> str:
    """A picture, at most ``side`` pixels wide and high, as a data URL: it is nowhere but in it."""
    small = picture.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
