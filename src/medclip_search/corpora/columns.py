"""Columns of a table's row: reached by dotted paths, flattened to scalars, guessed by name."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from medclip_search.cases import Value
from medclip_search.corpora.captions import clean

DEEPEST = 16
"""Nested objects below this depth are not looked into."""

INT64 = 2**63


def reach(values: Mapping[str, object], path: str) -> object:
    """The value at a dotted path, or ``None``. A column of literally that name wins.

    Keys may hold dots and spaces themselves: ``a.b.c`` is looked for as ``a.b.c``, then
    ``a`` → ``b.c``, then ``a.b`` → ``c``, and so on down.
    """
    if path in values:
        return values[path]
    dot = path.find(".")
    while dot >= 0:
        inner = values.get(path[:dot])
        if isinstance(inner, Mapping) and (found := reach(inner, path[dot + 1 :])) is not None:
            return found
        dot = path.find(".", dot + 1)
    return None


def scalar(value: object) -> Value:
    """A value as one of JSON's scalar types; ``None`` for what is empty or no scalar.

    Lists of scalars are joined by ``"; "``, dates are ISO 8601, integers that SQLite could not
    hold become text, and text is stripped.
    """
    if isinstance(value, str):
        return clean(value).strip() or None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -INT64 <= value < INT64 else str(value)
    if isinstance(value, float | decimal.Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "; ".join(texts(value)) or None
    return None


def texts(value: object) -> list[str]:
    """The scalars of a value, or of a list, as texts; empty ones left out."""
    parts = value if isinstance(value, list | tuple) else [value]
    found = (scalar(part) for part in parts if not isinstance(part, list | tuple))
    return [str(one) for one in found if one is not None]


def flatten(values: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    """Every scalar that is not empty under its dotted path, in the order of the row."""
    stack: list[tuple[str, object, int]] = [("", values, 0)]
    while stack:
        path, value, depth = stack.pop()
        if isinstance(value, Mapping):
            if depth < DEEPEST:
                prefix = f"{path}." if path else ""
                items = [(f"{prefix}{clean(str(k))}", v, depth + 1) for k, v in value.items()]
                stack.extend(reversed(items))
        elif (kept := scalar(value)) is not None:
            yield path, kept


def paths(values: Mapping[str, object]) -> Iterator[str]:
    """The dotted path of every column of a row, empty ones too."""
    stack: list[tuple[str, object, int]] = [("", values, 0)]
    while stack:
        path, value, depth = stack.pop()
        if isinstance(value, Mapping) and depth < DEEPEST:
            prefix = f"{path}." if path else ""
            items = [(f"{prefix}{clean(str(k))}", v, depth + 1) for k, v in value.items()]
            stack.extend(reversed(items))
        elif path:
            yield path


OBVIOUS = {
    "image": "image imagepath imagefile imagefilename imagename file filename filepath path "
    "figure figurepath figurefile img imgpath",
    "caption": "caption captions figurecaption imagecaption text description",
    "id": "id imageid figureid figid",
}
"""Names that need no ``--columns``, best first, without case, spaces and underscores. Ids of
patients and of cases with several images are not among them: they are not an image's own."""


def guess(columns: Iterable[str]) -> dict[str, str]:
    """Fields to the columns that obviously hold them; a nested column by its last name."""
    whole = {column: column for column in reversed(list(columns))}
    last = {column: column.rpartition(".")[2] for column in whole}
    found: dict[str, str] = {}
    for field, names in OBVIOUS.items():
        for called in (whole, last):
            by_name = {
                re.sub(r"[\W_]", "", name).lower(): column for column, name in called.items()
            }
            hit = next((by_name[name] for name in names.split() if name in by_name), None)
            if hit is not None:
                found[field] = hit
                break
    return found
