"""Zips are read in place: as Python's zipfile reads them, and never worse than refused."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import ImageSource
from medclip_search.errors import ImageError
from medclip_search.images import sources
from medclip_search.images.sources import read_source, source_mark
from medclip_search.images.zips import LONGEST_ENTRY, open_zip

MOST = 1 << 20
ON_DISK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ASCII_NAME = st.text("abcXYZ019_-. ", min_size=1, max_size=20)
ANY_NAME = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/", categories=["L", "N", "P", "S", "Zs"]),
    min_size=1,
    max_size=12,
)
NAME = st.lists(ASCII_NAME | ANY_NAME, min_size=1, max_size=3).map("/".join)
CONTENT = st.binary(max_size=300) | st.integers(0, 5000).map(lambda n: b"same " * n)


class Unseekable(io.BytesIO):
    """What zipfile writes here gets data descriptors, since it cannot go back."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    stream = Unseekable() if draw(st.booleans()) else io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in draw(st.lists(NAME, max_size=6, unique=True)):
            info = zipfile.ZipInfo(name)
            info.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            info.comment = draw(st.binary(max_size=20))
            with made.open(info, "w", force_zip64=draw(st.booleans())) as member:
                member.write(draw(CONTENT))
        # Python's zipfile stumbles over the end's mark in a comment: a test below is for that.
        made.comment = draw(st.binary(max_size=30)).replace(b"PK\5", b"")
    return draw(st.binary(max_size=20)) + stream.getvalue()


def source(path: Path, name: str) -> ImageSource:
    return ImageSource(path, None, name)


def write(folder: Path, data: bytes) -> Path:
    """A file of a name of its own, so that no index of an earlier one is taken for its."""
    number = len(list(folder.iterdir()))
    path = folder / f"{number}.zip"
    path.write_bytes(data)
    return path


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


@ON_DISK
@given(zips())
def test_members_are_those_that_zipfile_reads(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    index = open_zip(path)
    with zipfile.ZipFile(path) as oracle:
        assert list(index.names()) == oracle.namelist()
        assert len(index) == len(oracle.namelist())
        for info in oracle.infolist():
            assert info.filename in index
            assert read_source(source(path, info.filename)) == oracle.read(info)
            mark = source_mark(source(path, info.filename))
            assert mark == f"{info.file_size}:{info.CRC:08x}"
            assert info.filename[: info.filename.rfind("/") + 1] in index.folders
    assert "no such name" not in index
    with pytest.raises(ImageError, match="is not in the zip"):
        read_source(source(path, "no such name"))


@ON_DISK
@given(zips(), st.data())
def test_damage_never_gives_other_bytes(tmp_path: Path, data: bytes, draw: st.DataObject) -> None:
    """Cut short or overwritten anywhere, a member is whole or refused."""
    with zipfile.ZipFile(io.BytesIO(data)) as oracle:
        whole = {name: oracle.read(name) for name in oracle.namelist()}
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 3))):
        at = draw.draw(st.integers(0, len(damaged) - 1))
        noise = draw.draw(st.binary(min_size=1, max_size=8))
        damaged[at : at + len(noise)] = noise
    path = write(tmp_path, bytes(damaged[: draw.draw(st.integers(0, len(damaged)))]))
    for name, content in whole.items():
        try:
            got = read_source(source(path, name))
        except (ImageError, OSError):
            continue
        # Bytes may differ only where the CRC in the directory was changed to match: never here.
        assert got == content
    with suppress(ImageError, OSError):
        list(open_zip(path).names())


@ON_DISK
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_zip_or_refused(tmp_path: Path, data: bytes, end: bool) -> None:
    if end:
        data += b"PK\5\6" + data[:18].ljust(18, b"\0")
    path = write(tmp_path, data)
    for call in (read_source, source_mark):
        with pytest.raises(ImageError):
            call(source(path, "a.jpg"))


