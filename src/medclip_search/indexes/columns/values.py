"""What of a case stands in columns: its fields, and the text by which values are compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from medclip_search.cases import Case, Value

SINGLE = (
    "corpus",
    "modality",
    "region",
    "article",
    "licence",
    "licence_class",
    "year",
    "has_image",
    "has_caption",
)
"""Built-in fields with one value a case."""
SEVERAL = ("keyword", "cui")
"""Built-in fields with any number of values a case."""
METADATA = "metadata."
"""``metadata.NAME`` reaches a metadata column whatever its name."""

ID = ""
"""The name under which ``case_values`` gives the id, of which the order is kept and no more."""


def fold(value: Value) -> str:
    """The text by which values are compared: case-insensitive, booleans as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return " ".join(plain(value).replace("\0", " ").split()).casefold()


def number(value: Value) -> float:
    """The value as a number, NaN where it is none (or no finite one)."""
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        found = float(value)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def case_values(case: Case) -> Iterator[tuple[str, Value]]:
    """All (stored field, value) of a case."""
    yield ID, case.id
    yield "has_image", case.image is not None
    yield "has_caption", bool(case.caption)
    for field in SINGLE[:7]:
        if (value := getattr(case, field)) not in (None, ""):
            yield field, value
    for keyword in dict.fromkeys(case.keywords):
        yield "keyword", keyword
    for cui in dict.fromkeys(case.cuis):
        yield "cui", cui
    for name, value in case.metadata.items():
        if value is not None and value != "":
            yield METADATA + name, value


def field_order(field: str) -> tuple[int, str]:
    """Sorts stored fields as they are written: built-in ones first."""
    built_in = (*SINGLE, *SEVERAL)
    return (built_in.index(field), "") if field in built_in else (len(built_in), field)


def plain(value: Value) -> str:
    """The value as text that UTF-8 can hold."""
    return str(value).encode("utf-8", "replace").decode()


def encoded(value: Value) -> str:
    """The folded text and the value as JSON: sorting these sorts by the folded text."""
    if isinstance(value, str):
        value = plain(value)
    elif isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    return f"{fold(value)}\0{json.dumps(value, ensure_ascii=False)}"


def value_of(text: str) -> str:
    """The value of an encoded one, as JSON."""
    return text.partition("\0")[2]
