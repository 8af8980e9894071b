"""Rows of tables survive the damage beside them, in bounded memory."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import reasons
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.corpora.columns import flatten, guess, reach, scalar
from medclip_search.corpora.lines import decode, read_lines
from medclip_search.corpora.rows import Row, read_rows
from medclip_search.corpora.table import TableCorpus

anything = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


def read(path: Path, data: bytes) -> tuple[list[dict[str, object]], list[tuple[str, str]]]:
    """The values of the rows of a file with these bytes, and where and why others were skipped."""
    path.write_bytes(data)
    rows: list[dict[str, object]] = []
    skipped: list[tuple[str, str]] = []
    for item in read_rows(path):
        if isinstance(item, Row):
            rows.append(dict(item.values))
        else:
            skipped.append((item.what, item.reason))
    return rows, skipped


# ------------------------------------------------------------------------------ lines


def test_lines_of_any_encoding(tmp_path: Path) -> None:
    text = "größe\nπλευρά\n"
    for name, data in {
        "plain": text.encode(),
        "bom": text.encode("utf-8-sig"),
        "dos": text.replace("\n", "\r\n").encode(),
        "wide": text.encode("utf-16"),
        "wide other way": b"\xfe\xff" + text.encode("utf-16-be"),
        "open": text.encode().rstrip(b"\n"),
        "packed.gz": gzip.compress(text.encode()),
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        lines = list(read_lines(path))
        assert [line.text.rstrip("\n") for line in lines] == ["größe", "πλευρά"], name
        assert [line.number for line in lines] == [1, 2]
        assert not any(line.fault for line in lines)


def test_bytes_that_are_not_utf8_are_read_as_windows_1252() -> None:
    assert decode("Größe – 5 µm".encode("cp1252")) == ("Größe – 5 µm", False)
    assert decode("Größe".encode() + b" \x96") == ("Größe –", False)
    assert decode(b"\x81") == ("�", False)


def test_long_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n" + b"x" * 95 + b"\ntwo\n" + b"y" * 40)
    assert [(line.text, line.fault) for line in read_lines(path, limit=20)] == [
        ("one\n", ""),
        ("", reasons.TOO_LONG),
        ("two\n", ""),
        ("", reasons.TOO_LONG),
    ]


def test_gzip_cut_short_gives_what_it_holds(tmp_path: Path) -> None:
    rows = b"".join(b'{"id": %d, "caption": "case %d"}\n' % (i, i * i) for i in range(5000))
    data = gzip.compress(rows)
    got, skipped = read(tmp_path / "cut.jsonl.gz", data[: len(data) // 2])
    assert 0 < len(got) < 5000
    assert got == [{"id": i, "caption": f"case {i * i}"} for i in range(len(got))]
    assert skipped[-1][1] == reasons.UNREADABLE


# -------------------------------------------------------------------------------- CSV


def test_csv_as_programs_write_it(tmp_path: Path) -> None:
    got, skipped = read(
        tmp_path / "a.csv",
        b"\xef\xbb\xbfid,file,caption\r\n"
        b'1,a.png,"An ""odd"", long\r\ncaption"\r\n\r\n2,b.png,x\r\n',
    )
    assert got == [
        {"id": "1", "file": "a.png", "caption": 'An "odd", long\ncaption'},
        {"id": "2", "file": "b.png", "caption": "x"},
    ]
    assert skipped == []


@pytest.mark.parametrize("mark", [";", "\t", ","])
def test_csv_separator_is_told_by_the_header(tmp_path: Path, mark: str) -> None:
    got, _ = read(tmp_path / "a.csv", f"id{mark}caption\n1{mark}x\n".encode())
    assert got == [{"id": "1", "caption": "x"}]


def test_tsv_with_and_without_quoting(tmp_path: Path) -> None:
    got, skipped = read(
        tmp_path / "a.tsv",
        b'id\tcaption\n1\t"Sharp sign" on the left\n2\t"a\tb"\n3\t"open\n4\t5" mass\n',
    )
    assert [row["caption"] for row in got] == [
        '"Sharp sign" on the left',
        "a\tb",
        '"open',
        '5" mass',
    ]
    assert skipped == []


def test_a_quote_left_open_costs_one_line(tmp_path: Path) -> None:
    good = "".join(f'{i},"caption, {i}"\n' for i in range(3, 2000))
    got, skipped = read(tmp_path / "a.csv", f'id,caption\n1,ok\n2,"left open\n{good}'.encode())
    assert [row["id"] for row in got] == ["1", *(str(i) for i in range(3, 2000))]
    assert skipped == [("a.csv:3", reasons.BAD_ROW)]


def test_rows_of_another_width(tmp_path: Path) -> None:
    got, skipped = read(tmp_path / "a.csv", b"id,caption\n1\n2,x,\n3,x,y\n4,ok\n")
    assert [row["id"] for row in got] == ["2", "4"]
    assert skipped == [("a.csv:2", reasons.BAD_ROW), ("a.csv:4", reasons.BAD_ROW)]


def test_long_fields_are_read(tmp_path: Path) -> None:
    caption = "long " * 100_000
    got, _ = read(tmp_path / "a.csv", f"id,caption\n1,{caption}\n".encode())
    assert got[0]["caption"] == caption


def test_columns_without_a_name_of_their_own(tmp_path: Path) -> None:
    got, _ = read(tmp_path / "a.csv", b"x,x,,x.2\n1,2,3,4\n")
    assert got == [{"x": "1", "x.2": "2", "column 3": "3", "x.2.2": "4"}]


fields = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)


@anything
@given(st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=8))
def test_csv_round_trip(tmp_path: Path, table: Sequence[tuple[str, ...]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *table])
    got, skipped = read(tmp_path / "a.csv", out.getvalue().encode())
    assert [tuple(row.values()) for row in got] == list(table)
    assert skipped == []


# Damage that is told apart from a row: not a quote that a later row happens to close.
damage = st.binary(max_size=40).filter(
    lambda data: b'"' not in data and b"\n" not in data and data.count(b",") != 1
)


@anything
@given(st.lists(damage, max_size=6))
def test_csv_rows_survive_between_damaged_ones(tmp_path: Path, damaged: list[bytes]) -> None:
    data = b"id,caption\n"
    for number, line in enumerate(damaged):
        data += line + b'\n%d,"good, ""%d"""\n' % (number, number)
    got, _ = read(tmp_path / "a.csv", data)
    good = [{"id": str(i), "caption": f'good, "{i}"'} for i in range(len(damaged))]
    assert [row for row in got if row in good] == good


