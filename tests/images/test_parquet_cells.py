"""Pictures in Parquet files: any layout, any order, in bounded memory, damage refused."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import ImageSource
from medclip_search.errors import ImageError
from medclip_search.images import parquet
from medclip_search.images.parquet import picture_column, read_cell
from medclip_search.images.sources import read_source, source_mark

ON_DISK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
STRUCT = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
CELLS = st.lists(st.none() | st.binary(max_size=40), min_size=1, max_size=40)


def table(cells: Sequence[bytes | None], kind: str) -> pyarrow.Table:
    rows = [str(n) for n in range(len(cells))]
    if kind == "struct":
        values = [{"bytes": cell, "path": "x.jpg"} for cell in cells]
        return pyarrow.table({"n": rows, "image": pyarrow.array(values, STRUCT)})
    return pyarrow.table({"n": rows, "image": pyarrow.array(cells, getattr(pyarrow, kind)())})


def write(
    folder: Path, cells: Sequence[bytes | None], kind: str = "struct", group: int = 100
) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.parquet"
    pyarrow.parquet.write_table(table(cells, kind), path, row_group_size=group)
    return path


def cell(path: Path, row: int, column: str = "image") -> ImageSource:
    return ImageSource(path, None, f"{column}/{row}")


@ON_DISK
@given(
    CELLS,
    st.sampled_from(["struct", "binary", "large_binary"]),
    st.integers(1, 50),
    st.sampled_from([1, 50, 1 << 20]),
    st.randoms(use_true_random=False),
)
def test_cells_are_those_that_pyarrow_reads(
    tmp_path: Path,
    cells: list[bytes | None],
    kind: str,
    group: int,
    batch: int,
    order: random.Random,
) -> None:
    path = write(tmp_path, cells, kind, group)
    assert picture_column(path) == "image"
    rows = [*range(len(cells)), *order.sample(range(len(cells)), len(cells))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "BATCH_BYTES", batch)
        patch.setattr(parquet, "KEPT_BYTES", batch)
        for row in rows:
            wanted = cells[row]
            if wanted is None:
                with pytest.raises(ImageError, match="there is no picture in this row"):
                    read_source(cell(path, row))
            else:
                assert read_source(cell(path, row)) == wanted
    with pytest.raises(ImageError, match=f"has no row {len(cells)}, only {len(cells)}"):
        read_source(cell(path, len(cells)))


@ON_DISK
@given(st.binary(min_size=1, max_size=8), st.floats(0, 1), st.booleans())
def test_damage_is_refused(tmp_path: Path, noise: bytes, where: float, cut: bool) -> None:
    path = write(tmp_path, [os.urandom(30) for _ in range(30)], group=10)
    data = bytearray(path.read_bytes())
    at = int(where * (len(data) - 1))
    data[at : at + len(noise)] = noise
    path.write_bytes(data[:at] if cut else data)
    for row in range(30):
        with suppress(ImageError, OSError):
            read_source(cell(path, row))


def test_the_struct_itself_may_be_missing(tmp_path: Path) -> None:
    values = pyarrow.array([None, {"bytes": b"x", "path": None}], STRUCT)
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": values}), path)
    assert read_source(cell(path, 1)) == b"x"
    with pytest.raises(ImageError, match="there is no picture in this row"):
        read_source(cell(path, 0))


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("image", "is not COLUMN/ROW"),
        ("image/", "is not COLUMN/ROW"),
        ("image/-1", "is not COLUMN/ROW"),
        ("image/٣", "is not COLUMN/ROW"),
        ("image/9", "has no row 9, only 2"),
        ("image/" + "9" * 30, "has no row"),
        ("image/" + "9" * 5000, "is damaged or cut short"),
        ("n/0", "has no column of pictures 'n'"),
        ("other/0", "has no column of pictures 'other'"),
    ],
)
def test_what_is_no_cell(tmp_path: Path, member: str, says: str) -> None:
    path = write(tmp_path, [b"a", b"b"])
    with pytest.raises(ImageError, match=says):
        read_source(ImageSource(path, None, member))


def test_columns_with_slashes_and_several_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.PARQUET"
    both = {"left/right": [b"1", b"2"], "image": [b"3", b"4"], "text": ["a", "b"]}
    pyarrow.parquet.write_table(pyarrow.table(both), path)
    assert picture_column(path) == "image"
    assert [read_source(cell(path, row, "left/right")) for row in (1, 0)] == [b"2", b"1"]
    assert [read_source(cell(path, row)) for row in (0, 1)] == [b"3", b"4"]
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"]}), path)
    assert picture_column(path) is None


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, [b"old"])
    before = source_mark(cell(path, 0))
    assert read_source(cell(path, 0)) == b"old"
    new = write(tmp_path, [b"newer"])
    new.replace(path)
    assert read_source(cell(path, 0)) == b"newer"
    assert source_mark(cell(path, 0)) != before


def test_reading_in_order_decodes_once_and_keeps_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large row groups, as other programs than Hugging Face's write them, are no worse."""
    cells = [os.urandom(50_000) for _ in range(400)]
    path = tmp_path / "large.parquet"
    pages = {"use_dictionary": False, "write_batch_size": 16, "data_page_size": 1 << 18}
    pyarrow.parquet.write_table(table(cells, "struct"), path, row_group_size=400, **pages)
    monkeypatch.setattr(parquet, "BATCH_BYTES", 1 << 20)
    monkeypatch.setattr(parquet, "KEPT_BYTES", 2 << 20)
    started = 0
    iter_batches = pyarrow.parquet.ParquetFile.iter_batches

    def counted(self: object, *args: object, **options: object) -> object:
        nonlocal started
        started += 1
        return iter_batches(self, *args, **options)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", counted)
    before = pyarrow.total_allocated_bytes()
    assert [read_source(cell(path, row)) for row in range(400)] == cells
    assert started == 1
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda row: read_source(cell(path, row)), range(400)))
    assert got == cells
    assert pyarrow.total_allocated_bytes() - before < 8 << 20


CUT_WHILE_READ = """
import os, sys
from pathlib import Path
from medclip_search.errors import ImageError
from medclip_search.images import parquet

path = Path(sys.argv[1])
opened = parquet._open(path)
parquet._open = lambda _: opened  # as if it were cut short just after it was looked up
parquet.read_cell(path, "image/0", 1 << 20)
os.truncate(path, 100_000)
for row in range(1, 300):
    try:
        parquet.read_cell(path, f"image/{row}", 1 << 20)
    except ImageError as error:
        sys.exit(error.reason)
"""


def test_a_file_cut_short_while_it_is_read_ends_no_process(tmp_path: Path) -> None:
    path = write(tmp_path, [os.urandom(20_000) for _ in range(300)])
    words = [sys.executable, "-c", CUT_WHILE_READ, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "is damaged or cut short\n")


def test_a_cell_longer_than_what_may_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, [bytes(1025), bytes(1024)])
    assert read_cell(path, "image/1", 1024) == bytes(1024)
    with pytest.raises(ImageError, match=r"image/0: is larger than 9\.53674e-07 GiB; scale it"):
        read_cell(path, "image/0", 1024)
