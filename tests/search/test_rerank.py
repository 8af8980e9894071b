"""Re-ranking by a cross-encoder: which places change, by what evidence, and within which time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.encoders.base import Floats
from medclip_search.errors import EncoderError, QueryError
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from medclip_search.search.rerank import DEPTH, rerank
from tests.search.small_library import SmallLibrary

LUNG = Query("lung", rerank_ms=60_000)


class Reader:
    """Scores a text by a table, and takes its time on a clock of its own."""

    name = "table"
    batch_size = 2

    def __init__(self, scores: dict[str, float], seconds: float = 0.0) -> None:
        self.scores, self.seconds, self.now = scores, seconds, 0.0
        self.read: list[str] = []

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        self.now += self.seconds * len(texts)
        self.read += texts
        return np.array([self.scores.get(text, 0.0) for text in texts], np.float32)

    def clock(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def shelf(build: Callable[..., SmallLibrary]) -> SmallLibrary:
    """Sixty captions and a picture's case without one."""
    rows = [Case(f"c{at:02}", "shelf", f"caption {at}") for at in range(60)]
    rows[1] = Case("c01", "shelf", "")
    return build(rows)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-9, 9), min_size=60, max_size=60))
def test_read_ones_stand_by_prior_and_logit(shelf: SmallLibrary, drawn: list[float]) -> None:
    keys = np.array(list(shelf.all_cases), np.int64)
    scores = np.linspace(1, 0.1, len(keys))
    logit = {f"caption {at}": value for at, value in enumerate(drawn)}
    reader = Reader(logit)
    found = rerank(shelf, reader, ["caption"], keys, scores, 1, reader.clock)
    assert found.keys[1] == keys[1]  # there was nothing to read
    assert found.keys[DEPTH:].tolist() == keys[DEPTH:].tolist()
    assert sorted(found.keys) == sorted(keys)
    assert len(found.evidence) == DEPTH - 1
    total = {
        int(key): drawn[place] - np.log(place + 1)
        for place, key in enumerate(keys)
        if int(key) in found.evidence
    }
    order = [total[key] for key in found.keys.tolist() if key in total]
    assert all(a >= b - 1e-5 for a, b in pairwise(order))
    for place, key in enumerate(found.keys.tolist()):
        if key in found.evidence:
            was = int(np.flatnonzero(keys == key)[0])
            assert scores[was] + found.evidence[key].share == pytest.approx(scores[place])


def test_only_as_many_are_read_as_time_allows(shelf: SmallLibrary) -> None:
    keys = np.array(list(shelf.all_cases), np.int64)
    scores = np.linspace(1, 0.1, len(keys))
    reader = Reader({"caption 4": 9.0}, seconds=0.1)
    found = rerank(shelf, reader, ["caption"], keys, scores, 450, reader.clock)
    assert reader.now <= 0.45
    assert reader.read == ["caption 0", "caption 2", "caption 3", "caption 4"]
    assert found.keys[0] == keys[4]
    assert found.keys[5:].tolist() == keys[5:].tolist()
    assert found.notes == (
        "The cross-encoder read the best 4 of 49 captions in 450 ms; the others keep their places.",
    )
    none = rerank(shelf, reader, ["caption"], keys, scores, 0, reader.clock)
    assert none.keys.tolist() == keys.tolist()
    assert not none.evidence
    assert "0 ms are too few" in none.notes[0]


def test_one_caption_of_several_hits_is_read_once(build: Callable[..., SmallLibrary]) -> None:
    same = build([Case(f"c{at}", "same", f"caption {at % 2}") for at in range(6)])
    keys = np.array(list(same.all_cases), np.int64)
    reader = Reader({"caption 1": 9.0})
    found = rerank(same, reader, ["caption"], keys, np.linspace(1, 0.1, 6), 1, reader.clock)
    assert reader.read == ["caption 0", "caption 1"]
    assert found.keys.tolist() == keys[[1, 3, 5, 0, 2, 4]].tolist()


def test_a_network_that_fails_is_left_out_with_a_note(small: SmallLibrary) -> None:
    class Failing(Reader):
        def score(self, query: str, texts: Sequence[str]) -> Floats:
            raise EncoderError("model: PyTorch failed on cuda (out of memory)")

    plain = search(small, Query("lung"))
    hits = search(small, LUNG, reader=Failing({}))
    assert [hit.id for hit in hits] == [hit.id for hit in plain]
    assert any("was left out (model: PyTorch failed on cuda" in note for note in hits.notes)
    broken = search(small, LUNG, reader=Reader({"Normal lung": float("nan")}))
    assert [hit.id for hit in broken] == [hit.id for hit in plain]
    assert any("are not numbers" in note for note in broken.notes)


def test_a_hit_shows_what_the_cross_encoder_made_of_it(small: SmallLibrary) -> None:
    reader = Reader({"A lung that was never pictured": 9.0})
    first = search(small, LUNG)[0]
    hits = search(small, LUNG, reader=reader)
    assert first.id != hits[0].id == "w1"
    [told] = [one for one in hits[0].lists if one.name == "cross-encoder"]
    assert (told.rank, told.score) == (1, 9.0)
    assert sum(one.share for one in hits[0].lists) == pytest.approx(hits[0].score)
    assert "1st by the cross-encoder" in hits[0].why
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    off = search(small, Query("lung", rerank=False), reader=Reader({}))
    assert off[0].id == first.id
    assert not any(one.name == "cross-encoder" for hit in off for one in hit.lists)


def test_feedback_starts_from_the_new_order(small: SmallLibrary) -> None:
    query = Query("lung", dislike="b1", rerank_ms=60_000)
    reader = Reader({"A lung that was never pictured": 9.0})
    assert search(small, query, reader=reader)[0].id == "w1"
    assert search(small, query)[0].id != "w1"


def test_it_reads_the_wanted_words_only(small: SmallLibrary) -> None:
    class Asked(Reader):
        asked = ""

        def score(self, query: str, texts: Sequence[str]) -> Floats:
            self.asked = query
            return super().score(query, texts)

    reader = Asked({})
    search(
        small, Query(['lung AND "right lung" NOT liver', "cavit*"], rerank_ms=60_000), reader=reader
    )
    assert reader.asked == "lung right lung cavit"


def test_images_are_not_its_business(small: SmallLibrary, picture_files: dict[str, Path]) -> None:
    reader = Reader({})
    hits = search(small, Query("lung", image=picture_files["a1"]), reader=reader)
    assert any("it reads words alone" in note for note in hits.notes)
    hits = search(small, Query("lung", not_image=picture_files["a1"]), reader=reader)
    assert any("it reads words alone" in note for note in hits.notes)
    hits = search(small, Query(image=picture_files["a1"]), reader=reader)
    assert not any("cross-encoder" in note for note in hits.notes)
    assert reader.read == []


@pytest.mark.parametrize("wrong", [-1, 60_001, 1.5, True])
def test_a_time_that_is_none_is_refused(wrong: int) -> None:
    with pytest.raises(QueryError, match="rerank_ms"):
        Query("lung", rerank_ms=wrong)