# ------------------------------------------------------------------------------- JSON

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=6), values, max_size=4)


@anything
@given(st.lists(st.tuples(objects, st.binary(max_size=30)), max_size=6))
def test_json_lines_survive_between_damaged_ones(
    tmp_path: Path, table: list[tuple[dict[str, object], bytes]]
) -> None:
    data = b""
    for number, (row, line) in enumerate(table):
        damaged = b"{" + line.replace(b"\n", b"").replace(b"}", b"")
        data += damaged + b"\n" + json.dumps(row | {"n": number}).encode() + b"\n"
    got, skipped = read(tmp_path / "a.jsonl", data)
    assert [json.dumps(row) for row in got] == [
        json.dumps(row | {"n": number}) for number, (row, _) in enumerate(table)
    ]
    assert sum(reason == reasons.BAD_JSON for _, reason in skipped) == len(table)


def test_json_that_is_no_object(tmp_path: Path) -> None:
    got, skipped = read(tmp_path / "a.jsonl", b'3\n[1]\n{"a": 1}\n' + b"[" * 100_000 + b"\n")
    assert got == [{"a": 1}]
    assert [reason for _, reason in skipped] == [reasons.NOT_AN_OBJECT] * 2 + [reasons.BAD_JSON]


@anything
@given(st.lists(objects, min_size=1, max_size=6), st.sampled_from([None, 2]))
def test_json_array_round_trip(
    tmp_path: Path, table: list[dict[str, object]], indent: int | None
) -> None:
    got, skipped = read(tmp_path / "a.json", json.dumps(table, indent=indent).encode())
    assert json.dumps(got) == json.dumps(table)
    assert skipped == []


