"""Libraries of vectors that came with a table: the right ones, once, and only where they fit."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medclip_search import Library, Query, build, remove, verify
from medclip_search.api import deletable
from medclip_search.corpora.base import Skipped
from medclip_search.encoders import load
from medclip_search.errors import CorpusError, EncoderError
from medclip_search.images import read_image
from medclip_search.library import ready_vectors
from medclip_search.library.generation import Generation
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.progress import SILENT, Advance
from tests.figures import caption, draw, write_folder

Vectors = NDArray[np.float32]
SEEDS = range(24)


def write_table(folder: Path, seeds: Sequence[int] = SEEDS, *, images: bool = True) -> Path:
    """A table of drawn figures; without ``images``, of captions alone."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "caption"] if images else ["id", "caption"])
        for seed in seeds:
            if images:
                draw(seed).save(folder / f"{seed}.png")
            name = [f"{seed}.png"] if images else []
            writer.writerow([f"f{seed}", *name, caption(seed)])
    return folder / "t.csv"


def some_vectors(count: int, dimension: int = 8, seed: int = 0) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def save(folder: Path, vectors: NDArray[np.generic], name: str = "v.npy") -> Path:
    np.save(folder / name, vectors)
    return folder / name


def build_ready(
    library: Path, table: Path, *spaces: str, encoder: str | None = None
) -> list[Skipped]:
    """Build with ``SPACE=FILE``, and give back what was skipped."""
    skipped: list[Skipped] = []
    build(
        library,
        [f"table={table}"],
        embeddings=spaces,
        encoder=encoder,
        report=skipped.append,
    )
    return skipped


def stored(library: Path, space: str) -> dict[str, NDArray[np.float16]]:
    """The vector of each case that has one, by its id."""
    generation = Generation.open(library)
    try:
        record = next(one for one in generation.catalogue.spaces() if one.space.name == space)
        rows = np.fromfile(library / record.path, np.float16).reshape(-1, record.space.dimension)
        keys = generation.catalogue.keys_of_rows(record)
        cases = generation.cases([int(key) for key in keys if key >= 0])
        return {cases[key].id: rows[row] for row, key in enumerate(keys.tolist()) if key >= 0}
    finally:
        generation.close()


def rows_written(library: Path, space: str) -> int:
    """All rows in the file of a space, dead ones too."""
    generation = Generation.open(library)
    try:
        return next(one.rows for one in generation.catalogue.spaces() if one.space.name == space)
    finally:
        generation.close()


def compact_vectors(folder: Path, seeds: Sequence[int] = SEEDS) -> Vectors:
    """What a lab would have: the encoder's vectors of the table's images, in its order."""
    encoder = load("compact")
    pixels = [
        encoder.preprocess(read_image((folder / f"{seed}.png").read_bytes(), name=str(seed)))
        for seed in seeds
    ]
    batches = [np.stack(pixels[at : at + 8]) for at in range(0, len(pixels), 8)]
    return np.concatenate([encoder.encode_images(batch)["compact"] for batch in batches])


# ------------------------------------------------------------------- the same as embedded here


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_the_encoders_own_vectors_answer_as_if_it_had_embedded_them(
    tmp_path: Path, kind: str
) -> None:
    table = write_table(tmp_path / "data")
    build(tmp_path / "own", [f"table={table}"], encoder="compact")
    vectors = compact_vectors(table.parent).astype(kind)
    file = save(table.parent, vectors)
    summary = build(
        tmp_path / "ready", [f"table={table}"], embeddings=[f"compact={file}"], encoder="compact"
    )
    assert (summary.ready, summary.embedded, summary.skipped) == (24, 0, {})
    queries = [
        Query(image=draw(3)),
        Query(image=draw(77)),
        Query(image=draw(5), text="CT of the chest"),
        Query(like="f8"),
        Query(like=["f1", "f2"], dislike="f9"),
        Query(vector=compact_vectors(table.parent, [4]), space="compact"),
    ]
    with Library.open(tmp_path / "own") as own, Library.open(tmp_path / "ready") as ready:
        for query in queries:
            expected = [(hit.id, hit.score) for hit in own.search(query, 24)]
            assert [(hit.id, hit.score) for hit in ready.search(query, 24)] == expected
            assert len(expected) > 10
        assert ready.thumbnail("f3") == own.thumbnail("f3")
    assert list(verify(tmp_path / "ready")) == []


