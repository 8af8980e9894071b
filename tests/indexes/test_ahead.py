"""Rows that lie on a disk are asked for before they are read: all of them, and nothing else."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.page_cache import cached, forget
from medclip_search.encoders.base import Space
from medclip_search.indexes.vectors import VectorIndex, build_vector_index
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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is asked of the system")
def test_a_search_brings_little_else_than_its_rows_into_memory(tmp_path: Path) -> None:
    path, index = tmp_path / "rows" / "rows.f16", tmp_path / "index"
    path.parent.mkdir()
    index.mkdir()
    made = np.random.default_rng(0).standard_normal((8192, 512)).astype(np.float16)
    path.write_bytes(made.tobytes())
    rows = np.memmap(path, np.float16, "r", shape=made.shape)
    space = Space("test", 512)
    build_vector_index(rows, np.arange(len(rows)), index, space=space, engine="faiss")
    del rows
    assert forget(path.parent) == 0
    opened = VectorIndex.open(index, np.memmap(path, np.float16, "r", shape=made.shape))
    assert opened.search(made[77], 10)[0][0] == 77
    assert all((opened.vector(key) == made[key]).all() for key in range(0, len(made), 256))
    del opened
    assert cached(path) < made.nbytes / 3


def test_of_no_rows_no_page_is_asked_for() -> None:
    assert _pages(np.zeros((5, 3)), np.empty(0, dtype=np.int64)) == []
