"""A tray as a table: CSV for a spreadsheet, JSON for a program and for importing it back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.exports.citations import references
from medclip_search.exports.licences import sharing_sentence
from medclip_search.exports.tray import Kept, Tray
from medclip_search.search.hits import case_to_json

FORMAT = "medclip-search tray"
VERSION = 1

GONE = "no longer in this library"

_COLUMNS = (
    *("caption", "modality", "region", "year", "article", "article_link"),
    *("licence", "licence_class", "corpus"),
)


def to_json(tray: Tray) -> str:
    """The tray with all that is known of its cases, their notes and their order."""
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "notice": NOT_FOR_DIAGNOSIS,
        "library": tray.library,
        "tray": tray.name,
        "cases": [_to_json(one) for one in tray.kept],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _to_json(one: Kept) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": one.id, "note": one.note}
    if one.added is not None:
        entry["added"] = one.added.isoformat()
    if one.case is None:
        return entry | {"gone": True}
    known = case_to_json(one.case)
    del known["image"]  # a path on the server's disk says nothing to the reader
    return entry | known | {"citation": references([one.case])[0].text()}


def to_csv(tray: Tray, pictures: dict[str, str] | None = None) -> str:
    """One row a case, the notice in a column of its own; with a mark, by which spreadsheets know
    UTF-8. ``pictures`` are the files that show the cases, by their ids."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    shown = () if pictures is None else ("picture",)
    writer.writerow(["id", "note", *shown, *_COLUMNS, "keywords", "sharing", "citation", "notice"])
    for one in tray.kept:
        row = [one.id, one.note, *([] if pictures is None else [pictures.get(one.id, "")])]
        if one.case is None:
            row += [*[""] * (len(_COLUMNS) + 2), GONE]
        else:
            known = case_to_json(one.case)
            row += [known[column] for column in _COLUMNS]
            row += ["; ".join(one.case.keywords), sharing_sentence(one.case)]
            row += [references([one.case])[0].text()]
        writer.writerow([_inert(cell) for cell in (*row, NOT_FOR_DIAGNOSIS)])
    return "\ufeff" + buffer.getvalue()


def _inert(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: captions come from anywhere."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
