"""A library's own captions teach its pictures' likeness, and go on teaching when they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import ImageOps

from medclip_search import Library, Query
from medclip_search.corpora.base import CorpusSpec
from medclip_search.indexes.vectors import told_by_captions
from medclip_search.library.build import build
from medclip_search.library.layout import Manifest, read_current
from medclip_search.library.verify import verify
from tests.figures import caption, draw, write_folder


def index_of(library: Path) -> dict[str, Any]:
    with Library.open(library) as opened:
        [space] = opened.info()["spaces"]
        found: dict[str, Any] = space["index"]
        return found


def write_told(folder: Path, seeds: range) -> Path:
    """Figures as elsewhere, every other one inverted, as its caption tells."""
    write_folder(folder, seeds)
    for seed in seeds:
        if seed % 2:
            ImageOps.invert(draw(seed)).save(folder / f"fig-{seed:03d}.png")
            (folder / f"fig-{seed:03d}.txt").write_text(f"Inverted, {seed}", encoding="utf-8")
    return folder


def test_captions_teach_once_there_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told_by_captions, "LEAST", 20)
    library, figures = tmp_path / "library", write_told(tmp_path / "figures", range(16))
    build(library, [CorpusSpec("folder", figures, "figures")])
    assert "taught_by_captions" not in index_of(library)
    write_told(figures, range(16, 40))
    build(library)
    assert index_of(library)["taught_by_captions"] == 40
    assert list(verify(library)) == []
    with Library.open(library) as opened:
        hit = opened.search(Query(image=draw(6)), k=1)[0]
        assert hit.id == "fig-006"
        assert hit.lists[0].score == pytest.approx(1.0, abs=2e-3)


def test_a_changed_caption_teaches_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_by_captions, "LEAST", 20)
    library, figures = tmp_path / "library", write_folder(tmp_path / "figures", range(30))
    build(library, [CorpusSpec("folder", figures, "figures")])
    before = read_current(library)
    (figures / "fig-003.txt").write_text("A chest radiograph after all", encoding="utf-8")
    build(library)
    changed = read_current(library)
    assert changed.vectors != before.vectors
    assert changed.embeddings == before.embeddings
    (figures / "fig-003.txt").write_text(caption(3), encoding="utf-8")
    build(library)
    back = read_current(library)
    assert back.vectors != changed.vectors
    assert digests(back) == digests(before)  # the same captions teach the same again


def digests(manifest: Manifest) -> dict[str, str | None]:
    """SHA-256 of each file of the vector index, by its name."""
    return {
        Path(path).name: record.sha256
        for path, record in manifest.files.items()
        if path.startswith(manifest.vectors["compact"])
    }
