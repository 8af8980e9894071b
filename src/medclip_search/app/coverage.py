"""Coverage: what a library holds, in charts and as a table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from medclip_search.api import Library
from medclip_search.app.filters import FIELDS
from medclip_search.server.shared import Shared

_MOST = 12
"""So many values of a field have a bar; the others share one."""

_COLOUR = "#2f8fd0"  # stands out from white and from black

_KNOWN = {
    "Picture": ("has_image", "True"),
    "Caption": ("has_caption", "True"),
    "Modality": ("modality", ""),
    "Body region": ("region", ""),
    "Year": ("year", ""),
    "Article": ("article", ""),
    "Licence": ("licence_class", ""),
}
"""What may be known of a case: the field that tells, and the value that counts, any where empty."""


def coverage(shared: Shared, library: Library) -> None:
    """Draw a chart for each field with two values or more, one of years, one of what is known."""
    charts: list[tuple[str, pd.DataFrame]] = []
    for field, label in FIELDS.items():
        found = counts(shared, library, field)
        if len(found) > 1:
            charts.append((label, _frame(label, found)))
    years = counts(shared, library, "year")
    known = _known(shared, library)
    columns = st.columns(2, gap="large")
    with columns[0]:
        _bars("What is known of the cases, in percent", known, "Percent")
    for number, (label, frame) in enumerate(charts, 1):
        with columns[number % 2]:
            _bars(label, frame, "Cases")
    if len(years) > 1:
        st.markdown("###### Year")
        rows = sorted((int(year), count) for year, count in years.items())
        frame = pd.DataFrame(rows, columns=["Year", "Cases"]).set_index("Year")
        every = range(rows[0][0], rows[-1][0] + 1)
        frame = frame.reindex(every, fill_value=0)
        frame.index = frame.index.astype(str)
        st.bar_chart(frame, height=200, color=_COLOUR)
        charts.append(("Year", frame))
    with st.expander("The same numbers as tables"):
        for _, shown in [("", known), *charts]:
            st.table(shown)


def _bars(label: str, frame: pd.DataFrame, unit: str) -> None:
    st.markdown(f"###### {label}")
    height = 60 + 26 * len(frame)
    st.bar_chart(
        frame,
        y=unit,
        horizontal=True,
        sort=False,
        height=height,
        x_label="",
        y_label="",
        color=_COLOUR,
    )


def _frame(label: str, counted: Mapping[str, int]) -> pd.DataFrame:
    rows = list(counted.items())
    shown = rows[:_MOST]
    if more := rows[_MOST:]:
        shown.append((f"{len(more)} others", sum(count for _, count in more)))
    return pd.DataFrame(shown, columns=[label, "Cases"]).set_index(label)


def _known(shared: Shared, library: Library) -> pd.DataFrame:
    every = max(1, len(library))
    rows = []
    for label, (field, value) in _KNOWN.items():
        if value:
            count = counts(shared, library, field).get(value, 0)
        else:
            count = library.coverage(field)[0]
        rows.append((label, round(100 * count / every, 1)))
    return pd.DataFrame(rows, columns=["Known", "Percent"]).set_index("Known")


def counts(shared: Shared, library: Library, field: str) -> Mapping[str, int]:
    """Values of a field with their counts, counted once a generation."""
    return shared.remember(f"facets of {field}", lambda: library.facets(field))