def test_json_array_larger_than_its_window(tmp_path: Path) -> None:
    table = [{"n": n, "caption": f"é{n}" * (n * 37 % 5000)} for n in range(200)]
    got, skipped = read(tmp_path / "a.json", json.dumps(table, ensure_ascii=False).encode())
    assert got == table
    assert skipped == []


def test_damaged_json_array_gives_its_beginning(tmp_path: Path) -> None:
    got, skipped = read(tmp_path / "a.json", b'[{"a": 1}, 7, {"a": "\xe9"}, {"a": oops}, {"a": 3}]')
    assert got == [{"a": 1}, {"a": "é"}]
    assert [reason for _, reason in skipped] == [
        reasons.NOT_UTF8,
        reasons.NOT_AN_OBJECT,
        reasons.BAD_JSON,
    ]
    assert skipped[-1][0] == "a.json, item 4"
    cut, skipped = read(tmp_path / "b.json", b'[{"a": 1}, {"a": ')
    assert cut == [{"a": 1}]
    assert skipped == [("b.json, item 2", reasons.BAD_JSON)]


# ---------------------------------------------------------------------------- Parquet


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pyarrow.table(
        {
            "image": [{"path": "a.png", "bytes": b"\x89PNG"}, {"path": "b.png", "bytes": None}],
            "caption": ["one", None],
            "when": [datetime.date(2014, 3, 1), None],
            "tags": [["x", "y"], []],
            "raw": [b"\xff", b"\xfe"],
        }
    )
    pyarrow.parquet.write_table(table, path)
    rows = [dict(item.values) for item in read_rows(path) if isinstance(item, Row)]
    assert rows[0] == {
        "image": {"path": "a.png"},
        "caption": "one",
        "when": datetime.date(2014, 3, 1),
        "tags": ["x", "y"],
    }
    assert [item.where for item in read_rows(path) if isinstance(item, Row)] == [
        "a.parquet, row 1",
        "a.parquet, row 2",
    ]
    assert "raw" in next(item.values for item in read_rows(path, ["raw"]) if isinstance(item, Row))


def test_parquet_text_that_is_no_utf8_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    good = pyarrow.array([b"one", b"\xff\xfe", b"three"], pyarrow.binary())
    column = pyarrow.Array.from_buffers(pyarrow.string(), 3, good.buffers())
    pyarrow.parquet.write_table(pyarrow.table({"caption": column}), path)
    items = list(read_rows(path))
    assert [item.values["caption"] for item in items if isinstance(item, Row)] == ["one", "three"]
    assert [item.reason for item in items if isinstance(item, Skipped)] == [reasons.NOT_UTF8]


def test_damaged_parquet_gives_its_sound_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"id": list(range(3000)), "caption": [f"c{i}" * 20 for i in range(3000)]})
    pyarrow.parquet.write_table(table, path, row_group_size=1000, compression="zstd")
    with pyarrow.parquet.ParquetFile(path) as file:
        start = file.metadata.row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 60] = b"\xff" * 60
    path.write_bytes(data)
    items = list(read_rows(path))
    ids = {item.values["id"] for item in items if isinstance(item, Row)}
    assert ids >= {*range(1000), *range(2000, 3000)}
    assert reasons.UNREADABLE in {item.reason for item in items if isinstance(item, Skipped)}
    assert next(
        item.where for item in items if isinstance(item, Row) and item.values["id"] == 2000
    ).endswith("row 2001")


# ---------------------------------------------------------------------------- columns


def test_dotted_paths() -> None:
    row = {"a.b": 1, "a": {"b": 2, "c d": {"e": 3}}, "x.y": {"z": 4}}
    assert reach(row, "a.b") == 1
    assert reach(row, "a.c d.e") == 3
    assert reach(row, "x.y.z") == 4
    assert reach(row, "a.q") is None
    assert reach(row, "a.b.c") is None


def test_scalars() -> None:
    assert scalar("  x\0 ") == "x"
    assert scalar("\ud800") == "�"
    assert scalar(float("nan")) is None
    assert scalar(2**70) == str(2**70)
    assert scalar(["a", None, 3, ["b"]]) == "a; 3"
    assert scalar(True) is True
    assert scalar(b"x") is None


