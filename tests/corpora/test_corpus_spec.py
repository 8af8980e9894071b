"""``--corpus``, ``--columns``, ``--images``: what they say, and one line where they say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.corpora import (
    KINDS,
    CorpusSpec,
    open_corpus,
    parse_columns,
    parse_corpora,
    parse_spec,
    spec_from_json,
    spec_to_json,
)
from medclip_search.errors import CorpusError, UsageError


def test_kind_name_and_path() -> None:
    assert parse_spec("roco=/data/roco") == CorpusSpec("roco", Path("/data/roco"), "roco")
    assert parse_spec("table:lab=/d/a=b:c.csv") == CorpusSpec("table", Path("/d/a=b:c.csv"), "lab")
    assert parse_spec("sample") == CorpusSpec("sample", None, "sample")
    assert parse_spec("sample:demo").name == "demo"


def test_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_spec("folder=x/../figures").path == tmp_path / "figures"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_spec("folder=~/figures").path == tmp_path / "figures"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/data/roco",
        "rocco=/data",
        "roco",
        "roco=",
        "roco:=/data",
        "roco:a b=/data",
        "sample=/data",
        "=x",
        "roco=\0",
        "roco=\udc80",
        "folder=~nobody-of-that-name/x",
    ],
)
def test_wrong_spec_is_one_line_that_says_how(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec(text)
    message = str(caught.value)
    assert "\n" not in message
    assert "--corpus" in message
    if "\0" not in text and "\udc80" not in text and "~" not in text:
        assert all(kind in message for kind in KINDS)


def test_columns() -> None:
    assert parse_columns("image=Description.Image, caption=The text, and more: all,id=U_id") == {
        "image": "Description.Image",
        "caption": "The text, and more: all",
        "id": "U_id",
    }


@pytest.mark.parametrize("text", ["", "image", "image=", "picture=x", "image=a,image=b", "=a"])
def test_wrong_columns(text: str) -> None:
    with pytest.raises(UsageError, match="--columns") as caught:
        parse_columns(text)
    assert "\n" not in str(caught.value)


def test_options_find_their_tables() -> None:
    specs = parse_corpora(
        ["table:a=/a.csv", "roco=/roco", "table:b=/b.csv"],
        columns=["image=file,caption=text", "b:caption=report"],
        images=["/common", "b=/own"],
    )
    assert [spec.name for spec in specs] == ["a", "roco", "b"]
    assert specs[0].columns == {"image": "file", "caption": "text"}
    assert specs[0].images == Path("/common")
    assert specs[1].columns == {}
    assert specs[1].images is None
    assert specs[2].columns == {"caption": "report"}
    assert specs[2].images == Path("/own")


def test_images_may_hold_an_equals_sign() -> None:
    (spec,) = parse_corpora(["table=/a.csv"], images=["/run=3/images"])
    assert spec.images == Path("/run=3/images")


@pytest.mark.parametrize(
    ("corpora", "columns", "images"),
    [
        (["roco=/a", "roco=/b"], [], []),
        (["roco=/a"], ["image=x"], []),
        (["roco=/a"], [], ["/images"]),
        (["table=/a.csv"], ["other:image=x"], []),
        (["table=/a.csv"], ["image=x", "image=y"], []),
        (["table=/a.csv"], [], ["/x", "/y"]),
    ],
)
def test_options_that_belong_nowhere(
    corpora: list[str], columns: list[str], images: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_corpora(corpora, columns, images)
    assert "\n" not in str(caught.value)


def test_columns_of_a_folder_are_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="belong to a table"):
        parse_spec("folder=/x", columns={"image": "x"})


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(
    kind=st.sampled_from(["roco", "table", "folder"]),
    name=names,
    path=words,
    columns=st.dictionaries(st.sampled_from(["image", "caption", "id", "year"]), words),
    images=st.none() | words,
)
def test_spec_survives_json(
    kind: str, name: str, path: str, columns: dict[str, str], images: str | None
) -> None:
    spec = CorpusSpec(
        kind, Path("/") / path, name, columns, None if images is None else Path(images)
    )
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


@pytest.mark.parametrize(
    "data",
    [{}, {"kind": "roco"}, {"kind": "roco", "name": "x", "path": 3}, {"kind": 1, "path": []}],
)
def test_remembered_nonsense(data: dict[str, object]) -> None:
    with pytest.raises(CorpusError, match="give --corpus again"):
        spec_from_json(data)


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_spec, parse_columns):
        message = ""
        try:
            parse(text)
        except UsageError as error:
            message = str(error)
        assert len(message.splitlines()) <= 1


def test_a_kind_of_a_newer_program() -> None:
    with pytest.raises(CorpusError, match="knows no kind 'pmc-oa-3'"):
        open_corpus(CorpusSpec("pmc-oa-3", Path("/x"), "x"))


@pytest.mark.parametrize("kind", ["roco", "table", "folder"])
def test_nothing_there(kind: str, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CorpusError) as caught:
            open_corpus(CorpusSpec(kind, path, kind))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["0", "1000000", "-1", "1.5", "many", ""])
def test_the_least_and_the_most_frames_are_told(number: str) -> None:
    with pytest.raises(UsageError, match="give a whole number from 1 to 999,999"):
        parse_corpora(["dicom=a"], frames=[number])
    (spec,) = parse_corpora(["dicom=a"], frames=["999999"])
    assert spec.frames == 999_999
