"""A library gets its map with a build: early, kept, gone on with, verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medclip_search import Library, Query, QueryError
from medclip_search.api import remove
from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build
from medclip_search.library.layout import manifest_path, point_to, read_current
from medclip_search.library.verify import verify
from medclip_search.progress import Advance
from medclip_search.terminal import info_lines
from tests.figures import write_folder


def places(library: Path) -> dict[str, tuple[float, float]]:
    with Library.open(library) as opened:
        points = opened.map()
        return {i: (x, y) for i, (x, y) in zip(points.ids, points.positions.tolist(), strict=True)}


def without_map(library: Path) -> None:
    """Make it a library of before there were maps."""
    manifest = read_current(library)
    files = {path: one for path, one in manifest.files.items() if not path.startswith("map/")}
    data = replace(manifest, files=files).to_bytes()
    manifest_path(library, manifest.number).write_bytes(data)
    point_to(library, manifest.number, data)


def test_every_picture_stands_on_it(library: Path) -> None:
    assert len(places(library)) == 24
    with Library.open(library) as opened:
        info = opened.info()
        hits = opened.search(Query(text="CT"), 24)
    assert info["map"] == {"space": "compact", "cases": 24, "projected": 24}
    assert info["bytes"]["map"] > 0
    assert "  map of compact: 24 pictures" in list(info_lines(info))
    stand = places(library)
    assert {hit.id: hit.place for hit in hits} == {hit.id: stand[hit.id] for hit in hits}


def test_it_is_shared_while_no_picture_changes(library: Path, figures: Path) -> None:
    before = read_current(library)
    (figures / "fig-004.txt").write_text("Mammogram with a spiculated mass", encoding="utf-8")
    assert build(library).published
    assert read_current(library).map == before.map
    assert before.map is not None


def test_new_pictures_find_their_place_and_move_no_other(library: Path, figures: Path) -> None:
    before = places(library)
    write_folder(figures, range(24, 27))
    build(library)
    remove(library, ids=["fig-003"])
    after = places(library)
    assert set(after) == {f"fig-{n:03d}" for n in range(27)} - {"fig-003"}
    assert {i: after[i] for i in after if i in before} == {
        i: p for i, p in before.items() if i != "fig-003"
    }
    assert not list(verify(library))


def test_an_older_library_opens_and_gets_one_from_a_build(library: Path) -> None:
    expected = places(library)
    without_map(library)
    with Library.open(library) as opened:
        assert opened.info()["map"] is None
        assert all(hit.place is None for hit in opened.search(Query(text="CT"), 5))
        with pytest.raises(QueryError, match="build it again"):
            opened.map()
        with pytest.raises(QueryError, match="build it again"):
            opened.search(Query(text="CT", area="0,0,1,1"))
    assert build(library).published
    assert places(library) == expected
    assert not build(library).published


def test_a_few_pictures_have_none(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(19))
    build(tmp_path / "library", [CorpusSpec("folder", figures, "figures")])
    assert not build(tmp_path / "library").published
    with Library.open(tmp_path / "library") as opened:
        assert opened.info()["map"] is None
        with pytest.raises(QueryError, match="it holds 19 pictures, and a map takes 20"):
            opened.map()
    write_folder(figures, range(19, 20))
    build(tmp_path / "library")
    assert len(places(tmp_path / "library")) == 20
    remove(tmp_path / "library", ids=["fig-000"])
    with Library.open(tmp_path / "library") as opened:
        assert opened.info()["map"] is None
    assert not list(verify(tmp_path / "library"))


def test_a_damaged_map_is_found_and_not_gone_on_with(library: Path, figures: Path) -> None:
    expected = places(library)
    folder = read_current(library).map
    assert folder is not None
    anchors = library / folder / "anchor_places.npy"
    data = bytearray(anchors.read_bytes())
    data[-1] ^= 0x10
    anchors.write_bytes(data)
    assert [one.path for one in verify(library)] == [f"{folder}/anchor_places.npy"]
    write_folder(figures, range(24, 26))
    build(library)
    with Library.open(library) as opened:
        assert opened.info()["map"]["projected"] == 26  # made anew
    build(library, repair=True)
    assert not list(verify(library))
    assert set(expected) < set(places(library))


def test_a_build_that_is_stopped_at_its_map_is_gone_on_with(library: Path, tmp_path: Path) -> None:
    expected = places(library)
    figures = write_folder(tmp_path / "again", range(24))
    stopped = tmp_path / "stopped"

    @contextmanager
    def stop(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        if stage == "map":
            raise KeyboardInterrupt
        yield lambda _: None

    with pytest.raises(KeyboardInterrupt):
        build(stopped, [CorpusSpec("folder", figures, "figures")], progress=stop)
    summary = build(stopped)
    assert summary.resumed
    assert summary.embedded == 0
    found = places(stopped)
    assert set(found) == set(expected)
    np.testing.assert_allclose([found[i] for i in found], [expected[i] for i in found], atol=1e-6)
