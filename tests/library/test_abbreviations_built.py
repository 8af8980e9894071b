"""Abbreviations are mined by a build, mined anew by the next, and used where they are asked for."""

from __future__ import annotations

import csv
from pathlib import Path

from medclip_search import Library, Query, build

EXPLAINED = ["Axial computed tomography (CT)"] * 3
FILLED = [f"A femur, figure {at}" for at in range(40)]


def table(folder: Path, captions: list[str]) -> str:
    path = folder / "cases.csv"
    rows = [["id", "caption"], *([f"c{n}", text] for n, text in enumerate(captions))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return f"table={path}"


def found(library: Path, text: str, expand: str) -> set[str]:
    with Library.open(library) as opened:
        return {hit.case.caption for hit in opened.search(Query(text=text, expand=expand), k=99)}


def test_mined_when_built_and_when_brought_up_to_date(tmp_path: Path) -> None:
    library = tmp_path / "library"
    captions = ["Head on CT", *FILLED, *EXPLAINED[:2]]
    build(library, [table(tmp_path, captions)])
    assert found(library, "computed tomography", "abbreviations") == {EXPLAINED[0]}
    # A third article makes it a rule; so few changes leave most of the text index as it was.
    build(library, [table(tmp_path, [*captions, EXPLAINED[2]])])
    assert found(library, "computed tomography", "abbreviations") == {EXPLAINED[0], "Head on CT"}
    assert found(library, "computed tomography", "none") == {EXPLAINED[0]}
    with Library.open(library) as opened:
        hits = opened.search(Query(text="CT", expand="abbreviations"), k=99)
    assert "Also searched for, as the same: computed tomography." in hits.notes
