"""The engine, over real indexes: words, images, filters, unwanted things, likes and dislikes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medclip_search.cases import Case
from medclip_search.errors import FilterError, ImageError, QueryError
from medclip_search.search import retrieve
from medclip_search.search.engine import search
from medclip_search.search.hits import Hit, Hits
from medclip_search.search.query import Query
from medclip_search.search.regions import ImageInput
from tests.search.small_library import HueEncoder, SmallLibrary

Build = Callable[..., SmallLibrary]


def ids(hits: Hits) -> list[str]:
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [hit.id for hit in hits]


def test_words_find_captions(small: SmallLibrary) -> None:
    asked = small.encoders_asked
    hits = search(small, Query(text="lung cavitation"), 3)
    assert set(ids(hits)[:2]) == {"a1", "a2"}
    first = hits[0]
    assert first.case.caption.startswith("Cavitation")
    assert [(one.name, one.rank) for one in first.lists if one.rank] == [("words", 1)]
    assert first.why == "1st by words (cavitation, lung)"
    assert hits.generation == 7
    assert hits.milliseconds > 0
    assert small.encoders_asked == asked  # no encoder is loaded for words that it cannot embed


def test_images_find_themselves(
    small: SmallLibrary, pictures: dict[str, Image.Image], picture_files: dict[str, Path]
) -> None:
    for name, file in picture_files.items():
        sources: list[ImageInput] = [
            *(file, str(file), file.read_bytes(), pictures[name], np.asarray(pictures[name]))
        ]
        for source in sources:
            hits = search(small, Query(image=source), 3)
            assert ids(hits)[0] == name
            assert hits[0].lists[0].name == "image:hues"
            assert hits[0].lists[0].score == pytest.approx(1, abs=0.01)
            assert hits[0].why == "1st by image likeness (1.00)"


def test_words_and_an_image_together(small: SmallLibrary, pictures: dict[str, Image.Image]) -> None:
    hits = search(small, Query(text="lung", image=pictures["a3"]), 11)
    assert ids(hits)[0] == "a3"
    assert {one.name for one in hits[0].lists if one.rank} == {"words", "image:hues"}
    assert set(ids(hits)) == {case.id for case in small.all_cases.values()}


def test_several_of_each(small: SmallLibrary, pictures: dict[str, Image.Image]) -> None:
    both = [pictures["a1"], pictures["c1"]]
    found = ids(search(small, Query(text=["lung", "femur"], image=both), 4))
    assert {"a1", "a3", "c1"} <= set(found)


def test_unwanted_words_leave_all_lists(
    small: SmallLibrary, pictures: dict[str, Image.Image]
) -> None:
    query = Query(text="lung", image=pictures["a1"], not_text=["cavitation lung", "nodule"])
    found = ids(search(small, query, 11))
    assert found[0] == "a3"
    assert not {"a1", "a2", "b2", "b3"} & set(found)
    assert "c1" in found


def test_an_unwanted_image_takes_away(
    small: SmallLibrary, pictures: dict[str, Image.Image]
) -> None:
    plain = ids(search(small, Query(text="liver OR lung"), 11))
    hits = search(small, Query(text="liver OR lung", not_image=pictures["a1"]), 11)
    found = ids(hits)
    assert set(found) == set(plain)
    assert found.index("a1") > plain.index("a1")
    taken = {one.name: one for one in hits[found.index("a1")].lists}["not-image:hues"]
    assert taken.rank == 1
    assert taken.share < 0
    hits = search(small, Query(text="liver OR lung", not_image=pictures["a1"], fusion="rrf"), 11)
    (taken,) = (one for hit in hits for one in hit.lists if one.name[:3] == "not" and one.rank == 1)
    assert taken.share == pytest.approx(-1 / 61)


def test_filters_hold_for_every_list(small: SmallLibrary, pictures: dict[str, Image.Image]) -> None:
    query = Query(text="lung liver", image=pictures["a1"], where=["modality=MR,US", "stage=late"])
    assert set(ids(search(small, query, 11))) == {"b1", "b3"}


def test_filters_alone_browse_in_the_order_of_ids(small: SmallLibrary) -> None:
    hits = search(small, Query(where="modality=CT"), 4)
    assert ids(hits) == ["a1", "a2", "a3", "n1"]
    assert hits[0].why == "1st among the cases that pass the filters"
    assert len(search(small, Query(where="modality!=CT"), 100)) == 6


def test_filters_that_nothing_passes(small: SmallLibrary) -> None:
    hits = search(small, Query(text="lung", where="year=1900"), 5)
    assert ids(hits) == []
    assert "No case passes the filters." in hits.notes


def test_words_reach_pictures_without_captions_after_the_captions(small: SmallLibrary) -> None:
    hits = search(small, Query(text="lung"), 11)
    found = ids(hits)
    assert set(found[:4]) == {"a1", "a2", "a3", "w1"}
    assert found[4] == "n1"  # red, as the lungs are
    assert hits[4].lists[0].name == "words-through-captions:hues"
    assert hits[4].why == "1st by likeness to pictures whose captions have the words"
    (note,) = hits.notes
    assert note.startswith("Words were matched against captions, not pictures (hues reads pictures")


def test_words_meet_images_in_a_joint_space(joint: SmallLibrary) -> None:
    hits = search(joint, Query(text="green"), 4)
    assert set(ids(hits)) == {"b1", "b2", "b3", "n2"}
    assert {one.name for hit in hits for one in hit.lists} == {"words:hues"}
    assert not any("against captions" in note for note in hits.notes)


def test_more_like_a_liked_case(small: SmallLibrary) -> None:
    hits = search(small, Query(like="a1"), 3)
    assert ids(hits)[:2] == ["a1", "a2"]
    assert {one.name for one in hits[1].lists} == {"like:hues", "like-words"}
    assert ids(search(small, Query(like="n1"), 2))[0] == "n1"
    assert ids(search(small, Query(like="w1"), 2))[0] == "w1"


def test_likes_and_dislikes_move_cases(small: SmallLibrary) -> None:
    query = Query("lung OR liver OR fracture")
    plain = ids(search(small, query, 11))
    hits = search(small, replace(query, like=["b1"], dislike=["a3"]), 11)
    found = ids(hits)
    assert found[0] == "b1"
    assert found.index("a3") > plain.index("a3")
    assert found.index("b2") < found.index("a2")
    for hit in hits:
        told = hit.feedback
        assert told is not None
        parts = told.prior + sum(weight for _, weight in told.terms) + told.images
        assert parts == pytest.approx(told.total, abs=1e-4)
        assert hit.score == told.total
        shown = sum(line.decibans for line in told.lines)
        assert shown == pytest.approx(told.sum.decibans, abs=1e-3)
    first = hits[0].feedback
    assert first is not None
    assert first.terms[0] == ("judged=liked", 4.0)
    assert "liked by you" in hits[0].why
    assert "liver" in hits[found.index("b2")].why


def test_likes_with_one_caption_are_one_witness_and_told_as_two(build: Build) -> None:
    """Figures of an article share captions: their words are not the surer for it."""
    captions = {"twin1": "nodule with halo", "twin2": "nodule with halo", "other": "nodule, hilum"}
    captions |= {"halo": "halo", **{f"c{at:02}": f"nodule number {at}" for at in range(40)}}
    library = build([Case(name, caption=text) for name, text in captions.items()])

    def halo(*liked: str) -> Hit:
        found = search(library, Query(text="nodule OR halo", like=liked, expand="none"), 60)
        return next(hit for hit in found if hit.id == "halo")

    one, both = halo("twin1", "other"), halo("twin1", "twin2", "other")
    assert "“halo”, as 1 of your 2 likes does" in one.why
    assert "“halo”, as 2 of your 3 likes do" in both.why
    assert one.feedback is not None
    assert both.feedback is not None
    assert dict(one.feedback.terms)["halo"] == pytest.approx(dict(both.feedback.terms)["halo"])


def test_where_likes_made_the_first_ranking_their_ranks_do_not_speak_for_it(
    small: SmallLibrary,
) -> None:
    def prior_of_the_first(text: str) -> float:
        hits = search(small, Query(text=text or (), like=["a1", "a2"]), 11)
        told = [hit.feedback for hit in hits if hit.feedback is not None]
        return next(one.prior for one in told if one.rank == 1)

    assert prior_of_the_first("cavitation of the lung") == pytest.approx(3 * math.log(10))
    assert prior_of_the_first("") == pytest.approx(math.log(10))


def test_a_like_brings_in_what_the_words_did_not(small: SmallLibrary) -> None:
    plain = ids(search(small, Query(text="cyst"), 11))
    found = ids(search(small, Query(text="cyst", like="b1"), 11))
    assert "b3" not in plain
    assert "b3" in found


def test_what_is_liked_and_disliked_is_neither(small: SmallLibrary) -> None:
    query = Query(text="lung", like="a1", dislike="a1")
    assert ids(search(small, query, 5)) == ids(search(small, Query(text="lung"), 5))


def test_a_filter_holds_for_what_likes_bring_in(small: SmallLibrary) -> None:
    query = Query(text="lung", like=["a1", "b1"], dislike=["a3"], where="modality=CT")
    assert {hit.case.modality for hit in search(small, query, 11)} == {"CT"}


def test_the_tray_steers_less_than_a_like_and_only_near_the_query(build: Build) -> None:
    captions = ["nodule of the lung", *(f"nodule number {at}" for at in range(60)), "nodule, lung"]
    far = [Case(f"far{at}", caption=f"fracture of bone {at}") for at in range(60)]
    library = build([*(Case(f"c{at:02}", caption=text) for at, text in enumerate(captions)), *far])

    def hits(like: str = "", tray: Sequence[str] = ()) -> dict[str, Hit]:
        query = Query(text="nodule", dislike="c07", like=[like] * bool(like), tray=tray)
        return {hit.id: hit for hit in search(library, query, 99)}

    alone, kept, liked = (each["c61"] for each in (hits(), hits(tray=["c00"]), hits("c00")))
    assert alone.score < kept.score < liked.score
    assert "mentions “lung”, as a case of your tray does" in kept.why
    assert hits(tray=["far1", "gone"]) == hits()


def test_a_tray_alone_does_not_move_what_is_near_it_over_all_else(small: SmallLibrary) -> None:
    hits = search(small, Query(text="lung", tray=["a1"]), 11)
    assert ids(hits)[0] == ids(search(small, Query(text="lung"), 11))[0]
    assert hits[0].feedback is not None


def test_unknown_words_are_told(small: SmallLibrary) -> None:
    notes = search(small, Query(text="cavitatoin xyzzyx"), 3).notes
    assert any("“cavitatoin”, “xyzzyx”" in note for note in notes)


def test_a_library_without_pictures_says_so(build: Build, pictures: dict[str, Image.Image]) -> None:
    library = build([Case("x", caption="A lung")])
    assert ids(search(library, Query(image=pictures["a1"]), 3)) == []
    hits = search(library, Query(text="lung", image=pictures["a1"]), 3)
    assert ids(hits) == ["x"]
    assert any("no pictures" in note for note in hits.notes)
    assert ids(search(library, Query(like="x", dislike="x", where="corpus!=y"), 3)) == ["x"]


def test_an_empty_library_answers_nothing(build: Build, pictures: dict[str, Image.Image]) -> None:
    library = build([])
    query = Query(text="lung", image=pictures["a1"], not_image=pictures["a2"], not_text="x")
    assert ids(search(library, query, 3)) == []
    assert ids(search(library, Query(where="modality=CT"), 3)) == []


def test_calls_that_are_wrong(small: SmallLibrary, tmp_path: Path) -> None:
    for k in (0, -1, 1.5, True):
        with pytest.raises(QueryError, match="whole number of at least 1"):
            search(small, Query(text="lung"), k)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="nope, nix: no case"):
        search(small, Query(text="lung", like=["nope", "a1"], dislike="nix"), 3)
    with pytest.raises(FilterError, match="perhaps modality"):
        search(small, Query(where="modalty=CT"), 3)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(ImageError, match=r"broken\.png"):
        search(small, Query(image=broken), 3)


@pytest.mark.parametrize("blank", ["", " \t\n", ["corpus=small", " "], ("corpus=small", " ")])
def test_a_blank_filter_is_refused(blank: str | Sequence[str]) -> None:
    with pytest.raises(FilterError, match=r"^where: .*blank; .*modality=CT$"):
        Query(text="lung", where=blank)


@pytest.mark.parametrize("blank", ["", " \t\n", ["a1", " "], ("a1", " ")])
def test_a_blank_id_is_refused(blank: str | Sequence[str]) -> None:
    with pytest.raises(QueryError, match=r"^like: an id is blank"):
        Query(text="lung", like=blank)
    with pytest.raises(QueryError, match=r"^dislike: an id is blank"):
        Query(text="lung", dislike=blank)


def test_blank_text_is_left_out(small: SmallLibrary) -> None:
    assert Query(text=["", " lung ", "\n"], not_text=" ") == Query(text="lung")
    with pytest.raises(QueryError, match="asks for nothing"):
        Query(text=["", " "], not_text="lung")


def test_as_many_answers_as_are_asked_for(build: Build, pictures: dict[str, Image.Image]) -> None:
    names = [f"c{at:03}" for at in range(620)]
    library = build(
        [Case(name, caption="a lung") for name in names], dict.fromkeys(names, pictures["a1"])
    )
    for query in (
        Query(text="lung"),
        Query(image=pictures["a1"]),
        Query(like="c000"),
        Query(text="lung", like="c000", dislike="c001"),
        Query(where="has_image=yes"),
    ):
        assert len(search(library, query, 500)) == 500


@pytest.mark.parametrize("unwanted", [False, True])
def test_the_lists_of_one_part_share_its_weight(
    joint: SmallLibrary, pictures: dict[str, Image.Image], unwanted: bool
) -> None:
    """A library with many spaces does not hear an image more than words."""
    maker = HueEncoder(embeds_words=True, names=("hues", "more"))
    two = replace(
        joint,
        vectors=dict.fromkeys(("hues", "more"), joint.vectors["hues"]),
        spaces={space.name: space for space in maker.spaces},
        maker=maker,
    )
    image = pictures["a1"]
    wanted, other = Query(text="red lung", image=image), Query(text="red lung", not_image=image)
    hits = search(two, replace(other if unwanted else wanted, fusion="rrf"), 11)
    (found,) = (hit for hit in hits if hit.id == "a1")
    weights = {one.name: abs(one.share) * (60 + (one.rank or 0)) for one in found.lists}
    prefix = "not-image" if unwanted else "image"
    assert weights == pytest.approx(
        dict.fromkeys((f"{prefix}:hues", f"{prefix}:more"), 1 / 2)
        | dict.fromkeys(("words", "words:hues", "words:more"), 1 / 3)
    )


def test_the_lists_of_a_like_share_its_weight(small: SmallLibrary) -> None:
    lists = retrieve.like_lists(small, 1, "Cavitation in the right lung", 10, None)
    assert {one.name: one.weight for one in lists} == {"like:hues": 0.5, "like-words": 0.5}


def test_equal_cases_go_by_id(build: Build) -> None:
    names = ["m", "B", "é", "a", "Z", "k"]
    library = build([Case(name, caption="the same words") for name in names])
    assert ids(search(library, Query(text="words"), 4)) == sorted(names)[:4]
    assert ids(search(library, Query(text="words", where="corpus!=x"), 6)) == sorted(names)


COPIES = [f"p{at:03}" for at in range(240)]
"""More cases of one picture than a like brings in."""


def copies_in_two_orders(
    build: Build, pictures: dict[str, Image.Image], captions: list[str]
) -> list[SmallLibrary]:
    """Two libraries of the same cases, filled in different orders."""
    cases = [Case(name, caption=text) for name, text in zip(COPIES, captions, strict=True)]
    cases += [Case("q1", caption="another"), Case("q2", caption="another nodule")]
    shown = dict.fromkeys(COPIES, pictures["a1"]) | {"q1": pictures["b1"], "q2": pictures["b3"]}
    orders = [np.random.default_rng(seed).permutation(len(cases)) for seed in (1, 2)]
    return [build([cases[at] for at in order], shown) for order in orders]


def test_identical_pictures_are_ranked_without_regard_to_history(
    build: Build, pictures: dict[str, Image.Image]
) -> None:
    captions = ["" if at % 50 else "one" for at in range(240)]
    first, second = copies_in_two_orders(build, pictures, captions)
    assert ids(search(first, Query(image=pictures["a1"], fold=False), 30)) == COPIES[:30]
    for query in (
        Query(image=pictures["a1"]),
        Query(image=pictures["a1"], fold=False),
        Query(image=pictures["a1"], where="has_caption=no"),
        Query(like="p150"),
        Query(text="one"),
        Query(text="another OR one", not_image=pictures["a1"]),
    ):
        assert ids(search(first, query, 30)) == ids(search(second, query, 30))


def test_what_a_like_brings_in_does_not_depend_on_history(
    build: Build, pictures: dict[str, Image.Image]
) -> None:
    captions = [f"word{at}" for at in range(240)]
    first, second = copies_in_two_orders(build, pictures, captions)
    query = Query(text="nodule", like="p230", fold=False, expand="none")
    found = ids(search(first, query, 300))
    assert set(found) == {"q2", "p230", *COPIES[:200]}
    assert ids(search(second, query, 300)) == found


def test_threads_get_the_same_answers(
    small: SmallLibrary, pictures: dict[str, Image.Image]
) -> None:
    query = Query(text="lung", image=pictures["b1"], like="a1")
    expected = ids(search(small, query, 8))
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: search(small, query, 8), range(40)):
            assert ids(found) == expected


IDS = st.lists(st.sampled_from(["a1", "a3", "b1", "c2", "n1", "w1"]), max_size=3)
WORDS = st.lists(
    st.sampled_from(["lung", "liver NOT cyst", '"left femur"', "zz*", "("]), max_size=2
)
HELD = st.lists(st.sampled_from(["modality=CT", "stage!=late", "has_caption=yes"]), max_size=2)


@settings(max_examples=120, deadline=None)
@given(WORDS, IDS, WORDS, IDS, IDS, IDS, HELD, st.integers(1, 12))
def test_any_query_is_answered(
    small: SmallLibrary,
    pictures: dict[str, Image.Image],
    text: list[str],
    images: list[str],
    not_text: list[str],
    not_images: list[str],
    like: list[str],
    dislike: list[str],
    where: list[str],
    k: int,
) -> None:
    if not (text or images or where or like):
        return
    query = Query(
        text=text,
        image=[pictures[one] for one in images if one in pictures],
        not_text=not_text,
        not_image=[pictures[one] for one in not_images if one in pictures],
        like=like,
        dislike=dislike,
        where=[*where, "corpus=small"],
    )
    found = ids(hits := search(small, query, k))
    assert len(found) == len(set(found)) <= k
    for hit in hits:
        assert "modality=CT" not in where or hit.case.modality == "CT"
        assert "stage!=late" not in where or hit.case.metadata.get("stage") != "late"
        assert "has_caption=yes" not in where or hit.case.caption
        assert not ("lung" in not_text and "lung" in hit.case.caption.lower())
    assert ids(search(small, query, k)) == found


def test_a_word_that_is_a_field_s_name_is_a_word(build: Build) -> None:
    captions = ["modality and region of the lung", "region of the liver", "region of the heart"]
    library = build(
        [
            Case(f"c{at}", caption=caption, modality=["CT", "MR"][at % 2], region="thorax=chest")
            for at, caption in enumerate(captions * 2)
        ]
    )
    hits = search(library, Query(text="region", like="c0", dislike="c4"), 6)
    assert (ids(hits)[0], ids(hits)[-1]) == ("c0", "c4")
    told = {hit.id: hit.feedback for hit in hits}["c3"]
    assert told is not None
    assert {"modal", "lung", "region"} == {term for term, _ in told.terms}
