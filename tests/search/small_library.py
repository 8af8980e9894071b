"""A small library held together by hand: real indexes, and an encoder of hues."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medclip_search.cases import Case, ImageSource
from medclip_search.encoders.base import Encoder, Floats, Space
from medclip_search.images.thumbnails import make_thumbnail
from medclip_search.indexes.columns import Columns, build_columns
from medclip_search.indexes.map import MapIndex
from medclip_search.indexes.text import TextDocument, TextIndex, build_text_index
from medclip_search.indexes.vectors import VectorIndex, build_vector_index

HUES = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "grey": (90, 90, 90)}


class HueEncoder:
    """The mean colours of four quarters; words mean the colours that they name."""

    name = "hues"
    called = "hues"
    batch_size = 3

    def __init__(self, *, embeds_words: bool, names: Sequence[str] = ("hues",)) -> None:
        self.spaces = tuple(
            Space(name, 12, embeds_words=embeds_words, centred=not embeds_words) for name in names
        )
        self.fingerprint = hashlib.sha256(b"hues").hexdigest()

    def preprocess(self, image: Image.Image) -> Floats:
        pixels = np.asarray(image.convert("RGB").resize((2, 2), Image.Resampling.BOX), np.float32)
        return np.asarray(pixels.transpose(2, 0, 1) / 255, np.float32)

    def encode_images(self, batch: Floats) -> Mapping[str, Floats]:
        return {space.name: batch.reshape(len(batch), 12) for space in self.spaces}

    def encode_words(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        if not self.spaces[0].embeds_words:
            return {}
        rows = []
        for text in texts:
            named = [np.array(hue) for word, hue in HUES.items() if word in text.lower()]
            rows.append(np.repeat(np.sum(named, axis=0) if named else np.ones(3), 4))
        return {space.name: np.asarray(rows, np.float32) for space in self.spaces}


def picture(hue: tuple[int, int, int], variety: int) -> Image.Image:
    """A picture of about one hue, a little different for each variety."""
    generator = np.random.default_rng([*hue, variety])
    pixels = np.array(hue) + generator.integers(-25, 26, (2, 2, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).resize((16, 16), 0)


@dataclass(repr=False)
class SmallLibrary:
    """A ``Snapshot`` with the pictures beside it."""

    number: int
    columns: Columns
    text: TextIndex
    vectors: Mapping[str, VectorIndex]
    spaces: Mapping[str, Space]
    all_cases: Mapping[int, Case]
    maker: Encoder
    thumbnails: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    encoders_asked: int = 0
    map: MapIndex | None = None

    def encoder(self) -> Encoder:
        self.encoders_asked += 1
        return self.maker

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        keys = {case.id: key for key, case in self.all_cases.items()}
        return [keys.get(one) for one in ids]

    def ids_of(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: self.all_cases[key].id for key in keys}

    def cases(self, keys: Sequence[int]) -> dict[int, Case]:
        return {key: self.all_cases[key] for key in keys}

    def captions_of(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: self.all_cases[key].caption for key in keys}

    def thumbnail(self, key: int) -> bytes | None:
        return self.thumbnails.get(key)


def build_small_library(
    folder: Path,
    cases: Sequence[Case],
    pictures: Mapping[str, Image.Image] | None = None,
    *,
    embeds_words: bool = False,
) -> SmallLibrary:
    """A library in ``folder`` of cases and their pictures (by id)."""
    encoder = HueEncoder(embeds_words=embeds_words)
    # Keys with holes, as after removals.
    keyed = {3 * place + 1: case for place, case in enumerate(cases)}
    shown = pictures or {}
    for key, case in keyed.items():
        if case.id in shown:
            path = folder / f"{key}.png"
            shown[case.id].save(path)
            keyed[key] = dataclasses.replace(case, image=ImageSource(path))
    for name in ("text", "columns", "vectors"):
        (folder / name).mkdir()
    documents = (TextDocument(k, c.id, c.caption, c.keywords) for k, c in keyed.items())
    build_text_index(documents, folder / "text")
    build_columns(keyed.items(), folder / "columns")
    keys = [key for key, case in keyed.items() if case.id in shown]
    batch = [encoder.preprocess(shown[keyed[key].id]) for key in keys]
    rows = np.zeros((0, 12), np.float16)
    if batch:
        rows = encoder.encode_images(np.stack(batch))["hues"].astype(np.float16)
    build_vector_index(rows, np.array(keys, np.int64), folder / "vectors", space=encoder.spaces[0])
    return SmallLibrary(
        number=7,
        columns=Columns.open(folder / "columns"),
        text=TextIndex.open(folder / "text"),
        vectors={"hues": VectorIndex.open(folder / "vectors", rows)},
        spaces={"hues": encoder.spaces[0]},
        all_cases=keyed,
        maker=encoder,
        thumbnails={k: make_thumbnail(shown[c.id]) for k, c in keyed.items() if c.id in shown},
    )


def a_case(
    case_id: str, caption: str, *, hue: str = "", modality: str = "CT", **other: str
) -> tuple[Case, str]:
    return Case(case_id, "small", caption, modality=modality, metadata=other), hue


ROWS = [
    a_case("a1", "Cavitation in the right lung", hue="red", stage="early"),
    a_case("a2", "Cavitation of the lung after treatment", hue="red", stage="late"),
    a_case("a3", "Normal lung", hue="red", stage="early"),
    a_case("b1", "Liver cyst", hue="green", modality="MR", stage="late"),
    a_case("b2", "Two cysts of the liver, no nodule", hue="green", modality="MR", stage="early"),
    a_case("b3", "Liver nodule", hue="green", modality="US", stage="late"),
    a_case("c1", "Fracture of the left femur", hue="blue", modality="CR", stage="early"),
    a_case("c2", "Healing fracture", hue="blue", modality="CR", stage="late"),
    a_case("n1", "", hue="red"),
    a_case("n2", "", hue="green", modality="MR"),
    a_case("w1", "A lung that was never pictured"),
]

CASES = [case for case, _ in ROWS]
PICTURES = {case.id: picture(HUES[hue], at) for at, (case, hue) in enumerate(ROWS) if hue}
