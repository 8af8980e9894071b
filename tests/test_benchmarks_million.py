"""The benchmarks of a million cases: their data is what it claims, and every script works."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clip_like import WANTED, ClipLike, statistics


@pytest.mark.parametrize("seed", range(3))
def test_made_vectors_have_the_statistics_of_real_ones(seed: int) -> None:
    got = statistics(*ClipLike(seed=seed).pairs(1000, 0))
    assert got == pytest.approx(dict(WANTED), abs=0.03)


def test_made_vectors_depend_on_seed_and_stream_alone() -> None:
    images, kinds = ClipLike(64).images(100, 7)
    paired, words = ClipLike(64).pairs(100, 7)
    np.testing.assert_array_equal(images, paired)
    np.testing.assert_array_equal(kinds, ClipLike(64).images(100, 7)[1])
    assert not np.any(np.all(images == ClipLike(64).images(100, 8)[0], axis=1))
    assert not np.any(np.all(images == words, axis=1))
    rows = np.concatenate([block for block, _ in ClipLike(64).blocks(9000)])
    assert rows.shape == (9000, 64)
    np.testing.assert_array_equal(rows[8192:], ClipLike(64).images(808, 2)[0])
