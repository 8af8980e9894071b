"""Ready-made vectors ask a space, and captions with vectors answer by what they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medclip_search.cases import Case
from medclip_search.encoders.base import caption_space
from medclip_search.errors import EncoderUnavailableError, QueryError
from medclip_search.indexes.vectors import VectorIndex, build_vector_index
from medclip_search.search import engine
from medclip_search.search.query import Query
from medclip_search.search.vectors import MOST, query_vectors
from tests.search.small_library import HUES, SmallLibrary, build_small_library, picture

CASES = [Case(f"{hue}-{n}", caption=f"plate {n}") for hue in HUES for n in range(3)]


@pytest.fixture
def library(tmp_path: Path) -> SmallLibrary:
    pictures = {case.id: picture(HUES[case.id.split("-")[0]], place) for place, case in
                enumerate(CASES)}  # fmt: skip
    return build_small_library(tmp_path, CASES, pictures, embeds_words=True)


def with_captions(library: SmallLibrary, folder: Path) -> SmallLibrary:
    """The library with the vectors of its captions beside it, of three cases without a picture."""
    space = caption_space(library.spaces["hues"])
    told = {3 * place + 1: f"{hue} lesion" for place, hue in enumerate(["grey", "blue", "red"])}
    rows = library.maker.encode_words(list(told.values()))["hues"].astype(np.float16)
    (folder / "captions").mkdir()
    build_vector_index(rows, np.array(list(told), np.int64), folder / "captions", space=space)
    library.vectors = {**library.vectors, space.name: VectorIndex.open(folder / "captions", rows)}
    library.spaces = {**library.spaces, space.name: space}
    return library


def test_a_vector_finds_what_the_image_finds(library: SmallLibrary) -> None:
    shown = picture(HUES["green"], 99)
    vector = library.maker.encode_images(library.maker.preprocess(shown)[None])["hues"][0]
    by_image = engine.search(library, Query(image=shown), 6)
    by_vector = engine.search(library, Query(vector=vector, space="hues"), 6)
    assert [hit.id for hit in by_vector] == [hit.id for hit in by_image]
    assert [hit.lists[0].score for hit in by_vector] == [hit.lists[0].score for hit in by_image]
    assert by_vector[0].lists[0].name == "vector:hues"
    assert by_vector[0].why == "1st by likeness to the given vector"
    assert engine.search(library, Query(vector=vector), 1)[0].id == by_vector[0].id


def test_a_vector_asks_without_an_encoder_and_goes_with_words_and_filters(
    library: SmallLibrary,
) -> None:
    row = library.vectors["hues"].vector(1)
    assert row is not None
    hits = engine.search(library, Query(vector=row, where="has_image=yes"), 3)
    assert library.encoders_asked == 0
    assert hits[0].id == CASES[0].id  # key 1
    both = engine.search(library, Query(vector=[row, -row], text="plate 2"), 12)
    assert {e.name for hit in both for e in hit.lists} == {"vector:hues", "words", "words:hues"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"vector": [1.0, 2.0]}, r"has 2 numbers; the space hues has 12"),
        ({"vector": np.ones(12), "space": "other"}, r"no other; there are: hues \(12-D\)"),
        ({"space": "hues", "text": "x"}, "but no vector"),
        ({"vector": np.zeros(12)}, "points nowhere"),
        ({"vector": [np.nan] * 12}, "NaN or infinity"),
        ({"vector": [[1.0, 2.0], [1.0]]}, "rows of different lengths"),
        ({"vector": np.ones((2, 2, 2))}, "3 dimensions"),
        ({"vector": ["a", "b"]}, "give real numbers"),
        ({"vector": np.ones((MOST + 1, 12))}, f"takes up to {MOST}"),
    ],
)
def test_vectors_that_cannot_ask_are_refused_in_one_line(
    library: SmallLibrary, query: dict[str, object], told: str
) -> None:
    with pytest.raises(QueryError, match=told) as caught:
        engine.search(library, Query(**query), 3)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_where_there_are_several_spaces_one_must_be_named(
    library: SmallLibrary, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match=r"there are: hues \(12-D\), hues-captions \(12-D\)"):
        engine.search(with_captions(library, tmp_path), Query(vector=np.ones(12)), 3)


def test_files_of_vectors_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    good = tmp_path / "good.npy"
    np.save(good, np.arange(1, 5, dtype=np.float16))
    (vector,) = query_vectors(good)
    assert vector.dtype == np.float32
    assert vector.tolist() == [1, 2, 3, 4]
    assert len(query_vectors([good, good])) == 2
    for name, content in [("text.npy", b"not numbers"), ("empty.npy", b"")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(QueryError, match=rf"{name}: is not a NumPy file"):
            query_vectors(tmp_path / name)
    np.savez(tmp_path / "several.npz", a=np.ones(3))
    with pytest.raises(QueryError, match="archive of several arrays"):
        query_vectors(tmp_path / "several.npz")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(QueryError, match="is not a NumPy file of numbers"):
        query_vectors(tmp_path / "objects.npy")
    with pytest.raises(QueryError, match=r"absent\.npy: cannot be read"):
        query_vectors(tmp_path / "absent.npy")


@given(
    arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.complex64, np.bool_]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    )
)
def test_any_array_is_rows_of_finite_numbers_or_one_line(found: np.ndarray) -> None:
    try:
        rows = query_vectors(found)
    except QueryError:
        return
    for row in rows:
        assert row.dtype == np.float32
        assert row.shape == (found.shape[-1],)
        assert np.isfinite(row).all()
        assert row.any()


def test_words_meet_the_vectors_of_captions(library: SmallLibrary, tmp_path: Path) -> None:
    library = with_captions(library, tmp_path)
    hits = engine.search(library, Query(text="blue"), 12)
    lists = {e.name for hit in hits for e in hit.lists}
    assert {"words:hues", "words-to-captions:hues-captions"} <= lists
    meant = next(h for h in hits if h.lists and any("to-captions" in e.name and e.rank == 1
                                                     for e in h.lists))  # fmt: skip
    assert meant.id == CASES[1].id  # key 4: the caption's vector says blue
    assert "by what the caption means" in meant.why
    shown = engine.search(library, Query(image=picture(HUES["red"], 5)), 12)
    names = {e.name for hit in shown for e in hit.lists}
    assert names == {"image:hues", "image-to-captions:hues-captions"}
    unwanted = engine.search(library, Query(text="plate", not_image=picture(HUES["red"], 5)), 12)
    names = {e.name for hit in unwanted for e in hit.lists}
    assert "not-image:hues" in names
    assert not any(name.startswith("not-image:hues-captions") for name in names)


def test_words_still_meet_captions_where_the_encoder_is_not_to_be_had(
    library: SmallLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise EncoderUnavailableError("biomedclip: no weights here; copy them")

    monkeypatch.setattr(library, "encoder", gone)
    hits = engine.search(library, Query(text="plate 2"), 3)
    assert hits[0].case.caption == "plate 2"
    assert any("not pictures (biomedclip: no weights here; copy them)" in n for n in hits.notes)
    with pytest.raises(EncoderUnavailableError):
        engine.search(library, Query(image=picture(HUES["red"], 5)), 3)
