"""Filters: their forms, what they let pass, and what is said of those that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.errors import FilterError
from medclip_search.indexes.columns import Columns, build_columns
from medclip_search.search.filters import mask, parse_filter

CASES = [
    Case("a", "roco", year=2009, modality="CT", metadata={"Body Part": "head, neck", "Score": 1.5}),
    Case("b", "roco", year=2010, modality="MR", metadata={"Body Part": "head", "Range": "a..b"}),
    Case("c", "own", year=2015, modality="US", metadata={"Body Part": "neck", "Score": 3}),
    Case("d", "own", metadata={"Sign": "="}),
]


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Columns:
    folder = tmp_path_factory.mktemp("columns")
    build_columns(enumerate(CASES), folder)
    return Columns.open(folder)


def passing(columns: Columns, *texts: str) -> str:
    found = np.flatnonzero(mask([parse_filter(text) for text in texts], columns))
    return "".join(CASES[key].id for key in found)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("modality=ct", "a"),
        (" modality = CT , mr ", "ab"),
        ("modality!=CT", "bcd"),
        ("modality!=CT,MR", "cd"),
        ("modality=*", "abc"),
        ("modality!=*", "d"),
        ("year=2010", "b"),
        ("year=2010..2015", "bc"),
        ("year=2010..", "bc"),
        ("year=..2010", "ab"),
        ("year!=2010..2015", "ad"),
        ("year>=2010", "bc"),
        ("year>2010", "c"),
        ("year<=2009", "a"),
        ("year<2010", "a"),
        ("Score>1.4", "ac"),
        ("Body Part=head, neck", "a"),  # the whole value, as it stands, wins
        ("Body Part=neck, head", "bc"),
        ('Body Part="head, neck",neck', "ac"),
        ("body part=head", "b"),
        ("Range=a..b", "b"),
        ("Sign==", "d"),
        ('Sign="="', "d"),
        ("region=head", ""),
        ("region>=3", ""),
    ],
)
def test_lets_pass(columns: Columns, text: str, ids: str) -> None:
    assert passing(columns, text) == ids


def test_several_must_all_hold(columns: Columns) -> None:
    assert passing(columns, "corpus=roco", "year>=2010") == "b"
    assert passing(columns) == "abcd"


@pytest.mark.parametrize(
    "text",
    ["modality", "two\nlines", "", "=CT", "modality=", "year>=soon", "year=2015..2010", "year=,"],
)
def test_malformed_ones_are_refused(text: str) -> None:
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    assert "\n" not in str(error.value)
    assert "example" in str(error.value) or "swap" in str(error.value)


def test_unknown_fields_name_the_near_ones(columns: Columns) -> None:
    with pytest.raises(FilterError, match=r"perhaps modality.*fields: corpus, modality, .*Score"):
        passing(columns, "modalty=CT")
    with pytest.raises(FilterError, match="modality holds no numbers"):
        passing(columns, "modality>3")


@given(text=st.one_of(st.text(), st.text(alphabet='=!<>."\\,* ab1\n\r\0', max_size=12)))
def test_any_text_is_read_or_refused(columns: Columns, text: str) -> None:
    try:
        passes = parse_filter(text).mask(columns)
    except FilterError:
        return
    assert passes.shape == (4,)
