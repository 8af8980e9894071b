"""Narrowing: the sidebar's facets, each value with its count; only what the library can tell apart.

What is chosen lies in the session under ``filter-FIELD`` (values) and ``filter-year`` (first and
last), so that it can be set from elsewhere, such as an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.facets import Field, Values, Years, facets
from medclip_search.cases import Value
from medclip_search.search.facets import Facets
from medclip_search.server.shared import Shared

FIELDS = {
    "modality": "Modality",
    "region": "Body region",
    "corpus": "Source",
    "licence_class": "Licence",
}
_YEAR = "filter-year"
_LABELS = {
    "licence_class": {
        "commercial": "Free to reuse",
        "noncommercial": "Non-commercial",
        "other": "Other",
    }
}


def filters_in_force() -> tuple[str, ...]:
    """The filters that were chosen, as texts such as ``modality="CT","MR"``."""
    where = [any_of(name, chosen) for name in FIELDS if (chosen := _chosen(name))]
    if (years := st.session_state.get(_YEAR)) is not None:
        where.append(f"year={years[0]}..{years[1]}")
    return tuple(where)


def filters(shared: Shared, library: Library, counted: Facets | None) -> None:
    """Draw the facets, counted over the answers, or where nothing is asked over the library."""
    fields = [
        _values(shared, library, name, counted)
        for name in FIELDS
        if name in counted_fields(shared, library)
    ]
    years = None
    if "year" in counted_fields(shared, library):
        years = _years(_library_counts(shared, library, "year"), _now(counted, "year"))
    if not fields and years is None:
        return
    st.subheader("Narrow", anchor=False)

    def heard(field: Field, value: Any) -> None:
        if field == "year":
            st.session_state[_YEAR] = value
        else:
            before = _chosen(field)
            after = [one for one in before if one != value]
            st.session_state[f"filter-{field}"] = after if value in before else [*before, value]

    says = counted.says if counted is not None else ""
    facets(fields, years, says=says, on_choice=heard)


def clear_filters() -> None:
    """Let all through again; for a callback."""
    for name in (*FIELDS, "year"):
        st.session_state.pop(f"filter-{name}", None)


def chosen() -> dict[str, list[str]]:
    """What was chosen, by field; of ``year`` the first and the last."""
    years = st.session_state.get(_YEAR) or ()
    found = {name: _chosen(name) for name in FIELDS} | {"year": [str(year) for year in years]}
    return {name: values for name, values in found.items() if values}


def narrow(choice: Mapping[str, Sequence[str]]) -> None:
    """Choose, in the form of ``chosen``; what is not named lets all through."""
    clear_filters()
    for name, values in choice.items():
        if values and name in FIELDS:
            st.session_state[f"filter-{name}"] = list(values)
    if years := choice.get("year"):
        st.session_state[_YEAR] = (int(years[0]), int(years[1]))


def known_values(shared: Shared, library: Library, name: str) -> Mapping[str, int]:
    """The values that can be chosen of a field, with how often the library has each."""
    if name not in counted_fields(shared, library):
        return {}
    return _library_counts(shared, library, name)


def any_of(name: str, values: Sequence[str]) -> str:
    """The filter that holds for any of some values, whatever characters are in them."""
    quoted = ('"' + value.replace('"', '""') + '"' for value in values)
    return f"{name}={','.join(quoted)}"


def counted_fields(shared: Shared, library: Library) -> tuple[str, ...]:
    """The fields that narrow anything here: those with two values or more."""

    def narrowing() -> tuple[str, ...]:
        return tuple(name for name in (*FIELDS, "year") if library.coverage(name)[1] > 1)

    return shared.remember("fields that narrow", narrowing)


def _chosen(name: str) -> list[str]:
    return list(st.session_state.get(f"filter-{name}") or ())


def _values(shared: Shared, library: Library, name: str, counted: Facets | None) -> Values:
    """A field's values in the order of the library's counts, which stays whatever is asked."""
    known = _library_counts(shared, library, name)
    now = _now(counted, name)
    chosen = _chosen(name)
    labels = _LABELS.get(name, {})
    values = [
        (value, labels.get(value, value), known[value] if now is None else now.get(value, 0))
        for value in dict.fromkeys((*known, *chosen))
        if value in known or value in chosen
    ]
    return Values(name, FIELDS[name], values, chosen)


def _now(counted: Facets | None, name: str) -> Mapping[str, int] | None:
    """The counts over the answers, by the values as text."""
    if counted is None or name not in counted.fields:
        return None
    found: Mapping[Value, int] = counted.fields[name]
    return {str(value): count for value, count in found.items()}


def _years(known: Mapping[str, int], now: Mapping[str, int] | None) -> Years:
    first, last = min(map(int, known)), max(map(int, known))
    counts = known if now is None else now
    bars = [(year, counts.get(str(year), 0)) for year in range(first, last + 1)]
    low, high = st.session_state.get(_YEAR) or (first, last)
    return Years(bars, int(low), int(high))


def _library_counts(shared: Shared, library: Library, name: str) -> Mapping[str, int]:
    return shared.remember(f"facets of {name}", lambda: library.facets(name))
