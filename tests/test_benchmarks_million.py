"""The benchmarks of a million cases: their data is what it claims, and every script works."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import (
    common_words,
    gpu_vectors,
    growth,
    huge_vectors,
    json_vectors,
    million_search,
    million_updates,
    million_vectors,
    report,
    rivals,
    within_memory,
)
from benchmarks.clip_like import WANTED, ClipLike, statistics
from benchmarks.large_library import SHARES, SPACE, library_of, write_table
from benchmarks.memory_limit import limited
from benchmarks.million_search import TOP, ids_by_words, questions, words_alone
from benchmarks.million_vectors import recall
from benchmarks.page_cache import forget, held
from medclip_search import Library, Query, verify
from medclip_search.indexes.text import compiling
from medclip_search.library.generation import Generation

ROWS = 1500


Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a script with arguments, and gives what it printed."""

    def run(main: Callable[[], None], *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["benchmark", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


def cells(printed: str) -> list[list[str]]:
    """The rows of all tables in Markdown."""
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in printed.splitlines()
        if line.startswith("|")
    ]


@pytest.fixture(scope="module")
def library(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library_of(tmp_path_factory.mktemp("large"), ROWS)


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


def test_a_large_library_holds_what_was_asked_for_and_filters_keep_their_shares(
    library: Path,
) -> None:
    with Library.open(library) as opened:
        assert len(opened) == ROWS
        assert opened.coverage("corpus") == (ROWS, 2)
        for share, below in SHARES.items():
            wanted = float(share.removesuffix(" %")) / 100 * ROWS
            for field in ("random", "place"):
                passing = len(list(opened.cases(where=[f"{field}<{below}"])))
                assert passing == pytest.approx(wanted, abs=4 * wanted**0.5 + 1)
        some = list(opened.cases(where=["place<50"]))  # less than any kind has: all of one
        near, anywhere = (
            opened.vectors(SPACE, [case.id for case in chosen]).mean(axis=0)
            for chosen in (some, list(opened.cases(where=["random<50"])))
        )
        assert np.linalg.norm(near) > 0.75 > np.linalg.norm(anywhere)
        words = opened.search(Query(text=some[0].caption))
        assert words[0].case.caption == some[0].caption


def test_a_large_library_is_made_once(
    library: Path,
) -> None:
    table = library.parent / "pmc.parquet"
    made, published = table.stat(), (library / "CURRENT").stat()
    assert library_of(library.parent, ROWS) == library
    assert table.stat() == made
    assert (library / "CURRENT").stat() == published
    with pytest.raises(SystemExit, match="name another folder"):
        library_of(library.parent, ROWS + 1)


def test_what_was_stopped_while_a_table_was_written_is_written_whole(tmp_path: Path) -> None:
    (tmp_path / "pmc.part").write_bytes(b"PAR1, and no more")
    np.save(tmp_path / "pmc.npy", np.zeros((3, 512), np.float16))
    write_table(tmp_path, "pmc", 9000, 1, ["A sentence."])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["pmc.npy", "pmc.parquet"]
    vectors, table = np.load(tmp_path / "pmc.npy"), pq.read_table(tmp_path / "pmc.parquet")
    assert vectors.shape == (9000, 512)
    assert np.abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1).max() < 0.01
    assert len(set(table["id"].to_pylist())) == 9000


def test_the_vector_benchmark_judges_a_scan_of_everything_as_perfect(
    library: Path, run: Run
) -> None:
    printed = run(million_vectors.main, library, "--queries", 20, "--scans", 3)
    lines = [line for line in printed.splitlines() if "recall@10" in line]
    assert [line[:16].strip() for line in lines] == [
        "image",
        "words",
        *(f"{share} by {how}" for share in SHARES for how in ("chance", "kind")),
    ]
    assert all("recall@10 1.0000" in line and "exact p50" in line for line in lines)


def test_faiss_on_a_gpu_or_the_processor_finds_as_much(library: Path, run: Run) -> None:
    printed = run(gpu_vectors.main, library, "--queries", 20)
    assert ("the processor" in printed) == (gpu_vectors.faiss_gpus() == 0)
    rows = {name: told for name, *told in cells(printed)}
    (lists,) = (told for name, told in rows.items() if name.startswith("FAISS IVF"))
    found = [told[0] for told in (rows["MedClip Search"], lists, rows["FAISS, all rows"])]
    assert found[0] == "1.0000"  # of so few rows it scans all
    assert all(float(one) >= 0.99 for one in found)
    assert all(told.endswith(("ms", "a second", "s")) for told in lists[1:])


def test_recall_counts_what_is_missing() -> None:
    true = np.array([[1, 2, 3, 4], [5, 6, -1, -1], [-1, -1, -1, -1]])
    answers = [np.array(found) for found in ([4, 3, 9], [6, 5], [])]
    assert recall(answers, true) == pytest.approx((0.5 + 1) / 2)


def test_the_search_benchmark_ranks_as_the_library_does(library: Path) -> None:
    generation = Generation.open(library)
    with Library.open(library) as opened:
        for words in questions(library, 10):
            hits = opened.search(Query(text=words, fold=False), TOP)
            assert ids_by_words(generation, words) == [hit.id for hit in hits]
    generation.close()


def test_the_search_benchmark_prints_every_figure(library: Path, run: Run) -> None:
    printed = run(
        million_search.main, library, "--queries", 5, "--mixed", 16, "--each", 1, "--no-rival"
    )
    for figure, target in (
        ("words, 100 ids", "≤ 6"),
        ("start of the server", "≤ 2"),
        ("words and vector over HTTP", "≤ 20"),
        ("private memory of the server", "≤ 800"),
        ("32 clients at once", "≥ 100"),
    ):
        (line,) = (line for line in printed.splitlines() if line.startswith(figure))
        assert target in line
    steps = [line for line in printed.splitlines() if line.startswith("    ")]
    assert len(steps) == 11


def test_rivals_of_words_are_compared_where_they_are_installed_and_named_where_not(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words_alone(library, questions(library, 21), rival=True)
    _, bm25s, lucene = capsys.readouterr().out.splitlines()
    for told, package in ((bm25s, "bm25s"), (lucene, "pyserini")):
        absent = find_spec(package) is None
        assert ("is not installed (pip install" if absent else "p50") in told


def test_captions_are_found_by_common_words_as_by_a_walk_through_them(
    library: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "COMMON", 100)
    printed = run(common_words.main, library, "--captions", 40)
    walked, split, *_ = (
        float(found[1]) for found in re.finditer(r"among the first 10 (\d\.\d+)", printed)
    )
    assert walked > 0.5
    assert split > walked - 0.1
    monkeypatch.setattr(compiling, "COMMON", 10 * ROWS)
    with pytest.raises(SystemExit, match="too few captions"):
        run(common_words.main, library, "--captions", 40)


def test_the_update_benchmark_leaves_the_library_as_it_was(library: Path, run: Run) -> None:
    def state() -> dict[Path, bytes]:
        return {one: one.read_bytes() for one in library.parent.rglob("*") if one.is_file()}

    before = state()
    printed = run(million_updates.main, library)
    assert state() == before
    assert not list(verify(library))
    for figure, target in (
        ("1,000 cases added and searchable", "≤ 5"),
        ("1,000 cases removed", "≤ 5"),
        ("both indexes built anew", "≤ 240"),
    ):
        (line,) = (line for line in printed.splitlines() if line.startswith(figure))
        assert target in line


def test_rivals_are_compared_where_they_are_installed_and_named_where_not(
    library: Path, run: Run
) -> None:
    before = sorted(library.parent.rglob("*"))
    printed = run(rivals.main, library, "--queries", 20)
    assert sorted(library.parent.rglob("*")) == before
    for name, package in (("USearch", "usearch"), ("ChromaDB", "chromadb"), ("bm25s", "bm25s")):
        told = "is not installed (pip install" if find_spec(package) is None else "| "
        assert any(name in line and told in line for line in printed.splitlines())
    ours = [told for name, *told in cells(printed) if name == "MedClip Search"]
    faiss = [told for name, *told in cells(printed) if name == "FAISS HNSW"]
    assert [len(told) for told in ours] == [5, 5, 6]  # what vectors take, answer; captions
    assert [told.split(",")[0] for told in ours[1]] == ["1.0000"] * 5
    assert all(float(told.split(",")[0]) >= 0.9 for told in faiss[1])


def test_a_limited_process_holds_no_more_than_it_may() -> None:
    hungry = "import pathlib, os, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))"
    with limited(100) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        folder = group.folder
        for megabytes, killed in ((30, False), (300, True)):
            code = f"{hungry}; bytearray(b'x') * ({megabytes} << 20)"
            ended = subprocess.run([sys.executable, "-c", code, str(group.members)], check=False)
            assert (ended.returncode != 0) is killed
        assert group.peak == pytest.approx(100, abs=1)
    assert not folder.exists()


def test_files_are_forgotten_but_for_what_is_mapped(tmp_path: Path) -> None:
    for name in ("free", "held"):
        (tmp_path / name).write_bytes(bytes(1 << 20))
    (tmp_path / "empty").touch()
    held = np.memmap(tmp_path / "held", np.uint8, "r")
    assert held.sum() == 0  # reads all of it
    assert forget(tmp_path) == pytest.approx(1.05, abs=0.01)
    del held
    assert forget(tmp_path) == 0


def test_files_are_held_in_memory_as_long_as_they_are_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    with held(tmp_path) as told:
        if "cannot be held" in told:
            pytest.skip(told)
        assert told == "the files are held in memory: 1 MB"
        assert forget(tmp_path) == pytest.approx(1.05, abs=0.01)
    assert forget(tmp_path) == 0


def test_the_benchmark_of_little_memory_finds_the_same_with_it(library: Path, run: Run) -> None:
    printed = run(within_memory.main, library, "--queries", 21, "--mixed", 8)
    rows = {name: told for name, *told in cells(printed)}
    without = "no control group can be made here" in printed
    assert rows[""] == ["1,500 MB", "no limit"][without:]
    assert rows["by vector: recall@10"] == ["1.0000"] * (2 - without)
    assert rows["by vector"][-1].startswith("p50")
    if not without:
        assert "≤ 15" in rows["by vector"][0]
        held = float(rows["most that the group held"][0].split()[0])
        assert 50 < held < 1500


def test_growth_is_told_and_drawn_by_stage_memory_disk_and_search(
    library: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / f"{ROWS}").symlink_to(library.parent)
    drawn = tmp_path / "growth.svg"
    sizes = ("--rows", 100, ROWS, "--queries", 5, "--mixed", 8, "--draw", drawn)
    rows = {name: told for name, *told in cells(run(growth.main, tmp_path, *sizes))}
    assert rows[""] == ["100", f"{ROWS:,}", "exponent"]
    assert {"words", "filters", "map", "disk", *growth.SEARCHES, *growth.SIZES} < set(rows)
    assert all(all(told) for told in rows.values())
    assert 0.5 < float(rows["disk"][-1]) < 1.1
    names = {one.text for one in ElementTree.parse(drawn).iter()}
    assert {"by vector", "by words", "both over HTTP", "map", "disk", "server"} < names


def test_growth_is_an_exponent_of_the_rows() -> None:
    assert growth.exponent([100, 400, 1600], [2.0, 0.0, 8.0]) == "0.50"
    assert growth.exponent([100, 400], [float("nan"), 8.0]) == ""


def test_a_report_replaces_what_stands_between_its_marks_alone(tmp_path: Path, run: Run) -> None:
    document = tmp_path / "figures.md"
    old = "Before.\n<!-- begin clip_like -->\nold\n<!-- end clip_like -->\nAfter.\n"
    document.write_text(old)
    asked = ("--document", document, "benchmarks.clip_like", "--pairs")
    with pytest.raises(SystemExit) as failed:
        run(report.main, *asked, "many")
    assert failed.value.code == 2
    assert document.read_text() == old
    printed = run(report.main, *asked, 50)
    told = "".join(f"    {line}\n" for line in printed.splitlines())
    new = f"Before.\n<!-- begin clip_like -->\n\n{told}\n<!-- end clip_like -->\nAfter.\n"
    assert document.read_text() == new
    run(report.main, *asked, 50)
    assert document.read_text() == new
    with pytest.raises(SystemExit, match="begin stages"):
        run(report.main, "--document", document, "benchmarks.stages")


def test_a_report_keeps_tables_as_markdown_and_apart() -> None:
    lines = ["on a machine", "with cores", "", "| a |", "|---|", "| 1 |", "", "| c |", "end"]
    assert report.markdown(lines).splitlines() == [
        *("", "    on a machine", "    with cores", "", "| a |", "|---|", "| 1 |"),
        *("", "| c |", "", "    end", ""),
    ]


@pytest.mark.parametrize("name", ["million_search", "million_vectors", "gpu_vectors", "rivals"])
def test_a_path_without_a_library_is_one_line(
    name: str, library: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, told in (
        (library.parent / "nowhere", "nowhere: no such library"),
        (library.parent, f"but {library} is"),
    ):
        with pytest.raises(SystemExit) as failed:
            run(importlib.import_module(f"benchmarks.{name}").main, given)
        assert failed.value.code == 2
        assert told in capsys.readouterr().err.splitlines()[-1]


def test_the_document_has_a_place_for_every_report() -> None:
    document = report.DOCUMENT.read_text()
    wanted = re.findall(
        r"\$\(LARGE\)benchmarks\.(\w+)", (report.DOCUMENT.parent.parent / "Makefile").read_text()
    )
    assert len(wanted) > 5
    for name in wanted:
        report.replaced(document, name, "")


def test_the_prototypes_way_is_measured_and_extrapolated(run: Run) -> None:
    lines = run(json_vectors.main, "--rows", 500, "--extrapolate", 1000).splitlines()
    (disk,) = (line.split() for line in lines if line.strip().startswith("on disk"))
    assert 10 < float(disk[2]) < 30


def test_huge_vectors_are_written_once_and_every_figure_is_printed(
    tmp_path: Path, run: Run
) -> None:
    arguments = ("--folder", tmp_path, "--rows", 20_000, "--queries", 10, "--scans", 2)
    printed = run(huge_vectors.main, *arguments)
    for figure in ("index: built in", "images  recall@10", "words   recall@10", "private memory"):
        (line,) = (line for line in printed.splitlines() if line.startswith(figure))
        assert "MISSED" not in line.split("cold")[0]
    assert "exact scan: p50" in printed
    again = run(huge_vectors.main, *arguments, "--until", "index")
    assert "all are there already" in again
    assert next(line for line in printed.splitlines() if line.startswith("index:")) in again
    rows = tmp_path / "rows.f16"
    whole = rows.read_bytes()
    rows.write_bytes(whole[:15_000_000] + bytes(100_000))  # the last block half written, then zeros
    run(huge_vectors.main, *arguments, "--until", "rows")
    assert rows.read_bytes() == whole


def test_huge_vectors_that_do_not_fit_are_not_begun(tmp_path: Path, run: Run) -> None:
    with pytest.raises(SystemExit, match=r"GB wanted.* free; free some"):
        run(huge_vectors.main, "--folder", tmp_path, "--rows", 10**11)
    run(huge_vectors.main, "--folder", tmp_path, "--rows", 2000, "--until", "rows")
    with pytest.raises(SystemExit, match="name another folder"):
        run(huge_vectors.main, "--folder", tmp_path, "--rows", 1000, "--until", "rows")
