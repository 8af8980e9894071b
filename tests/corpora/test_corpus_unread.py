"""What cannot be read is named, never waited for, and never taken for vanished."""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons
from tests.corpora.apart import read_apart, refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX files and permissions")

ODD = {
    "broken link": reasons.BROKEN_LINK,
    "link in a circle": reasons.BROKEN_LINK,
    "pipe": reasons.NOT_REGULAR,
    "socket": reasons.NOT_REGULAR,
    "link to a device": reasons.NOT_REGULAR,
}


def put(path: Path, data: str | bytes = b"image") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def put_odd(kind: str, path: Path) -> None:
    if kind == "broken link":
        path.symlink_to("gone.png")
    elif kind == "link in a circle":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    else:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's address is short
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)


Close = Callable[..., None]


@pytest.fixture
def close() -> Iterator[Close]:
    """``close(path, mode=0)`` takes permissions of a path away until the test ends."""
    paths: list[Path] = []

    def change(path: Path, mode: int = 0) -> None:
        paths.append(path)
        path.chmod(mode)

    yield change
    for path in paths:
        path.chmod(0o700)


def told(skipped: list[Skipped]) -> list[tuple[str, str, bool, bool]]:
    return [(item.what, item.reason, item.dropped, item.incomplete) for item in skipped]


# ------------------------------------------------------------------ no regular file


@pytest.mark.parametrize("kind", ODD)
def test_folder_passes_over_what_is_no_file(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "a.png")
    put_odd(kind, tmp_path / "a.txt")
    put_odd(kind, tmp_path / "zz.png")
    put_odd(kind, tmp_path / "IM0001")
    ids, skipped = read_apart("folder", tmp_path)
    assert ids == ["a"]
    hides = ODD[kind] == reasons.BROKEN_LINK
    assert told(skipped) == [
        ("IM0001", ODD[kind], True, hides),
        ("zz.png", ODD[kind], True, hides),
        ("a.txt", ODD[kind], False, False),
    ]
    assert all(item.remedy for item in skipped)


@pytest.mark.parametrize("kind", ODD)
def test_table_passes_over_what_is_no_file(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "a.png")
    put_odd(kind, tmp_path / "zz.png")
    (tmp_path / "sub").mkdir()
    put_odd(kind, tmp_path / "sub" / "below.png")
    rows = "a.png,A mass.\nzz.png,A cyst.\nzz,A stone.\nbelow,A tear.\nzz.png,\n"
    table = put(tmp_path / "t.csv", "image,caption\n" + rows)
    ids, skipped = read_apart("table", table)
    assert ids == ["a", "zz", "below"]
    hides = ODD[kind] == reasons.BROKEN_LINK
    assert told(skipped) == [
        ("t.csv:3", ODD[kind], False, False),
        ("t.csv:4 (zz)", reasons.DUPLICATE_ID, True, False),
        ("t.csv:5", ODD[kind], False, False),
        ("t.csv:6 (zz)", reasons.DUPLICATE_ID, True, False),
    ]
    put(table, "image,caption\na.png,A mass.\nzz.png,\n")
    assert told(read_apart("table", table)[1]) == [
        ("t.csv:3", ODD[kind], False, False),
        ("t.csv:3", reasons.EMPTY_CAPTION, True, hides),
    ]


