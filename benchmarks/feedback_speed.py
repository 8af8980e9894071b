"""How long a round of likes and dislikes takes at a given size.

    python -m benchmarks.feedback_speed [--cases 1600000] [--dimension 128]

Captions are put together from ROCO's sentences, vectors are ``clip_like``'s. The
first ranking (up to 1,000 cases by a caption's four words and by a vector) is not counted: what is
timed is steering by 3 likes and 3 dislikes, new candidates included, and telling the sums of the
best 24. Beside the time on the clock stands the processor's, which others' work changes little.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_like import ClipLike
from benchmarks.composed_captions import composed, sentences
from medclip_search.cases import Case
from medclip_search.encoders.base import Encoder, Space
from medclip_search.indexes.columns import Columns, build_columns
from medclip_search.indexes.map import MapIndex
from medclip_search.indexes.text import TextDocument, TextIndex, build_text_index
from medclip_search.indexes.vectors import VectorIndex, build_vector_index
from medclip_search.search.steer import steer

MODALITIES = ("CT", "MR", "XR", "US", None)


@dataclass
class Made:
    """A generation made for the purpose; captions are made again from their keys."""

    number: int
    columns: Columns
    text: TextIndex
    vectors: Mapping[str, VectorIndex]
    spaces: Mapping[str, Space]
    sentences: Sequence[str]
    map: MapIndex | None = None

    def encoder(self) -> Encoder:
        raise NotImplementedError

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        return [int(one) for one in ids]

    def ids_of(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: f"c{key:07}" for key in keys}

    def thumbnail(self, key: int) -> bytes | None:
        return None

    def captions_of(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: case.caption for key, case in self.cases(keys).items()}

    def cases(self, keys: Sequence[int]) -> dict[int, Case]:
        return {key: make_case(key, self.sentences) for key in keys}


def make_case(key: int, said: Sequence[str]) -> Case:
    chance = random.Random(key)
    caption = composed(said, chance)
    return Case(f"c{key:07}", caption=caption, modality=chance.choice(MODALITIES))


def make(count: int, dimension: int, folder: Path) -> Made:
    said = sentences()
    for name in ("text", "columns", "vectors"):
        (folder / name).mkdir()

    def cases() -> Iterator[tuple[int, Case]]:
        return ((key, make_case(key, said)) for key in range(count))

    documents = (TextDocument(key, case.id, case.caption) for key, case in cases())
    build_text_index(documents, folder / "text")
    build_columns(cases(), folder / "columns")
    rows = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float16, (count, dimension))
    start = 0
    for block, _ in ClipLike(dimension).blocks(count):
        rows[start : start + len(block)] = block
        start += len(block)
    space = Space("made", dimension, embeds_words=False, centred=True)
    build_vector_index(rows, np.arange(count, dtype=np.int64), folder / "vectors", space=space)
    return Made(
        1,
        Columns.open(folder / "columns"),
        TextIndex.open(folder / "text"),
        {"made": VectorIndex.open(folder / "vectors", rows)},
        {"made": space},
        said,
    )


def now() -> NDArray[np.float64]:
    """The clock's time and the processor's, in milliseconds."""
    return np.array([time.perf_counter(), time.process_time()]) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=1_600_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        made = make(given.cases, given.dimension, Path(folder))
        print(f"{given.cases:,} cases made in {time.perf_counter() - began:.0f} s")
        order = made.columns.order
        steering, telling = [], []
        for _ in range(given.rounds):
            asked = chance.randrange(given.cases)
            caption = make_case(asked, made.sentences).caption
            words = dict.fromkeys(made.text.terms(caption)[:4], 1.0)
            by_words, _ = made.text.search_terms(words, 500, None, order)
            vector = made.vectors["made"].vector(asked)
            assert vector is not None
            by_vector, _ = made.vectors["made"].search(vector, 500, None, order)
            first = np.array(list(dict.fromkeys([*by_words.tolist(), *by_vector.tolist()])))
            liked, disliked = first[[0, 4, 11]].tolist(), first[[1, 2, 7]].tolist()
            start = now()
            steered = steer(made, first, liked, disliked, None)
            middle = now()
            steered.evidence(steered.keys[:24].tolist())
            telling.append(now() - middle)
            steering.append(middle - start)
    for name, taken in (("steering", steering), ("telling 24 sums", telling)):
        (clock, clock95), (processor, processor95) = np.quantile(taken, [0.5, 0.95], axis=0).T
        print(
            f"{name}: p50 {clock:.1f} ms, p95 {clock95:.1f} ms; of the processor {processor:.1f} "
            f"and {processor95:.1f} ms"
        )


if __name__ == "__main__":
    main()
