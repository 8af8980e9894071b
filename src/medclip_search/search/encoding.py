"""Encoding: the words and pictures of a query to vectors, in each space that can hear them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from medclip_search.encoders.base import Floats
from medclip_search.errors import EncoderUnavailableError
from medclip_search.images import read_image
from medclip_search.search import retrieve
from medclip_search.search.query import Query
from medclip_search.search.regions import CaseFigure, ImageInput, Region, crop
from medclip_search.search.snapshot import Snapshot

_ENCODING = threading.Lock()  # encoders are called from one thread at a time


@dataclass(frozen=True, slots=True)
class Encoded:
    """For each text, wanted and unwanted image of a query its vector in each space."""

    words: Sequence[Mapping[str, Floats]]
    images: Sequence[Mapping[str, Floats]]
    unwanted: Sequence[Mapping[str, Floats]]


def encoded(generation: Snapshot, query: Query, notes: list[str]) -> Encoded:
    """Raises ``ImageError`` (a query image that cannot be read), ``QueryError`` (a region that lies
    beyond its image) and ``EncoderError``.

    Where words cannot be encoded, the captions answer alone, and a note says so.
    """
    words = _encoded_words(generation, query.text, notes)
    # A query holds tuples, whatever it was made from.
    pictures = cast("tuple[ImageInput | Region, ...]", query.image)
    others = cast("tuple[ImageInput | Region, ...]", query.not_image)
    images = _encoded_images(generation, (*pictures, *others), notes)
    return Encoded(words, images[: len(pictures)], images[len(pictures) :])


def _encoded_words(
    generation: Snapshot, texts: Sequence[str], notes: list[str]
) -> list[Mapping[str, Floats]]:
    """For each text its vector in each joint space; no encoder is loaded where there is none.

    Where the encoder is not to be had, the captions answer alone, and a note says so.
    """
    spaces = retrieve.word_spaces(generation)
    if not spaces or not texts:
        return [{} for _ in texts]
    try:
        encoder = generation.encoder()
        with _ENCODING:
            encoded = encoder.encode_words(texts)
    except EncoderUnavailableError as error:
        notes.append(f"Words were matched against captions, not pictures ({error}).")
        return [{} for _ in texts]
    return [
        {space: encoded[space][at] for space in spaces if space in encoded}
        for at in range(len(texts))
    ]


def _encoded_images(
    generation: Snapshot, sources: Sequence[ImageInput | Region], notes: list[str]
) -> list[Mapping[str, Floats]]:
    """For each image its vector in each space."""
    pictures = [_picture(source, at) for at, source in enumerate(sources, 1)]
    # Where all vectors came ready-made, asking for their encoder says why it cannot be.
    spaces = retrieve.encoded_spaces(generation) or retrieve.image_spaces(generation)
    if pictures and not spaces:
        notes.append("The library has no pictures to compare an image with; it was left aside.")
    if not pictures or not spaces:
        return [{} for _ in pictures]
    encoder = generation.encoder()
    prepared = [encoder.preprocess(picture) for picture in pictures]
    vectors: list[Mapping[str, Floats]] = []
    for start in range(0, len(prepared), encoder.batch_size):
        batch = np.stack(prepared[start : start + encoder.batch_size])
        with _ENCODING:
            encoded = encoder.encode_images(batch)
        vectors += [
            {space: encoded[space][at] for space in spaces if space in encoded}
            for at in range(len(batch))
        ]
    return vectors


def _picture(source: ImageInput | Region, number: int) -> Image.Image:
    """A query image, or a region of one, decoded in memory; nothing of it is kept."""
    image = source.image if isinstance(source, Region) else source
    assert not isinstance(image, CaseFigure), "the library puts its pictures in their place"
    if isinstance(image, str | Path):
        name, image = str(image), Path(image)
    else:
        name = f"query image {number}"
    picture = read_image(image, name=name)
    return crop(picture, source.box, name) if isinstance(source, Region) else picture