@given(objects)
def test_flattened_rows_can_be_stored(row: dict[str, object]) -> None:
    for name, value in flatten(row):
        name.encode()
        assert value is not None
        json.dumps(value, allow_nan=False).encode()


def test_obvious_names() -> None:
    assert guess(["Image Path", "CAPTION", "Id"]) == {
        "image": "Image Path",
        "caption": "CAPTION",
        "id": "Id",
    }
    assert guess(["U_id", "image", "Description.Caption"]) == {
        "image": "image",
        "caption": "Description.Caption",
    }
    assert guess(["a", "b"]) == {}


# ------------------------------------------------------------------ everything at once


@anything
@given(
    st.binary(max_size=300),
    st.sampled_from([".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz", ".jsonl.gz"]),
    st.booleans(),
)
def test_no_bytes_break_the_readers(tmp_path: Path, data: bytes, suffix: str, pack: bool) -> None:
    if suffix.endswith(".gz") and pack:
        data = gzip.compress(data)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    for item in read_rows(path):
        assert isinstance(item, Row | Skipped)


@anything
@given(st.binary(max_size=400))
def test_no_damaged_parquet_breaks_the_reader(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"caption": ["a" * 50] * 40, "id": range(40)}), path)
    data = bytearray(path.read_bytes())
    for at, byte in enumerate(noise):
        data[(at * 7919 + byte) % len(data)] ^= byte
    path.write_bytes(data)
    for item in read_rows(path):
        assert isinstance(item, Row | Skipped)


@pytest.mark.parametrize(
    ("suffix", "count", "length"),
    [(".csv", 200_000, 600), (".jsonl", 40_000, 3000), (".json", 40_000, 3000)],
)
def test_streaming_holds_little(tmp_path: Path, suffix: str, count: int, length: int) -> None:
    """120 MB of text: ids are remembered, text is not."""
    path = tmp_path / f"big{suffix}"
    caption = "Axial CT of the chest with a nodule in the left upper lobe. " * (length // 60)
    with path.open("w", encoding="utf-8") as out:
        if suffix == ".csv":
            out.write("id,caption\n")
            out.writelines(f'{n},"{caption}"\n' for n in range(count))
        else:
            ends = ("", "\n", "") if suffix == ".jsonl" else ("[", ",\n", "]")
            out.write(ends[0])
            for n in range(count):
                out.write(ends[1] if n else "")
                out.write(json.dumps({"id": n, "caption": caption}))
            out.write(ends[2])
    assert path.stat().st_size > 120_000_000
    corpus = TableCorpus(CorpusSpec("table", path, "big"))
    tracemalloc.start()
    found = sum(isinstance(item, Case) for item in corpus)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == count
    assert peak < 50_000_000


CUT_WHILE_READ = """
import os, sys
from pathlib import Path
from medclip_search.corpora.rows import Row, read_rows

path, size = Path(sys.argv[1]), int(sys.argv[2])
for place, item in enumerate(read_rows(path)):
    if place == 0:
        os.truncate(path, size)
    if isinstance(item, Row):
        assert item.values == {"n": item.number, "text": f"{item.number:05}" * 20}
    else:
        print(item.incomplete, item)
"""


@pytest.mark.parametrize("size", [0, 9_000, 60_000, 61_000, 65_000, 99_999])
def test_parquet_cut_short_while_it_is_read_says_so(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.parquet"
    numbers = range(1, 3001)
    columns = {"n": list(numbers), "text": [f"{n:05}" * 20 for n in numbers]}
    options = {"row_group_size": 1000, "compression": "none", "use_dictionary": False}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **options)
    assert path.stat().st_size > 300_000
    words = [sys.executable, "-c", CUT_WHILE_READ, str(path), str(size)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-2:] == [
        f"True a.parquet, row {row}: file damaged or cut short (copy or export it again)"
        for row in (1001, 2001)
    ]


def test_parquet_of_nothing_but_pictures_has_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": [b"a", b"b"]}), path)
    assert [item.values for item in read_rows(path) if isinstance(item, Row)] == [{}, {}]
    assert all(isinstance(item, Row) for item in read_rows(path))
