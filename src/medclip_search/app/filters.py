"""The sidebar's filters: only those that the library has values for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from medclip_search.api import Library

_FIELDS = {
    "modality": "Modality",
    "region": "Body region",
    "corpus": "Source",
    "licence_class": "Licence",
}


def filters(library: Library) -> tuple[str, ...]:
    """Draw the filters; gives those in force as texts, such as ``modality=CT``."""
    known = library.fields()
    where = []
    for name, label in _FIELDS.items():
        counts = library.facets(name) if name in known else {}
        if len(counts) < 2:  # one value alone narrows nothing
            continue
        chosen = st.selectbox(
            label,
            list(counts),
            index=None,
            placeholder="Any",
            key=f"filter-{name}",
            format_func=partial(_with_count, counts),
        )
        if chosen is not None:
            where.append(f"{name}={chosen}")
    years = [int(year) for year in library.facets("year")] if "year" in known else []
    if len(set(years)) > 1:
        first, last = min(years), max(years)
        low, high = st.slider("Year", first, last, (first, last), key="filter-year")
        if (low, high) != (first, last):
            where.append(f"year={low}..{high}")
    return tuple(where)


def _with_count(counts: Mapping[str, int], value: str) -> str:
    return f"{value} ({counts.get(value, 0):,})"