@pytest.mark.parametrize("kind", ODD)
def test_roco_passes_over_what_is_no_file(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "radiology"
    put(root / "captions.txt", "ROCO_1\t A mass.\nROCO_2\t A cyst.\n")
    put(root / "images" / "ROCO_1.jpg")
    for name in ("images/ROCO_2.jpg", "images/ROCO_3.png", "keywords.txt"):
        put_odd(kind, root / name)
    ids, skipped = read_apart("roco", root)
    assert ids == ["ROCO_1", "ROCO_2"]
    hides = ODD[kind] == reasons.BROKEN_LINK
    assert told(skipped) == [
        ("radiology/images/ROCO_2", ODD[kind], False, False),
        ("radiology/images/ROCO_3", ODD[kind], True, hides),
        ("radiology/keywords.txt", ODD[kind], False, False),
    ]


@pytest.mark.parametrize("kind", ODD)
def test_roco_without_captions_that_can_be_read(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "radiology"
    put(root / "images" / "ROCO_1.jpg")
    put_odd(kind, root / "captions.txt")
    ids, skipped = read_apart("roco", root)
    assert ids == ["ROCO_1"]
    assert told(skipped) == [("radiology/captions.txt", ODD[kind], True, True)]


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_no_table(tmp_path: Path, kind: str) -> None:
    put_odd(kind, tmp_path / "t.csv")
    assert f"t.csv: {ODD[kind]}; " in refused("table", tmp_path / "t.csv")


def test_a_link_to_a_folder_that_is_not_mounted_may_hide_anything(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "study.v1").symlink_to("/nowhere/study")
    put_odd("pipe", tmp_path / "notes.pipe")
    put(tmp_path / "lost+found" / "b.png")
    ids, skipped = read_apart("folder", tmp_path)
    assert ids == ["a"]
    assert told(skipped) == [("study.v1", reasons.BROKEN_LINK, True, True)]


def test_an_id_does_not_change_when_the_image_beside_it_cannot_be_seen(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "a.jpg").symlink_to("/nowhere/a.jpg")
    assert read_apart("folder", tmp_path)[0] == ["a.png"]


# ---------------------------------------------------------------------- permissions


def test_folders_that_cannot_be_listed_are_named(tmp_path: Path, close: Close) -> None:
    for name in ("b", "c", "elsewhere/d"):
        put(tmp_path / "figures" / name / "x.png")
    put(tmp_path / "figures" / "a.png")
    put(tmp_path / "figures" / "IM0001", bytes(128) + b"DICM")
    put(tmp_path / "figures" / "a.txt", "A mass.")
    (tmp_path / "figures" / "link").symlink_to(tmp_path / "figures" / "elsewhere" / "d")
    for name in ("b", "elsewhere", "IM0001", "a.txt"):
        close(tmp_path / "figures" / name)
    close(tmp_path / "figures" / "c", 0o400)  # it may be listed, but not entered
    ids, skipped = read_apart("folder", tmp_path / "figures")
    assert ids == ["a"]
    why = reasons.NO_PERMISSION
    assert told(skipped) == [
        ("IM0001", why, True, True),
        ("link", why, True, True),
        ("a.txt", why, False, False),
        ("b", why, True, True),
        ("c", why, True, True),
        ("elsewhere", why, True, True),
    ]
    assert all("chmod" in item.remedy for item in skipped)


def test_a_closed_subfolder_of_a_tables_images_is_named(tmp_path: Path, close: Close) -> None:
    table = put(tmp_path / "t.csv", "image,caption\na,A mass.\nb,\nc/x.png,\n")
    for name in ("a.png", "b/b.png", "c/x.png"):
        put(tmp_path / "images" / name)
    close(tmp_path / "images" / "b")
    close(tmp_path / "images" / "c")
    ids, skipped = read_apart("table", table, tmp_path / "images")
    assert ids == ["a"]
    assert told(skipped) == [
        ("b", reasons.NO_PERMISSION, True, True),
        ("c", reasons.NO_PERMISSION, True, True),
        ("t.csv:3", reasons.MISSING_IMAGE, False, False),
        ("t.csv:3", reasons.EMPTY_CAPTION, True, False),
        ("t.csv:4", reasons.NO_PERMISSION, False, False),
        ("t.csv:4", reasons.EMPTY_CAPTION, True, True),
    ]


def test_roco_names_what_is_closed(tmp_path: Path, close: Close) -> None:
    root = tmp_path / "ROCO"
    for number, split in enumerate(("train", "validation", "test")):
        group = root / "data" / split / "radiology"
        put(group / "captions.txt", f"ROCO_{number}\t A mass.\n")
        put(group / "images" / f"ROCO_{number}.jpg")
        put(group / "images" / f"ROCO_9{number}.jpg")
    close(root / "data" / "train")
    close(root / "data" / "validation" / "radiology" / "images")
    close(root / "data" / "test" / "radiology" / "captions.txt")
    ids, skipped = read_apart("roco", root)
    assert ids == ["ROCO_1", "ROCO_2", "ROCO_92"]
    why = reasons.NO_PERMISSION
    assert told(skipped) == [
        ("ROCO/data/train", why, True, True),
        ("ROCO/data/validation/radiology/images", why, True, True),
        ("ROCO/data/test/radiology/captions.txt:1", why, True, True),
        ("ROCO/data/test/radiology/images/ROCO_2.jpg", reasons.EMPTY_CAPTION, False, False),
        ("ROCO/data/test/radiology/images/ROCO_92.jpg", reasons.EMPTY_CAPTION, False, False),
    ]


@pytest.mark.parametrize("kind", ["folder", "roco", "table"])
@pytest.mark.parametrize("shut", ["itself", "all in it", "the way to it"])
def test_a_closed_corpus_is_refused_with_its_reason(
    tmp_path: Path, close: Close, kind: str, shut: str
) -> None:
    folder = tmp_path / "way" / "to"
    put(folder / "data" / "train" / "radiology" / "images" / "ROCO_1.jpg")
    table = put(folder / "t.csv", "image,caption\na,A mass.\n")
    path = table if kind == "table" else folder
    if shut == "itself":
        close(path)
    elif shut == "all in it":
        close(table if kind == "table" else folder / "data")
    else:
        close(tmp_path / "way")
    line = refused(kind, path)
    assert line.startswith(f"{path}: ")
    assert reasons.NO_PERMISSION in line
    assert "chmod" in line


def test_a_closed_images_folder_is_refused_with_its_reason(tmp_path: Path, close: Close) -> None:
    table = put(tmp_path / "t.csv", "image,caption\na,A mass.\n")
    (tmp_path / "images").mkdir()
    close(tmp_path / "images")
    assert reasons.NO_PERMISSION in refused("table", table, tmp_path / "images")


# ------------------------------------------------------------------- files cut short


def rows_of(path: Path) -> tuple[int, list[Skipped]]:
    items = list(open_corpus(CorpusSpec("table", path, "table")))
    skipped = [item for item in items if isinstance(item, Skipped)]
    return len(items) - len(skipped), skipped


CSV = "id,caption\n" + "".join(f'{n},"A mass, {n} mm."\n' for n in range(3000))
LINES = "".join(json.dumps({"id": n, "caption": f"A mass, {n} mm."}) + "\n" for n in range(3000))
ARRAY = json.dumps([{"id": n, "caption": f"A mass, {n} mm."} for n in range(3000)])


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t.csv.gz", gzip.compress(CSV.encode())[:-1000], reasons.UNREADABLE),
        ("t.jsonl.gz", gzip.compress(LINES.encode())[:-1000], reasons.UNREADABLE),
        ("t.json.gz", gzip.compress(ARRAY.encode())[:-1000], reasons.UNREADABLE),
        ("t.csv", CSV.encode()[: CSV.index("2000") + 2], reasons.BAD_ROW),
        ("t.csv", CSV.encode()[: CSV.index("2000 mm") + 4], reasons.BAD_ROW),
        ("t.jsonl", LINES.encode()[: LINES.index("2000 mm")], reasons.BAD_JSON),
        ("t.json", ARRAY.encode()[: ARRAY.index("2000 mm")], reasons.BAD_JSON),
    ],
)
def test_a_table_cut_short_says_so(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    cases, skipped = rows_of(put(tmp_path / name, data))
    assert 0 < cases < 3000
    assert [(item.reason, item.incomplete) for item in skipped] == [(reason, True)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", CSV + "1\n" + CSV[len("id,caption\n") :].replace("mass", "cyst")),
        ("t.jsonl", LINES + "{oops\n" + LINES[:-1]),
    ],
)
def test_one_bad_row_hides_no_others(tmp_path: Path, name: str, data: str) -> None:
    cases, skipped = rows_of(put(tmp_path / name, data))
    assert cases == 3000
    assert len(skipped) > 1
    assert not any(item.incomplete for item in skipped)


