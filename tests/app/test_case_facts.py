"""What an opened case tells of itself: each thing once, by a name that a person reads."""

from __future__ import annotations

import re

from medclip_search.app.case_facts import facts
from medclip_search.cases import Case


def told(**known: object) -> list[tuple[str, str]]:
    case = Case("f1", corpus="table", modality="CT", region="thorax", **known)  # type: ignore[arg-type]
    rows = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", facts(case))
    assert rows[-1] == ("Id", "f1")
    return rows[:-1]


OWN = [("Modality", "CT"), ("Body region", "thorax"), ("Source", "table")]


def test_a_column_that_says_what_is_known_is_left_out() -> None:
    columns = {"Type": "CT", "Location Category": "Thorax", "Modality": "ct", "Sex": None}
    assert told(metadata=columns) == OWN


def test_one_name_stands_once_with_what_says_more() -> None:
    closer = [("Modality", "CT - noncontrast"), *OWN[1:]]
    assert told(metadata={"Description.Modality": "CT - noncontrast"}) == closer
    other = [("Modality", "CT · MR"), *OWN[1:]]
    assert told(metadata={"Description.Modality": "MR"}) == other
    planes = {"first.plane": "axial", "second.plane": "sagittal"}
    assert told(metadata=planes) == [*OWN, ("Plane", "axial · sagittal")]


def test_names_of_columns_are_readable_and_values_are_text() -> None:
    columns = {"U_id": "MPX<1>", "Description.ACR_codes": 7, "flag": False}
    expected = [("U id", "MPX&lt;1&gt;"), ("ACR codes", "7"), ("Flag", "False")]
    assert told(metadata=columns) == [*OWN, *expected]
