"""Parts of a search that are done at the same time."""

from __future__ import annotations

import threading

import pytest

from medclip_search.search.together import together


def test_parts_run_at_the_same_time_and_keep_their_order() -> None:
    meeting = threading.Barrier(2, timeout=20)  # one alone would wait for the other for good

    def part(name: str) -> str:
        meeting.wait()
        return name

    assert together([lambda: part("words"), lambda: part("vector")]) == ["words", "vector"]


def test_what_a_part_raises_is_raised() -> None:
    def fails() -> str:
        raise ValueError("no such space")

    with pytest.raises(ValueError, match="no such space"):
        together([lambda: "words", fails])


def test_one_part_is_done_by_the_calling_thread() -> None:
    assert together([threading.get_ident]) == [threading.get_ident()]
    assert together([]) == []
