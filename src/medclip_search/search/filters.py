"""Filters: which cases may answer at all.

    modality=CT              equal, letters' case aside
    modality=CT,MR           any of several
    Diagnosis="a, b",c       a value with a comma in quotation marks (or alone, as it stands)
    modality!=CT             not equal; cases that have no value pass too
    year=2010..2015          from 2010 to 2015, both included; 2010.. and ..2015 are open
    year>=2010               also <=, > and <
    region=*                 any value at all; region!=* none

Several filters must all hold. The fields are those of ``Columns.fields()``.
"""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclip_search.describe import as_modality, as_region
from medclip_search.errors import FilterError
from medclip_search.indexes.columns import SEVERAL, SINGLE, Columns, number

Mask = NDArray[np.bool_]

_FORM = re.compile(r"(?P<field>.+?)\s*(?P<sign>!=|>=|<=|=|>|<)\s*(?P<value>.*)")
_EXAMPLE = "write KEY=VALUE, for example modality=CT, modality=CT,MR or year=2010..2015"
_SHOWN = 30
_OTHER_NAMES: dict[str, Callable[[str], str | None]] = {
    "modality": as_modality,
    "region": as_region,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one field, as ``parse_filter`` read it.

    ``whole`` is the value as written and ``values`` its parts. ``low`` and ``high`` bound a range
    of numbers, both included, where ``ranged``. ``wanted`` is false for ``!=``.
    """

    text: str
    field: str
    wanted: bool = True
    whole: str = ""
    values: tuple[str, ...] = ()
    ranged: bool = False
    low: float | None = None
    high: float | None = None
    any_value: bool = False

    def mask(self, columns: Columns) -> Mask:
        """The cases that pass, (size,) bool. Raises ``FilterError``."""
        try:
            holds = self._holds(columns)
        except KeyError:
            raise _no_field(self.text, self.field, columns) from None
        return holds if self.wanted else ~holds

    def _holds(self, columns: Columns) -> Mask:
        if self.any_value:
            return columns.present(self.field)
        if self.ranged:
            if columns.values(self.field) and not columns.is_numeric(self.field):
                raise FilterError(
                    f"{self.text}: {self.field} holds no numbers to compare; "
                    f"write {self.field}=VALUE"
                )
            return columns.between(self.field, self.low, self.high)
        if len(self.values) == 1 and self.values[0] == self.whole:
            return self._equals(columns, self.whole)
        whole = columns.equals(self.field, self.whole)
        # A value that has commas itself needs no quotation marks.
        if whole.any():
            return whole
        for value in self.values:
            whole |= self._equals(columns, value)
        return whole

    def _equals(self, columns: Columns, value: str) -> Mask:
        """The cases with a value; a modality or region also by its other names (``MRI``)."""
        found = columns.equals(self.field, value)
        known = _OTHER_NAMES.get(self.field.casefold())
        if known is not None and not found.any() and (name := known(value)):
            return columns.equals(self.field, name)
        return found


def parse_filter(text: str, fields: Sequence[str] = (*SINGLE, *SEVERAL)) -> Filter:
    """Read one filter. Raises ``FilterError``, naming the ``fields`` there are."""
    text = " ".join(text.split())
    match = _FORM.fullmatch(text)
    if match is None or not match["value"]:
        raise FilterError(f"{text or '(empty)'}: not a filter; {_EXAMPLE}; {_known(fields)}")
    field, sign, value = match["field"], match["sign"], match["value"]
    if sign in (">=", "<=", ">", "<"):
        bound = number(value)
        if math.isnan(bound):
            raise FilterError(f"{text}: {value!r} is not a number; for example {field}{sign}2010")
        if sign == ">":
            bound = math.nextafter(bound, math.inf)
        elif sign == "<":
            bound = math.nextafter(bound, -math.inf)
        low, high = (bound, None) if sign[0] == ">" else (None, bound)
        return Filter(text, field, ranged=True, low=low, high=high)
    wanted = sign == "="
    if value == "*":
        return Filter(text, field, wanted, any_value=True)
    if ".." in value:
        before, _, after = (part.strip() for part in value.partition(".."))
        low, high = number(before), number(after)
        numbers = (math.isnan(low), math.isnan(high))
        if not (numbers[0] and before) and not (numbers[1] and after) and not all(numbers):
            if low > high:
                raise FilterError(f"{text}: {before} is more than {after}; swap them")
            return Filter(
                text,
                field,
                wanted,
                ranged=True,
                low=None if numbers[0] else low,
                high=None if numbers[1] else high,
            )
    try:
        row = next(csv.reader([value], skipinitialspace=True))
    except csv.Error as error:
        raise FilterError(f"{text[:80]}…: {error}; {_EXAMPLE}") from None
    values = tuple(part.strip() for part in row if part.strip())
    if not values:
        raise FilterError(f"{text}: no value; {_EXAMPLE}")
    if field.casefold() == "year" and any(math.isnan(number(one)) for one in values):
        raise FilterError(f"{text}: a year is a number; for example year=2015 or year=2010..2015")
    return Filter(text, field, wanted, whole=value, values=values)


def mask(filters: Iterable[Filter], columns: Columns) -> Mask:
    """The cases that pass all filters, (size,) bool. Raises ``FilterError``."""
    passing = columns.live.copy()
    for one in filters:
        passing &= one.mask(columns)
    return passing


def stored_field(name: str, columns: Columns) -> str:
    """The stored name of a field as the user writes it. Raises ``FilterError``."""
    try:
        return columns.resolve(name)
    except KeyError:
        raise _no_field(name, name, columns) from None


def _no_field(text: str, field: str, columns: Columns) -> FilterError:
    return FilterError(
        f"{text}: no field is called {field!r}{_near(field, columns)}; {_known(columns.fields())}"
    )


def _near(field: str, columns: Columns) -> str:
    names = {name.casefold(): name for name in columns.fields()}
    within = [name for name in names if name.endswith(f".{field.casefold()}")]
    near = within[:3] or difflib.get_close_matches(field.casefold(), names, n=3)
    return f" (perhaps {' or '.join(names[name] for name in near)})" if near else ""


def _known(fields: Sequence[str]) -> str:
    more = f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
    return f"fields: {', '.join(fields[:_SHOWN])}{more}"
