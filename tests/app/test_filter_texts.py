"""Values chosen in the sidebar reach the filters' language whole, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medclip_search.app.filters import any_of
from medclip_search.search.filters import parse_filter

values = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12
).filter(lambda value: value == " ".join(value.split()))


@given(st.lists(values, min_size=1, max_size=4))
def test_any_values_come_back_as_they_were(chosen: list[str]) -> None:
    parsed = parse_filter(any_of("modality", chosen))
    assert parsed.field == "modality"
    assert parsed.wanted
    assert list(parsed.values) == chosen
