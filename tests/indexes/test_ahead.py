"""Rows that lie on a disk are asked for before they are read: all of them, and nothing else."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from medclip_search.indexes.vectors.ahead import _WILL_NEED, _advise, _pages


@pytest.mark.parametrize("width", [1, 8, 100, 1024, 5000])
@pytest.mark.parametrize("chosen", [1, 7, 900, 1000])
def test_the_pages_asked_for_hold_just_the_rows(tmp_path: Path, width: int, chosen: int) -> None:
    path = tmp_path / "rows"
    path.write_bytes(bytes(16 + 1000 * width))
    rows = np.asarray(np.memmap(path, np.uint8, "r", offset=16, shape=(1000, width)))
    where = np.sort(np.random.default_rng(chosen).choice(1000, chosen, replace=False))
    asked = np.array(_pages(rows, where))
    wanted = {
        page
        for start in rows.ctypes.data + where * width
        for page in range(start // mmap.PAGESIZE, (start + width - 1) // mmap.PAGESIZE + 1)
    }
    assert not (asked % mmap.PAGESIZE).any()
    pages = asked // mmap.PAGESIZE
    got = [page for first, count in pages.tolist() for page in range(first, first + count)]
    assert sorted(got) == sorted(wanted)
    if sys.platform == "linux":
        advise = _advise()
        assert advise is not None
        assert all(advise(start, length, _WILL_NEED) == 0 for start, length in asked.tolist())


def test_of_no_rows_no_page_is_asked_for() -> None:
    assert _pages(np.zeros((5, 3)), np.empty(0, dtype=np.int64)) == []
