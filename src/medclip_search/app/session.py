"""What one browser tab is asking: words and images, wanted or not; an area of the map."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import streamlit as st
from PIL import Image

from medclip_search.app.waiting import Task
from medclip_search.errors import QueryError
from medclip_search.images.samples import Samples, read_samples
from medclip_search.indexes.map import Area
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from medclip_search.search.regions import Box, Region, crop, written
from medclip_search.state import Feedback, PastSearch

SUGGESTED = 6
"""So many phrases are shown that figures like an image are called by."""

MOST_SAMPLES = 1 << 22
"""Pixels of an upload whose samples a tab keeps, so that its window can be set: 8 MB."""

MOST_PARTS = 8
"""So many words, and so many images, are asked with at once."""

_PREVIEW = 144  # pixels: a 72-pixel preview on a fine screen


def _token() -> str:
    """A name for a chip, out of chance alone: it may stand in an address, and tells nothing."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class QueryWords:
    """Words to search with, or to leave cases out by; ``token`` names their chip."""

    text: str
    weight: float = 1.0
    unwanted: bool = False
    token: str = field(default_factory=_token)


@dataclass(frozen=True, slots=True)
class QueryImage:
    """A picture to search with: uploaded (in memory only), or the figure of a case.

    ``key`` stands for it where feedback is remembered, its region included; ``preview`` is an
    image's address. ``region`` is the box of it that is searched by, in fractions; ``samples`` are
    those of a deep upload. ``case_id`` is of whose figure it is; ``token`` names its chip. ``made``
    keeps what was made of it to be shown, and goes with it.
    """

    name: str
    picture: Image.Image
    key: str
    preview: str
    region: Box | None = None
    samples: Samples | None = None
    case_id: str | None = None
    weight: float = 1.0
    unwanted: bool = False
    token: str = field(default_factory=_token)
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
    """One tab's search. Uploaded images go when they are removed or the tab closes.

    ``opened`` is a case that is to be opened, ``from_tray`` whether out of the tray.
    ``troubles`` are what went wrong and ``notice`` what is worth knowing, in sentences. ``joined``
    are the tokens of images that were added to others just now. ``address`` is the page's as it was
    written or read last, ``turn_to`` the page of answers that it names; ``kept`` is the search that
    went last into the history, ``tasks`` are searches under way.
    """

    texts: list[QueryWords] = field(default_factory=lambda: list[QueryWords]())
    images: list[QueryImage] = field(default_factory=lambda: list[QueryImage]())
    area: Area | tuple[()] = ()
    opened: str | None = None
    from_tray: bool = False
    opened_image: QueryImage | None = None
    troubles: list[str] = field(default_factory=lambda: list[str]())
    notice: str = ""
    joined: tuple[str, ...] = ()
    answers: tuple[object, Hits] | None = None
    tasks: list[Task[Hits]] = field(default_factory=lambda: list[Task[Hits]]())
    answered: str = ""
    address: dict[str, list[str]] | None = None
    turn_to: int | None = None
    kept: PastSearch | None = None

    @classmethod
    def current(cls) -> Session:
        """This tab's session, made at the first run."""
        if "session" not in st.session_state:
            st.session_state["session"] = cls()
        session = st.session_state["session"]
        assert isinstance(session, cls)
        return session

    @property
    def words(self) -> str:
        """The words that are wanted, as one text."""
        return " ".join(one.text for one in self.texts if not one.unwanted)

    def asks(self) -> bool:
        """Whether there are words or images, wanted or not."""
        return bool(self.texts or self.images)

    def leaves_out(self) -> bool:
        """Whether any of them is unwanted."""
        texts = any(one.unwanted for one in self.texts)
        return texts or any(one.unwanted for one in self.images)

    def ask(self, words: str | None = None, images: list[QueryImage] | None = None) -> None:
        """Set the wanted words, the images, or both; what is not given stays."""
        if words is not None:
            unwanted = [one for one in self.texts if one.unwanted]
            self.texts = [*([QueryWords(words.strip())] if words.strip() else []), *unwanted]
        if images is not None:
            self.images = images
        self._changed()

    def add_words(self, words: str, *, unwanted: bool) -> None:
        """Ask with more words, or leave out the cases that have them."""
        if words.strip():
            self.texts = [*self.texts, QueryWords(words.strip(), unwanted=unwanted)][:MOST_PARTS]
        self._changed()

    def add_images(self, images: list[QueryImage]) -> None:
        """Ask with more images, beside those there are."""
        before, self.images = self.images, [*self.images, *images][-MOST_PARTS:]
        self._changed()
        self.joined = tuple(one.token for one in images) if before else ()

    def only(self, tokens: Sequence[str]) -> None:
        """Ask with these images alone."""
        self.ask(images=[one for one in self.images if one.token in tokens])

    def change(self, token: str, **changes: object) -> None:
        """Change one chip: its words, its weight, whether it is wanted. Blank words go."""
        self.texts = [_changed(one, token, changes) for one in self.texts]
        self.texts = [one for one in self.texts if one.text.strip()]
        self.images = [_changed(one, token, changes) for one in self.images]
        self._changed()

    def remove(self, token: str) -> None:
        """Take one chip away; an upload's picture is then gone from memory."""
        self.texts = [one for one in self.texts if one.token != token]
        self.images = [one for one in self.images if one.token != token]
        self._changed()

    def _changed(self) -> None:
        self.joined, self.notice = (), ""
        self.troubles.clear()

    def query(
        self, where: tuple[str, ...], feedback: Feedback, tray: Sequence[str] = ()
    ) -> Query | None:
        """The query, or ``None`` where nothing is asked.

        The tray helps to steer, and leaves a search alone that nobody steers. Raises ``QueryError``
        where nothing is wanted.
        """
        if not (self.asks() or where or self.area):
            return None
        wanted = [one for one in self.images if not one.unwanted]
        unwanted = [one for one in self.images if one.unwanted]
        if not (self.words or wanted or where or self.area or feedback.likes):
            raise QueryError("All of this is left out; add words or a figure to look for.")
        return Query(
            text=[one.text for one in self.texts if not one.unwanted],
            not_text=[one.text for one in self.texts if one.unwanted],
            image=[one.asked for one in wanted],
            not_image=[one.asked for one in unwanted],
            weights=self.weights(),
            where=where,
            area=self.area,
            like=feedback.likes,
            dislike=feedback.dislikes,
            tray=tray if feedback else (),
            suggest=SUGGESTED if wanted else 0,
        )

    @property
    def waits(self) -> bool:
        """Whether words or images were asked by, from another page, that were not searched for."""
        return self.key() != (self.answered or Session().key())

    def weights(self) -> dict[str, list[float]]:
        """The weights of the parts that have any other than 1, as in ``Query.weights``."""
        parts = {
            "words": [one.weight for one in self.texts if not one.unwanted],
            "image": [one.weight for one in self.images if not one.unwanted],
            "not-image": [one.weight for one in self.images if one.unwanted],
        }
        return {part: weights for part, weights in parts.items() if set(weights) - {1.0}}

    def key(self) -> str:
        """What feedback on this search is remembered under: its parts, not filters or weights."""

        def keys(unwanted: bool) -> list[str]:
            said = [one.text.casefold() for one in self.texts if one.unwanted is unwanted]
            shown = sorted(one.key for one in self.images if one.unwanted is unwanted)
            return ["\n".join(said), *shown]

        parts = keys(False)
        if self.leaves_out():
            parts += ["not", *keys(True)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def past(self, where: tuple[str, ...]) -> PastSearch | None:
        """This search as the history keeps it; ``None`` for one with an upload, region or area."""
        if self.area or any(one.case_id is None or one.region for one in self.images):
            return None

        def of(unwanted: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
            texts = tuple(one.text for one in self.texts if one.unwanted is unwanted)
            cases = tuple(one.case_id or "" for one in self.images if one.unwanted is unwanted)
            return texts, cases

        (words, cases), (not_words, not_cases) = of(False), of(True)
        return PastSearch(words, not_words, cases, not_cases, where, self.weights())


_Part = TypeVar("_Part", QueryWords, QueryImage)


def _changed(part: _Part, token: str, changes: dict[str, object]) -> _Part:
    return replace(part, **changes) if part.token == token else part  # type: ignore[arg-type]


def address(picture: Image.Image, side: int) -> str:
    """A picture, at most ``side`` pixels wide and high, as a data URL: it is nowhere but in it."""
    small = picture.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
