"""The tray as a file to keep: CSV for a spreadsheet, JSON for a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.cases import Case
from medclip_search.search.hits import case_to_json

_COLUMNS = (
    "id",
    "caption",
    "modality",
    "region",
    "year",
    "article",
    "article_link",
    "licence",
    "licence_class",
    "corpus",
)


def to_json(cases: Sequence[Case]) -> bytes:
    """The cases with all that is known of them, and the notice, as UTF-8 JSON."""
    kept = []
    for case in cases:
        known = case_to_json(case)
        del known["image"]  # a path on the server's disk says nothing to the reader
        kept.append({"id": case.id} | known)
    return json.dumps(
        {"notice": NOT_FOR_DIAGNOSIS, "cases": kept}, ensure_ascii=False, indent=2
    ).encode()


def to_csv(cases: Sequence[Case]) -> bytes:
    """One row a case, the notice in a column of its own; UTF-8 with a mark, for spreadsheets."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*_COLUMNS, "keywords", "notice"])
    for case in cases:
        known = {"id": case.id} | case_to_json(case)
        row = [known[column] for column in _COLUMNS]
        writer.writerow([_inert(v) for v in [*row, "; ".join(case.keywords), NOT_FOR_DIAGNOSIS]])
    return buffer.getvalue().encode("utf-8-sig")


def _inert(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: captions come from anywhere."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