def test_cut_short_says_what_to_do(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": os.urandom(5000), "b.jpg": b"b"})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ImageError) as caught:
        read_source(source(path, "a.jpg"))
    assert str(caught.value) == (f"{path}: zip is damaged or cut short; download or copy it again")


def test_one_damaged_member_leaves_the_others(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": b"A" * 99, "b.jpg": b"B"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"AAA", b"AxA", 1))
    assert read_source(source(path, "b.jpg")) == b"B"
    with pytest.raises(ImageError, match=r"images\.zip/a\.jpg: is damaged in the zip; download"):
        read_source(source(path, "a.jpg"))


def test_what_is_packed_otherwise_is_to_be_unzipped(tmp_path: Path) -> None:
    path = pack(tmp_path / "lzma.zip", {"a.jpg": b"a"}, zipfile.ZIP_LZMA)
    with pytest.raises(ImageError, match="another method than deflate; unzip it"):
        read_source(source(path, "a.jpg"))
    path = pack(tmp_path / "locked.zip", {"a.jpg": b"a"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ImageError, match="is encrypted; unzip it"):
        read_source(source(path, "a.jpg"))


def test_the_mark_of_the_end_in_the_comment(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": b"a"})
    with zipfile.ZipFile(path, "a") as made:
        made.comment = b"x PK\5\6 " + bytes(30)
    assert read_source(source(path, "a.jpg")) == b"a"
    path.write_bytes(path.read_bytes() + b"appended")
    assert read_source(source(path, "a.jpg")) == b"a"


def test_a_member_whose_own_header_names_another(tmp_path: Path) -> None:
    """The directory and the members disagree: nobody knows which of them is right."""
    path = pack(tmp_path / "images.zip", {"a.jpg": b"a", "b.jpg": b"b"})
    data = path.read_bytes()
    path.write_bytes(data.replace(b"a.jpg", b"c.jpg", 1))
    assert read_source(source(path, "b.jpg")) == b"b"
    with pytest.raises(ImageError, match=r"a\.jpg: is damaged in the zip; download"):
        read_source(source(path, "a.jpg"))


def test_one_part_of_a_split_zip(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": b"a"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.index(b"PK\5\6") + 4, 2, 2)
    path.write_bytes(data)
    with pytest.raises(ImageError, match="one part of a split zip; unzip it"):
        read_source(source(path, "a.jpg"))


def test_a_member_too_large_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "images.zip", {"bomb.jpg": bytes(MOST + 1), "a.jpg": bytes(MOST)})
    monkeypatch.setattr(sources, "MOST_PACKED_BYTES", MOST)
    assert len(read_source(source(path, "a.jpg"))) == MOST
    with pytest.raises(ImageError, match=r"is larger than 0\.000976562 GiB; scale it down"):
        read_source(source(path, "bomb.jpg"))


def test_a_member_that_belies_its_size_costs_no_more_than_that(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": bytes(50 << 20)})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 1000)
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(ImageError, match="is damaged in the zip"):
        read_source(source(path, "a.jpg"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_the_same_zip_again_has_the_same_marks(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": b"a", "b.jpg": b"b"})
    before = source_mark(source(path, "a.jpg"))
    os.utime(path, ns=(1, 1))
    assert source_mark(source(path, "a.jpg")) == before
    assert source_mark(source(path, "b.jpg")) != before
    pack(path, {"a.jpg": b"changed", "b.jpg": b"b"})
    assert source_mark(source(path, "a.jpg")) != before
    assert read_source(source(path, "a.jpg")) == b"changed"


def test_utf8_names_that_do_not_say_so(tmp_path: Path) -> None:
    """As Info-ZIP and macOS write them."""
    path = pack(tmp_path / "images.zip", {"Röntgen.jpg": b"x"})
    data = bytearray(path.read_bytes())
    for at in (6, data.index(b"PK\1\2") + 8):
        struct.pack_into("<H", data, at, 0)
    path.write_bytes(data)
    assert read_source(source(path, "Röntgen.jpg")) == b"x"
    assert read_source(source(path, next(open_zip(path).names()))) == b"x"


def test_the_last_of_two_with_one_name(tmp_path: Path) -> None:
    path = pack(tmp_path / "images.zip", {"a.jpg": b"1", "b.jpg": b"2"})
    path.write_bytes(path.read_bytes().replace(b"b.jpg", b"a.jpg"))
    assert read_source(source(path, "a.jpg")) == b"2"


def test_entries_across_the_chunks_of_a_large_directory(tmp_path: Path) -> None:
    names = [f"{n:05d}/{'x' * (n % 900)}.jpg" for n in range(6000)]
    path = pack(tmp_path / "images.zip", {name: name.encode() for name in names})
    index = open_zip(path)
    assert list(index.names()) == names
    assert len(index.folders) == 4096
    assert index.folders_left_out
    for name in names[::97]:
        assert read_source(source(path, name)) == name.encode()
    long = zipfile.ZipInfo("long.jpg")
    long.comment = bytes(0xFFFF)
    with zipfile.ZipFile(path, "a") as made:
        for n in range(20):
            long.filename = f"{n}.jpg"
            made.writestr(long, str(n))
            long = zipfile.ZipInfo("long.jpg")
            long.comment = bytes(0xFFFF)
    assert LONGEST_ENTRY > 0xFFFF
    assert read_source(source(path, "19.jpg")) == b"19"
    assert read_source(source(path, names[-1])) == names[-1].encode()


def test_many_threads(tmp_path: Path) -> None:
    members = {f"{n}.jpg": os.urandom(2000) for n in range(300)}
    path = pack(tmp_path / "images.zip", members)
    with ThreadPoolExecutor(8) as pool:
        got = pool.map(lambda name: read_source(source(path, name)), [*members] * 3)
    assert list(got) == [*members.values()] * 3


def test_the_index_is_small(tmp_path: Path) -> None:
    """PMC-OA has 1.6 million members: 16 bytes each are kept, not a ZipInfo."""
    count = 20_000
    path = pack(tmp_path / "images.zip", {f"folder/PMC{n}_Fig1_1.jpg": b"" for n in range(count)})
    tracemalloc.start()
    index = open_zip(path)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(index) == count
    assert held < 24 * count


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("POSIX pipes")
    os.mkfifo(tmp_path / "images.zip")
    for call in (read_source, source_mark):
        with pytest.raises(ImageError, match="is not a regular file"):
            call(source(tmp_path / "images.zip", "a.jpg"))
    with pytest.raises(FileNotFoundError):
        read_source(source(tmp_path / "none.zip", "a.jpg"))
