"""Files of ready-made vectors, and which of their rows is whose."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, open_corpus
from medclip_search.corpora.vector_files import count_records, open_vectors
from medclip_search.errors import CorpusError


def rows_of(path: Path) -> dict[str, int | None]:
    """The ids of a table's cases with their rows."""
    columns = {"id": "id", "caption": "text"}
    items = open_corpus(CorpusSpec("table", path, "t", columns=columns))
    return {item.id: item.row for item in items if isinstance(item, Case)}


# ------------------------------------------------------------------------------ the vectors


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f2", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_vectors_of_either_size_and_any_layout_are_mapped(
    tmp_path: Path, kind: str, order: str
) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "v.npy", np.asarray(values, dtype=kind, order=order))  # type: ignore[call-overload]
    vectors = open_vectors(tmp_path / "v.npy", rows=4, dimension=3)
    assert isinstance(vectors, np.memmap)
    assert np.array_equal(vectors, values)


def save(array: object) -> Callable[[Path], None]:
    return lambda path: np.save(path, array, allow_pickle=True)  # type: ignore[arg-type]


def cut(path: Path) -> None:
    np.save(path, np.ones((30, 40), np.float32))
    path.write_bytes(path.read_bytes()[:-10])


def archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.ones((3, 4), np.float32))


def broken_header(path: Path) -> None:
    np.save(path, np.ones((30, 40), np.float32))
    path.write_bytes(path.read_bytes().replace(b"(30, 40)", b"(3((40))"))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (save(np.ones((3, 4))), "holds float64, not float16 or float32; save it as float32"),
        (save(np.ones((3, 4), np.int64)), "holds int64"),
        (save(np.ones((3, 4), np.complex64)), "holds complex64"),
        (save(np.ones(12, np.float32)), r"its shape is \(12,\), not \(rows, dimension\)"),
        (save(np.ones((3, 2, 2), np.float32)), r"its shape is \(3, 2, 2\)"),
        (save(np.ones((0, 4), np.float32)), r"its shape is \(0, 4\)"),
        (save(np.ones((3, 0), np.float32)), r"its shape is \(3, 0\)"),
        (save(np.array([{}], object)), "not a whole .npy file of numbers; save it as float32"),
        (cut, "not a whole .npy file"),
        (archive, "not a whole .npy file"),
        (broken_header, "not a whole .npy file"),
        (lambda path: path.write_text("1,2,3"), "not a whole .npy file"),
        (lambda path: path.write_bytes(b""), "not a whole .npy file"),
        (lambda path: path.mkdir(), "folder, not a file"),
        (lambda path: None, "no such file; give --embeddings SPACE=FILE.npy"),
    ],
)
def test_anything_else_is_refused_in_one_line(
    tmp_path: Path, write: Callable[[Path], object], said: str
) -> None:
    write(tmp_path / "v.npy")
    with pytest.raises(CorpusError, match=said) as error:
        open_vectors(tmp_path / "v.npy")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "v.npy"))


def test_vectors_that_do_not_fit_say_both_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((3, 4), np.float32))
    with pytest.raises(CorpusError, match="3 vectors for a table of 5 records"):
        open_vectors(tmp_path / "v.npy", rows=5)
    with pytest.raises(CorpusError, match="4 numbers where the space has 512"):
        open_vectors(tmp_path / "v.npy", dimension=512)


def test_a_table_refuses_vectors_that_are_not_as_many_as_its_records(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text\na,one\nb,two\n")
    np.save(tmp_path / "v.npy", np.ones((3, 4), np.float32))
    with pytest.raises(CorpusError, match=r"v\.npy: 3 vectors for a table of 2 records"):
        open_corpus(
            CorpusSpec("table", tmp_path / "t.csv", "t", embeddings={"x": tmp_path / "v.npy"})
        )
    np.save(tmp_path / "v.npy", np.ones((2, 4), np.float32))
    open_corpus(CorpusSpec("table", tmp_path / "t.csv", "t", embeddings={"x": tmp_path / "v.npy"}))


# ------------------------------------------------------------------------------ the records


def test_records_that_cannot_be_read_count(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        'id,text\na,one\n\nb,too,many\n"c","two\nlines"\nc,the same id\nd,\n\ne,five\n'
    )
    assert rows_of(tmp_path / "t.csv") == {"a": 0, "c": 2, "e": 5}
    assert count_records(tmp_path / "t.csv") == 6
    (tmp_path / "t.jsonl").write_text(
        '{"id": "a", "text": "one"}\n\n{"id": \n[1]\n{"id": "b", "text": "two"}'
    )
    assert rows_of(tmp_path / "t.jsonl") == {"a": 0, "b": 3}
    assert count_records(tmp_path / "t.jsonl") == 4
    (tmp_path / "t.json").write_text(
        '[{"id": "a", "text": "one"},\n 7, {"id": "b", "text": "two"}]'
    )
    assert rows_of(tmp_path / "t.json") == {"a": 0, "b": 2}
    assert count_records(tmp_path / "t.json") == 3


def test_letters_that_are_not_utf8_move_no_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,text\na,gr\xf6\xdfe\nb,two\nc,na\xefve\nd,four\n")
    assert rows_of(tmp_path / "t.csv") == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert count_records(tmp_path / "t.csv") == 4


def test_a_damaged_part_of_parquet_moves_no_row(tmp_path: Path) -> None:
    ids = [f"i{number}" for number in range(300)]
    table = pyarrow.table({"id": ids, "text": [f"text of {one}" for one in ids]})
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(
        table, path, row_group_size=100, compression="gzip", use_dictionary=False
    )
    group = pyarrow.parquet.read_metadata(path).row_group(1).column(1)
    start, length = group.data_page_offset, group.total_compressed_size
    data = bytearray(path.read_bytes())
    data[start + length // 2 : start + length // 2 + 40] = b"\xff" * 40
    path.write_bytes(data)
    found = rows_of(path)
    assert found["i0"] == 0
    assert found["i299"] == 299
    assert "i199" not in found
    assert count_records(path) == 300


def test_a_table_cut_short_has_no_number_of_records(tmp_path: Path) -> None:
    packed = gzip.compress(
        "".join(f'{{"id": "{i**7}", "text": "t"}}\n' for i in range(999)).encode()
    )
    (tmp_path / "t.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(CorpusError, match=r"cut short, so that nobody can tell .*; copy"):
        count_records(tmp_path / "t.jsonl.gz")


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=12),
    st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet"]),
)
def test_every_case_has_the_row_it_was_written_in(rows: list[tuple[str, bool]], kind: str) -> None:
    """Rows without a caption become no cases, and still count."""
    written = [
        {"id": f"id{at}", "text": f"{text} line\nbreak" if kept else ""}
        for at, (text, kept) in enumerate([*rows, ("last", True)])
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{kind}"
        if kind == "parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(written), path, row_group_size=3)
        elif kind == "json":
            path.write_text(json.dumps(written), encoding="utf-8")
        elif kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n\n" for row in written), encoding="utf-8")
        else:
            buffer = io.StringIO()
            tabs = "\t" if kind == "tsv" else ","
            writer = csv.DictWriter(buffer, ["id", "text"], delimiter=tabs)
            writer.writeheader()
            writer.writerows(written)
            path.write_text(buffer.getvalue(), encoding="utf-8")
        expected = {f"id{at}": at for at, (_, kept) in enumerate([*rows, ("last", True)]) if kept}
        assert rows_of(path) == expected
        assert count_records(path) == len(rows) + 1
