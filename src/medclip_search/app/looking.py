"""What one tab looks at closely: the opened case, and those that the arrow keys go through."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from medclip_search.app.session import QueryImage, address
from medclip_search.app.viewer import Figure, image_address
from medclip_search.cases import Case
from medclip_search.search.hits import Hit

_SIDE = 2048  # pixels: a query image on a fine screen


@dataclass(slots=True)
class Looking:
    """The opened case, ``around`` it those of its list, ``last`` the one last seen of these.

    ``home`` is the key of the gallery that shows the list.
    ``compared`` is the token of the query image beside it. ``similar`` is what was found for the
    case last looked at.
    """

    case_id: str
    around: Sequence[Case]
    last: str
    home: str
    compared: str | None = None
    similar: tuple[str, tuple[Hit, ...]] = ("", ())

    @classmethod
    def begin(cls, case: Case, around: Sequence[Case], home: str) -> None:
        """Open a case of a list, or alone."""
        listed = around if any(one.id == case.id for one in around) else ()
        st.session_state["looking"] = cls(case.id, listed, case.id, home, cls.remembered())

    @classmethod
    def current(cls) -> Looking:
        """This tab's, once something was opened."""
        looking = st.session_state["looking"]
        assert isinstance(looking, cls)
        return looking

    @staticmethod
    def remembered() -> str | None:
        """What was beside the case opened before."""
        before = st.session_state.get("looking")
        return before.compared if isinstance(before, Looking) else None

    def go(self, case_id: str) -> None:
        """Open another, of the list or not."""
        self.case_id = case_id
        if any(one.id == case_id for one in self.around):
            self.last = case_id


def figure_of_query(image: QueryImage) -> Figure:
    """A query image for the viewer: a case's by its address, an upload within the page itself."""
    if image.case_id is not None:
        shown = image_address(image.case_id)
        return Figure(image.case_id, shown, image.name, name=image.name)
    if "figure" not in image.made:
        image.made["figure"] = _uploaded(image)
    figure: Figure = image.made["figure"]
    return figure


def _uploaded(image: QueryImage) -> Figure:
    samples = facts = None
    if image.samples is not None:
        buffer = io.BytesIO()
        np.save(buffer, image.samples.values, allow_pickle=False)
        content = base64.b64encode(buffer.getvalue()).decode()
        samples, facts = f"data:application/octet-stream;base64,{content}", image.samples.facts()
    shown = address(image.picture, _SIDE)
    return Figure(image.key, shown, image.name, samples, facts, image.name)