def test_without_an_encoder_likes_and_vectors_answer(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data")
    vectors = some_vectors(24)
    file = save(table.parent, vectors)
    assert build_ready(tmp_path / "library", table, f"mine={file}") == []
    generation = Generation.open(tmp_path / "library")
    (record,) = generation.catalogue.spaces()
    assert (record.space.name, record.space.dimension) == ("mine", 8)
    assert (record.encoder, record.fingerprint, record.space.embeds_words) == ("", "", False)
    generation.close()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = [f"f{at}" for at in np.argsort(-(unit @ unit[7]))]
    with Library.open(tmp_path / "library") as library:
        assert [hit.id for hit in library.search(Query(vector=vectors[7]), 5)] == nearest[:5]
        liked = [hit.id for hit in library.search(Query(like="f7"), 24)]
        assert nearest[1] in liked
        assert library.thumbnail("f7") is not None
        with pytest.raises(EncoderError, match="ready-made"):
            library.search(Query(image=draw(1)), 5)
        assert library.search(Query(text="patient number 11"), 1)[0].id == "f11"


def test_a_table_without_images(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    build_ready(tmp_path / "library", table, f"mine={save(table.parent, vectors)}")
    with Library.open(tmp_path / "library") as library:
        assert library.search(Query(vector=vectors[9], space="mine"), 1)[0].id == "f9"


def test_several_spaces_beside_the_encoders_own(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", range(6))
    one, two = some_vectors(6, 8), some_vectors(6, 5, seed=1)
    files = save(table.parent, one, "one.npy"), save(table.parent, two, "two.npy")
    build_ready(
        tmp_path / "library", table, f"one={files[0]}", f"two={files[1]}", encoder="compact"
    )
    for space, vectors in (("one", one), ("two", two)):
        found = stored(tmp_path / "library", space)
        assert all(np.array_equal(found[f"f{at}"], vectors[at].astype("f2")) for at in range(6))
    assert len(stored(tmp_path / "library", "compact")) == 6


# ------------------------------------------------------------------------------ single rows


def test_vectors_that_say_nothing_are_named_and_the_rest_stay_in_place(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "id,caption\na,one text\nbroken,row,of,four\nb,two texts\na,the id of another\n"
        "c,three texts\nd,four texts\ne,five texts\nf,six texts\n"
    )
    vectors = some_vectors(8)
    vectors[2, 3] = np.nan
    vectors[4] = 0
    vectors[5, 0] = np.inf
    file = save(tmp_path, vectors)
    skipped = build_ready(tmp_path / "library", tmp_path / "t.csv", f"mine={file}")
    told = [(item.what, item.reason, item.dropped) for item in skipped if item.what[0] == "v"]
    assert told == [
        ("v.npy[2] (b)", ready_vectors.NOT_FINITE, False),
        ("v.npy[4] (c)", ready_vectors.ALL_ZERO, False),
        ("v.npy[5] (d)", ready_vectors.NOT_FINITE, False),
    ]
    found = stored(tmp_path / "library", "mine")
    assert found.keys() == {"a", "e", "f"}
    assert np.array_equal(found["a"], vectors[0].astype("f2"))
    assert np.array_equal(found["f"], vectors[7].astype("f2"))
    with Library.open(tmp_path / "library") as library:
        assert len(library) == 6


# ------------------------------------------------------------------------------- up to date


def test_only_what_changed_is_written_again(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    file = save(table.parent, vectors)
    library = tmp_path / "library"
    build_ready(library, table, f"mine={file}")
    assert not build(library).published

    vectors[5] *= -1
    vectors[7] = np.nan
    save(table.parent, vectors)
    again = build(library)
    assert (again.ready, again.published) == (1, True)
    assert rows_written(library, "mine") == 25
    found = stored(library, "mine")
    assert "f7" not in found
    assert np.array_equal(found["f5"], vectors[5].astype("f2"))
    with Library.open(library) as opened:
        hits = opened.search(Query(vector=vectors[5], space="mine"), 24)
        assert hits[0].id == "f5"
        assert "f7" not in [hit.id for hit in hits]

    os.utime(file, ns=(1, 1))
    assert build(library).ready == 0


def test_rows_follow_their_cases_when_the_table_is_sorted_anew(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    file = save(table.parent, vectors)
    build_ready(tmp_path / "library", table, f"mine={file}")
    write_table(tmp_path / "data", SEEDS[::-1], images=False)
    save(table.parent, vectors[::-1])
    assert build(tmp_path / "library").ready == 0
    write_table(tmp_path / "data", SEEDS, images=False)  # and the vectors not
    with pytest.raises(CorpusError, match=r"v\.npy: is what it was, but the table gives record 0"):
        build(tmp_path / "library")
    os.utime(file)  # said to be right: all are others
    assert build(tmp_path / "library").ready == 24
    found = stored(tmp_path / "library", "mine")
    assert np.array_equal(found["f0"], vectors[23].astype("f2"))


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e-3, 1.0, 1e4, 1e6, 1e30])
def test_lengths_that_float16_cannot_hold_keep_their_direction(
    tmp_path: Path, scale: float
) -> None:
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    file = save(table.parent, (vectors * scale).astype("f4"))
    build_ready(tmp_path / "library", table, f"mine={file}")
    for name, row in stored(tmp_path / "library", "mine").items():
        found, given = row.astype("f8"), vectors[int(name[1:])].astype("f8")
        cosine = found @ given / np.linalg.norm(found) / np.linalg.norm(given)
        assert cosine > 0.99999


def test_a_case_that_left_the_table_keeps_its_vector(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    build_ready(tmp_path / "library", table, f"mine={save(table.parent, vectors)}")
    write_table(tmp_path / "data", SEEDS[4:], images=False)
    save(table.parent, vectors[4:])
    assert build(tmp_path / "library").ready == 0
    found = stored(tmp_path / "library", "mine")
    assert all(np.array_equal(found[f"f{at}"], vectors[at].astype("f2")) for at in SEEDS)
    build(tmp_path / "library", prune=True)
    assert len(stored(tmp_path / "library", "mine")) == 20


def test_removed_cases_stay_out(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    build_ready(tmp_path / "library", table, f"mine={save(table.parent, some_vectors(24))}")
    remove(tmp_path / "library", ids=["f3"])
    build(tmp_path / "library")
    assert "f3" not in stored(tmp_path / "library", "mine")
    assert len(stored(tmp_path / "library", "mine")) == 23


def test_what_is_not_said_again_stays(tmp_path: Path) -> None:
    """The command without --embeddings must not drop what took a night on a cluster."""
    table = write_table(tmp_path / "data", images=False)
    library = tmp_path / "library"
    file = save(table.parent, some_vectors(24))
    build_ready(library, table, f"mine={file}")
    summary = build(library, [f"table={table}"])
    assert not summary.published
    assert len(stored(library, "mine")) == 24
    # Others instead: those before go.
    other = save(tmp_path, some_vectors(24)[:, :8])
    assert build(library, [f"table={table}"], embeddings=[f"other={other}"]).ready == 24
    assert len(stored(library, "mine")) == 0
    assert len(stored(library, "other")) == 24


def test_pictures_of_given_vectors_are_looked_at_once(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", range(6))
    file = save(table.parent, compact_vectors(table.parent, range(6)))
    library = tmp_path / "library"
    build_ready(library, table, f"compact={file}", encoder="compact")
    assert len(deletable(library).files) == 6  # nothing is pending
    seen: list[str] = []

    def bars(stage: str, total: int | None, unit: str) -> AbstractContextManager[Advance]:
        seen.append(stage)
        return SILENT(stage, total, unit)

    build(library, progress=bars)
    assert seen
    assert "images" not in seen


def test_pictures_without_a_vector_are_counted(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", range(6))
    file = save(table.parent, some_vectors(6))
    library = tmp_path / "library"
    made = build(library, [f"table={table}"], embeddings=[f"mine={file}"])
    assert made.without_vector == 0
    figures = write_folder(tmp_path / "more", range(40, 43))
    assert build(library, [f"folder={figures}"]).without_vector == 3
    assert build(library, encoder="compact").without_vector == 0


def test_vectors_lost_to_damage_are_lost_where_their_file_is_gone(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    library = tmp_path / "library"
    file = save(table.parent, some_vectors(24))
    build_ready(library, table, f"mine={file}")
    rows = next((library / "embeddings").glob("mine-*.f16"))
    data = bytearray(rows.read_bytes())
    data[40] ^= 1
    rows.write_bytes(data)
    file.unlink()
    assert build(library, repair=True).lost == 24


def test_vectors_that_are_gone_leave_the_library_as_it_was(tmp_path: Path) -> None:
    data = [write_table(tmp_path / name, images=False) for name in ("a", "b")]
    file = save(tmp_path, some_vectors(24))
    library = tmp_path / "library"
    build(library, [f"table:a={data[0]}", f"table:b={data[1]}"], embeddings=[f"a:mine={file}"])
    file.unlink()
    skipped: list[Skipped] = []
    assert not build(library, report=skipped.append).published
    assert any("v.npy: no such file" in item.what for item in skipped)
    assert len(stored(library, "mine")) == 24


# ---------------------------------------------------------------------- stopped, and mended


class StoppedError(Exception):
    """A build that was stopped here."""


def test_a_stopped_build_goes_on_behind_what_it_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready_vectors, "_COMMIT", 5)
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    file = save(table.parent, vectors)
    library = tmp_path / "library"
    written, whole = 0, WorkCatalogue.put_row

    def stop(self: WorkCatalogue, *arguments: object) -> None:
        nonlocal written
        written += 1
        if written == 13:  # in the third block, whose bytes are in the file already
            raise StoppedError
        whole(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(WorkCatalogue, "put_row", stop)
        with pytest.raises(StoppedError):
            build_ready(library, table, f"mine={file}")
    summary = build(library)
    assert (summary.resumed, summary.ready) == (True, 14)
    assert rows_written(library, "mine") == 24
    found = stored(library, "mine")
    assert all(np.array_equal(found[f"f{at}"], vectors[at].astype("f2")) for at in SEEDS)
    assert list(verify(library)) == []


def test_damaged_rows_are_taken_again(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", images=False)
    vectors = some_vectors(24)
    library = tmp_path / "library"
    build_ready(library, table, f"mine={save(table.parent, vectors)}")
    (file,) = (library / "embeddings").glob("mine-*.f16")
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    assert list(verify(library)) != []
    build(library, repair=True)
    assert list(verify(library)) == []
    found = stored(library, "mine")
    assert all(np.array_equal(found[f"f{at}"], vectors[at].astype("f2")) for at in SEEDS)


# ------------------------------------------------------------------------- what does not fit


def refusal(library: Path, table: Path, space: str, encoder: str | None = None) -> str:
    with pytest.raises(CorpusError) as error:
        build_ready(library, table, space, encoder=encoder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_vectors_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", range(6))
    library = tmp_path / "library"
    short = save(tmp_path, some_vectors(5), "short.npy")
    assert "5 vectors for a table of 6 records" in refusal(library, table, f"mine={short}")
    narrow = save(tmp_path, some_vectors(6), "narrow.npy")
    message = refusal(library, table, f"compact={narrow}", "compact")
    assert "8 numbers where the space has 1280" in message
    assert "choose another name" in refusal(library, table, f"thumbnails={narrow}")
    assert not library.exists()
    build_ready(library, table, f"mine={narrow}")
    wide = save(tmp_path, some_vectors(6, 9), "wide.npy")
    assert "9 numbers where the space has 8" in refusal(library, table, f"mine={wide}")
    assert len(stored(library, "mine")) == 6


def test_vectors_in_another_order_than_the_table_are_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data")
    vectors = compact_vectors(table.parent)
    library = tmp_path / "library"
    file = save(table.parent, np.roll(vectors, 1, axis=0))
    message = refusal(library, table, f"compact={file}", "compact")
    assert "in the order of the table" in message
    save(table.parent, vectors)
    summary = build(library, [f"table={table}"], embeddings=[f"compact={file}"], encoder="compact")
    assert (summary.resumed, summary.ready, summary.embedded) == (True, 24, 0)
    with Library.open(library) as opened:
        assert opened.search(Query(image=draw(5)), 1)[0].id == "f5"


def test_pictures_that_are_not_at_hand_cannot_be_compared(tmp_path: Path) -> None:
    table = write_table(tmp_path / "data", range(6))
    for seed in range(6):
        (tmp_path / "data" / f"{seed}.png").write_bytes(b"no picture")
    file = save(table.parent, some_vectors(6, 1280))
    build_ready(tmp_path / "library", table, f"compact={file}", encoder="compact")
    assert len(stored(tmp_path / "library", "compact")) == 6
