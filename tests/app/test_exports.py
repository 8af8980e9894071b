"""The tray's files: exact in JSON, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.app.exports import to_csv, to_json
from medclip_search.cases import Case

captions = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@given(st.lists(captions, max_size=4))
def test_json_keeps_every_caption_and_the_notice(texts: list[str]) -> None:
    cases = [Case(str(n), caption=text) for n, text in enumerate(texts)]
    kept = json.loads(to_json(cases))
    assert kept["notice"] == NOT_FOR_DIAGNOSIS
    assert [case["caption"] for case in kept["cases"]] == texts


@given(st.lists(captions, max_size=4))
def test_csv_has_one_row_a_case_and_no_formulas(texts: list[str]) -> None:
    cases = [Case(str(n), caption=text) for n, text in enumerate(texts)]
    found = rows(to_csv(cases))
    assert len(found) == len(texts)
    for row, text in zip(found, texts, strict=True):
        assert row["notice"] == NOT_FOR_DIAGNOSIS
        assert row["caption"] in (text, f"'{text}")
        assert not row["caption"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_formula_in_a_caption_is_text() -> None:
    (row,) = rows(to_csv([Case("1", caption='=HYPERLINK("http://evil.example")')]))
    assert row["caption"] == '\'=HYPERLINK("http://evil.example")'


def test_an_empty_tray_still_says_what_it_is_not_for() -> None:
    assert json.loads(to_json([])) == {"notice": NOT_FOR_DIAGNOSIS, "cases": []}