def test_damaged_parquet_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pyarrow.table({"id": list(range(3000)), "caption": [f"c{i}" * 20 for i in range(3000)]})
    pyarrow.parquet.write_table(table, path, row_group_size=1000, compression="zstd")
    with pyarrow.parquet.ParquetFile(path) as file:
        start = file.metadata.row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 60] = b"\xff" * 60
    _, skipped = rows_of(put(path, bytes(data)))
    assert {(item.reason, item.incomplete) for item in skipped} == {(reasons.UNREADABLE, True)}


def test_roco_captions_cut_short_say_so(tmp_path: Path) -> None:
    root = tmp_path / "radiology"
    put(root / "captions.txt", "ROCO_1\t A mass.\noops\nROCO_2\t A cyst.\nROC")
    items = list(open_corpus(CorpusSpec("roco", root, "roco")))
    skipped = [item for item in items if isinstance(item, Skipped)]
    assert told(skipped)[1:] == [
        ("radiology/captions.txt:2", reasons.BAD_LINE, True, False),
        ("radiology/captions.txt:4", reasons.BAD_LINE, True, True),
    ]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("t.jsonl", "{oops\n[1]\n", "t.jsonl:1: not valid JSON"),
        ("t.csv", 'id,caption\n1\n2,"x\n', "t.csv:2: quotes or number of fields"),
        ("t.csv.gz", "not gzip", "t.csv.gz:1: file damaged or cut short"),
        ("t.parquet", "PAR1", "t.parquet: file damaged or cut short"),
        ("t.json", '[{"id": ', "t.json, item 1: not valid JSON"),
    ],
)
def test_a_table_without_a_good_row_is_refused_with_its_first_fault(
    tmp_path: Path, name: str, data: str, says: str
) -> None:
    assert says in refused("table", put(tmp_path / name, data))


def test_a_table_without_an_obvious_caption_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    table = tmp_path / "t.csv"
    table.write_text("file,legend\na.png,Axial CT\n", encoding="utf-8")
    told = [e for e in open_corpus(CorpusSpec("table", table, "t")) if isinstance(e, Skipped)]
    assert [one.reason for one in told if "legend" in one.remedy] == ["no obvious caption column"]
