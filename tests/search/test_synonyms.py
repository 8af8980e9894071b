"""Words that mean the same: the file's form, its faults, and what they do to a search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medclip_search.errors import UsageError
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from medclip_search.search.synonyms import read_synonyms
from tests.search.small_library import SmallLibrary, a_case


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "synonyms.txt"
    path.write_text(text, "utf-8")
    return path


def test_the_form_of_solr(tmp_path: Path) -> None:
    path = written(
        tmp_path, "# organs\nkidney, renal\n\nheart attack => myocardial infarction, MI\n"
    )
    assert dict(read_synonyms(path).others) == {
        ("kidney",): ((("renal",), "renal"),),
        ("renal",): ((("kidney",), "kidney"),),
        ("heart", "attack"): (
            (("myocardi", "infarct"), "myocardial infarction"),
            (("mi",), "MI"),
        ),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a, b\nc,, d\n", "line 2: nothing stands between two commas"),
        ("a =>\n", "line 1: nothing stands between two commas, or beside the arrow"),
        ("a => b => c\n", "line 1: two arrows"),
        ("\n\nalone\n", "line 3: a single form"),
        (f"a, {'word ' * 9}\n", "has more than 8 words"),
    ],
)
def test_faults_name_their_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_synonyms(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_synonyms(tmp_path / "none.txt")


@pytest.fixture(scope="module")
def library(build: Callable[..., SmallLibrary]) -> SmallLibrary:
    captions = [
        "Renal cyst",
        "Kidney cyst",
        "Kidney and renal vein",
        "Myocardial infarction",
        "Infarction of the myocardium",
        *(f"Other figure {at}" for at in range(12)),
    ]
    return build([a_case(f"c{at:02}", caption)[0] for at, caption in enumerate(captions)])


def test_a_synonym_counts_once_as_the_word_typed(library: SmallLibrary, tmp_path: Path) -> None:
    same = read_synonyms(written(tmp_path, "kidney, renal\nheart attack => myocardial infarction"))
    hits = search(library, Query(text="kidney cyst"), synonyms=same)
    scores = {hit.id: hit.lists[0].score for hit in hits}
    assert scores["c00"] == pytest.approx(scores["c01"], rel=1e-3)  # as the word itself
    assert scores["c02"] < scores["c01"]  # both forms are no two votes
    assert "Also searched for, as the same: renal." in hits.notes
    found = search(library, Query(text="heart attack"), synonyms=same)
    assert [hit.id for hit in found] == ["c03"]  # a phrase
    assert "none of yours, but" in found[0].why


def test_synonyms_are_switched_off(library: SmallLibrary, tmp_path: Path) -> None:
    same = read_synonyms(written(tmp_path, "kidney, renal"))
    for text, expand in (("kidney", "none"), ("kidney", "abbreviations"), ("+kidney", "all")):
        hits = search(library, Query(text=text, expand=expand), synonyms=same)
        assert {hit.id for hit in hits} == {"c01", "c02"}
