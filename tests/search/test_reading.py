"""Filters within the words, and what is told of what was read otherwise than it may be meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.errors import QueryError
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from medclip_search.search.reading import read_texts
from tests.search.small_library import SmallLibrary


@pytest.mark.parametrize(
    ("text", "rest", "where"),
    [
        ("lung modality:CT", "lung", ("modality=CT",)),
        ("Modality:CT,MR lung stage:early", "lung", ("modality=CT,MR", "stage=early")),
        ("lung -modality:CT", "lung", ("modality!=CT",)),
        ("lung NOT modality:CT", "lung", ("modality!=CT",)),
        ('stage:"early" lung', "lung", ('stage="early"',)),
        ("lung year:2010..2015", "lung", ("year=2010..2015",)),
        ("lung year:>=2010", "lung", ("year>=2010",)),
        ("a AND b modality:CT", "a AND b", ("modality=CT",)),
    ],
)
def test_known_fields_filter(
    small: SmallLibrary, text: str, rest: str, where: tuple[str, ...]
) -> None:
    query, notes = read_texts(small, Query(text=text, where="region=*"))
    assert query.text == (rest,)
    assert query.where == ("region=*", *where)
    assert notes == [f"Read as {'filters' if len(where) > 1 else 'a filter'}: {', '.join(where)}."]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ratio 3:1", None),
        ("T2: bright", None),
        ("lung modality: CT", None),
        ("http://x.org/a", None),
        ('"lung modality:CT"', None),
        ("caption:lung", None),
        ("modaltiy:CT", "perhaps modality: was meant"),
        ("lung year:soon", "year:soon was read as words"),
        ("(lung modality:CT)", "stands in brackets"),
        ("modality:CT OR modality:MR", "write modality:A,B"),
        ("lung (liver", "A bracket is not closed"),
    ],
)
def test_all_else_is_words(small: SmallLibrary, text: str, told: str | None) -> None:
    query, notes = read_texts(small, Query(text=text))
    assert (query.text, query.where) == ((text,), ())
    assert bool(notes) == bool(told)
    assert told is None or told in " ".join(notes)


def test_filters_in_words_answer_as_filters_beside_them(small: SmallLibrary) -> None:
    typed = search(small, Query(text="cyst modality:MR stage:late"))
    beside = search(small, Query(text="cyst", where=["modality=MR", "stage=late"]))
    assert [hit.id for hit in typed] == [hit.id for hit in beside] == ["b1"]
    alone = search(small, Query(text="modality:MR"))
    assert {hit.id for hit in alone} == {
        hit.id for hit in search(small, Query(where="modality=MR"))
    }


PIECES = st.sampled_from(
    [
        "modality:",
        "CT",
        "stage:",
        "year:",
        '"',
        " ",
        "(",
        ")",
        "OR ",
        "-",
        "NOT ",
        "..",
        "2010",
        "x",
    ]
)


@given(text=st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_never_fails(small: SmallLibrary, text: str) -> None:
    if text.strip():
        read_texts(small, Query(text=text))


def test_what_would_leave_nothing_is_read_as_words(small: SmallLibrary) -> None:
    """A column may be called as a word that people write before a colon."""
    hits = search(small, Query(text="stage:2 cavitation"), 5)
    assert hits[0].id in ("a1", "a2")
    assert any("No case has stage=2; stage:2 was read as words" in note for note in hits.notes)


def test_only_or_itself_keeps_a_filter_away(small: SmallLibrary) -> None:
    read, _ = read_texts(small, Query(text="TUMOR modality:MR"))
    assert read.where == ("modality=MR",)
    read, _ = read_texts(small, Query(text="tumor OR  modality:MR"))
    assert read.where == ()


def test_long_and_wild_words_are_answered(small: SmallLibrary) -> None:
    for text in ("pneumo" * 3000, "ab*c" * 48, "liver " + "pneumo*" * 42, "caption:" + "ab*c" * 20):
        search(small, Query(text=text), 3)
    with pytest.raises(QueryError, match="up to 20,000 characters"):
        Query(text="a " * 10_001 + "a")
