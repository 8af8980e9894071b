"""Every hit shows its exact score in every list, however short the lists were cut."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medclip_search.search.engine import search
from medclip_search.search.query import Query
from tests.search.small_library import SmallLibrary


def cosines(library: SmallLibrary, asked: Image.Image, *, centred: bool) -> dict[str, float]:
    """From the pictures themselves, in double precision."""
    encode = library.maker.preprocess
    ids = {key: case.id for key, case in library.all_cases.items() if case.image}
    pixels = [encode(Image.open(library.all_cases[key].image.path)) for key in ids]  # type: ignore[union-attr]
    rows = np.array(pixels).astype(np.float16).reshape(len(ids), -1).astype(np.float64)
    query = encode(asked).reshape(-1).astype(np.float64)
    if centred:
        rows, query = rows - rows.mean(axis=0), query - rows.mean(axis=0)
    found = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    return dict(zip(ids.values(), found.tolist(), strict=True))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_scores_equal_brute_force(
    small: SmallLibrary,
    pictures: dict[str, Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    depth: int,
) -> None:
    words = "lung OR cyst OR nodule"
    everything = small.text.search(words, 100)
    bm25 = dict(zip(*(array.tolist() for array in everything), strict=True))
    wanted = cosines(small, pictures["b3"], centred=True)
    unwanted = cosines(small, pictures["a2"], centred=True)
    monkeypatch.setattr("medclip_search.search.depth.LEAST", depth)
    query = Query(words, pictures["b3"], not_image=pictures["a2"])
    keys = {case.id: key for key, case in small.all_cases.items()}
    hits = search(small, query, 1), search(small, query, 3)
    assert len(hits[1]) >= 2
    for hit in (hit for some in hits for hit in some):
        told = {one.name: one.score for one in hit.lists}
        assert told["words"] == pytest.approx(bm25.get(keys[hit.id], 0), abs=1e-3)
        if hit.id in wanted:
            assert told["image:hues"] == pytest.approx(wanted[hit.id], abs=1e-4)
            assert told["not-image:hues"] == pytest.approx(unwanted[hit.id], abs=1e-4)
        else:
            assert not {"image:hues", "not-image:hues"} & told.keys()


def test_a_rank_is_told_only_where_the_list_reached(
    small: SmallLibrary, pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medclip_search.search.depth.LEAST", 1)
    hits = search(small, Query("lung", pictures["c1"]), 1)
    (shown,) = hits
    (listed, other) = sorted(shown.lists, key=lambda one: one.rank is None)[:2]
    # Lists are four deep here: one reached the hit, which the other knows by its score alone.
    assert listed.rank == 1
    assert shown.to_json()["evidence"]["lists"][0]["list"] == shown.lists[0].name
    named = {one.name: one for one in shown.lists}
    assert other.name in named
    assert shown.why.startswith("1st by")
    assert "None" not in shown.why
