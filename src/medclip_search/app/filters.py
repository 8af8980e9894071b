"""The sidebar's filters: only those that the library has values for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from medclip_search.api import Library
from medclip_search.server.shared import Shared

_FIELDS = {
    "modality": "Modality",
    "region": "Body region",
    "corpus": "Source",
    "licence_class": "Licence",
}


def filters(shared: Shared, library: Library) -> tuple[str, ...]:
    """Draw the filters; gives those in force as texts, such as ``modality="CT","MR"``."""
    known = library.fields()
    st.subheader("Narrow", anchor=False)
    where = []
    for name, label in _FIELDS.items():
        counts = _counts(shared, library, name) if name in known else {}
        if len(counts) < 2:  # one value alone narrows nothing
            continue
        chosen = st.multiselect(
            label,
            list(counts),
            placeholder="Any",
            key=f"filter-{name}",
            format_func=partial(_with_count, counts),
        )
        if chosen:
            where.append(any_of(name, chosen))
    years = _years(shared, library)
    if years is not None:
        first, last = years
        low, high = st.slider("Year", first, last, (first, last), key="filter-year")
        if (low, high) != (first, last):
            where.append(f"year={low}..{high}")
    return tuple(where)


def clear_filters(shared: Shared, library: Library) -> None:
    """Put every filter back to letting all through; for a callback, before they are drawn."""
    for name in _FIELDS:
        if f"filter-{name}" in st.session_state:
            st.session_state[f"filter-{name}"] = []
    if "filter-year" in st.session_state:
        st.session_state["filter-year"] = _years(shared, library)


def any_of(name: str, values: Sequence[str]) -> str:
    """The filter that holds for any of some values, whatever characters are in them."""
    quoted = ('"' + value.replace('"', '""') + '"' for value in values)
    return f"{name}={','.join(quoted)}"


def _years(shared: Shared, library: Library) -> tuple[int, int] | None:
    """The first and the last year, or ``None`` where there are not two."""
    if "year" not in library.fields():
        return None
    years = [int(year) for year in _counts(shared, library, "year")]
    return (min(years), max(years)) if len(years) > 1 else None


def _counts(shared: Shared, library: Library, name: str) -> Mapping[str, int]:
    return shared.remember(f"facets of {name}", lambda: library.facets(name))


def _with_count(counts: Mapping[str, int], value: str) -> str:
    return f"{value} ({counts.get(value, 0):,})"
