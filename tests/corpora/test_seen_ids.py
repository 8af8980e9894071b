"""Ids met before are known, in few bytes."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from medclip_search.corpora.seen import SeenIds

TEXTS = st.lists(st.text(st.characters(), max_size=4))


@given(TEXTS, TEXTS)
def test_it_is_a_set(added: list[str], asked: list[str]) -> None:
    seen, oracle = SeenIds(), set[str]()
    for text in added:
        assert (text in seen) == (text in oracle)
        seen.add(text)
        oracle.add(text)
        assert len(seen) == len(oracle)
    assert [text in seen for text in asked] == [text in oracle for text in asked]


def test_growing_forgets_none_and_stays_small() -> None:
    count = 50_000
    tracemalloc.start()
    seen = SeenIds()
    for n in range(count):
        seen.add(f"PMC{n}")
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(seen) == count
    assert all(f"PMC{n}" in seen for n in range(count))
    assert not any(f"PMC{n}" in seen for n in range(count, 2 * count))
    assert held < 25 * count
