"""Abbreviations: what a text explains, what is kept of it, and what stands for what."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.indexes.text.abbreviations import (
    Abbreviation,
    Forms,
    both_ways,
    definitions,
    long_form,
)
from medclip_search.indexes.text.mining import DEFINITIONS, RULES, Mined, read


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        # The paper's own examples.
        (
            "Methods for detecting the heat shock transcription factor (HSF)",
            [("HSF", "heat shock transcription factor")],
        ),
        ("Pol II carboxy-terminal domain (CTD)", [("CTD", "carboxy-terminal domain")]),
        (
            "Gcn5-related N-acetyltransferase (GNAT)",
            [("GNAT", "Gcn5-related N-acetyltransferase")],
        ),
        # Figures' captions.
        ("Axial computed tomography (CT) of the chest", [("CT", "computed tomography")]),
        ("CT (computed tomography) of the chest", [("CT", "computed tomography")]),
        ("Seen on MRI (magnetic resonance imaging).", [("MRI", "magnetic resonance imaging")]),
        ("A region of interest (ROI; red)", [("ROI", "region of interest")]),
        ("The left lung (arrow) is small", []),
        ("Liver (CT) at 3 cm (B)", []),
        ("Ends here. (CT)", []),
        ("((", []),
    ],
)
def test_what_is_explained(text: str, pairs: list[tuple[str, str]]) -> None:
    assert list(definitions(text)) == pairs


@given(st.text(alphabet="ab AB(),;.- 1", max_size=60))
def test_letters_of_a_short_form_stand_in_its_long_one(text: str) -> None:
    for short, long in definitions(text):
        assert long in text
        letters = iter(long.lower())
        assert all(letter in letters for letter in short.lower() if letter.isalnum())
        parts = re.split(r"\W", long.split()[0].lower())  # "non-alcoholic" begins with an A, too
        assert any(part.startswith(short[0].lower()) for part in parts)


@given(st.text(max_size=30), st.text(max_size=60))
def test_never_fails(short: str, text: str) -> None:
    long_form(short, text)
    list(definitions(f"{text} ({short})"))


def mined(captions: list[str]) -> Mined:
    found = Mined()
    cases = ((at, Case(f"c{at}", "x", text, article=f"P{at}")) for at, text in enumerate(captions))
    assert len(list(found.listen(cases))) == len(captions)
    return found


def test_what_few_explain_or_several_otherwise_is_left_out(tmp_path: Path) -> None:
    found = mined(
        ["computed tomography (CT)"] * 3
        + ["the left atrium (LA)"] * 3
        + ["local anaesthesia (LA)"] * 2
        + ["renal artery (RA)"] * 2
    )
    assert read(tmp_path) == []  # of an older program
    assert found.write(tmp_path) == [Abbreviation("CT", "computed tomography", 3)]
    assert read(tmp_path) == [Abbreviation("CT", "computed tomography", 3)]


def test_figures_of_one_article_are_one_witness(tmp_path: Path) -> None:
    found = Mined()
    cases = ((at, Case(f"c{at}", "x", "a cat (CAT)", article="P1")) for at in range(9))
    list(found.listen(cases))
    assert found.write(tmp_path) == []


CAPTIONS = st.sampled_from(
    [
        "computed tomography (CT)",
        "CT (Computed Tomography)",
        "cardiothoracic (CT)",
        "a cat (CAT)",
        "left atrium (LA) and local anaesthesia (LA)",
        "nothing",
    ]
)
HEARD = st.dictionaries(st.integers(0, 30), CAPTIONS, max_size=30)


@settings(max_examples=200, deadline=None)
@given(HEARD, HEARD, st.sets(st.integers(0, 30)))
def test_an_update_is_the_same_as_hearing_all_again(
    before: dict[int, str], more: dict[int, str], removed: set[int]
) -> None:
    def heard(captions: dict[int, str], mined: Mined, folder: Path) -> list[bytes]:
        cases = [(key, Case(f"c{key}", "x", text)) for key, text in sorted(captions.items())]
        list(mined.listen(cases))
        folder.mkdir()
        mined.write(folder)
        return [(folder / name).read_bytes() for name in (DEFINITIONS, RULES)]

    now = {key: text for key, text in (before | more).items() if key not in removed}
    changed = {*more, *removed}
    with TemporaryDirectory() as temporary:
        heard(before, Mined(), old := Path(temporary) / "old")
        fresh = {key: now[key] for key in changed if key in now}
        updated = heard(fresh, Mined(old, changed), Path(temporary) / "updated")
        assert updated == heard(now, Mined(), Path(temporary) / "anew")


def test_forms_stand_for_each_other_but_for_plain_words() -> None:
    kept = [Abbreviation("CT", "computed tomography", 9), Abbreviation("OR", "odds ratio", 9)]
    forms = both_ways(kept)
    assert set(forms.others) == {("ct",), ("comput", "tomographi")}
    (found,) = forms.within(("axial", "comput", "tomographi", "or"))
    assert found == (("comput", "tomographi"), ((("ct",), "CT"),))
    longer = Forms.of([("a", "b"), ("a c", "d")])
    assert [form for form, _ in longer.within(("a", "c", "a"))] == [("a", "c"), ("a",)]
