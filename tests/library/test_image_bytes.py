"""Bytes of images: read once for the frames of a clip, and only so many held at a time."""

from __future__ import annotations

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medclip_search.cases import ImageSource
from medclip_search.errors import ImageError
from medclip_search.images import sources
from medclip_search.library import image_bytes
from medclip_search.library.durable import digest
from medclip_search.library.image_bytes import ImageBytes


def test_frames_of_a_clip_share_one_reading_and_have_digests_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, other = tmp_path / "clip.dcm", tmp_path / "other.dcm"
    clip.write_bytes(b"all frames")
    other.write_bytes(b"others")
    reads: list[str] = []

    def counted(source: ImageSource) -> bytes:
        reads.append(source.path.name)
        return sources.read_source(source)

    monkeypatch.setattr(image_bytes, "read_source", counted)
    held = ImageBytes()
    for frame in range(5):
        with held.reading(ImageSource(clip, frame), "mark") as (data, content):
            assert data == b"all frames"
            assert content == digest(data + b"#%d" % frame)
    with held.reading(ImageSource(other, 0), "mark") as (data, _):
        assert data == b"others"
    clip.write_bytes(b"changed")
    with held.reading(ImageSource(clip, 1), "another mark") as (data, content):
        assert (data, content) == (b"changed", digest(b"changed#1"))
    with held.reading(ImageSource(clip), "another mark") as (_, content):
        assert content == digest(b"changed#0")
    assert reads == ["clip.dcm", "other.dcm", "clip.dcm", "clip.dcm"]


def test_no_more_bytes_are_held_than_there_is_room_for(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(b"x" * (40 if number % 3 else 250))
    held = ImageBytes(most=100)
    now, most, alone = 0, 0, True
    lock = threading.Lock()

    def read(number: int) -> None:
        nonlocal now, most, alone
        with held.reading(ImageSource(tmp_path / f"{number}.png"), "") as (data, _):
            with lock:
                now += len(data)
                most = max(most, now)
                alone = alone and (len(data) < 100 or now == len(data))
            threading.Event().wait(0.01)
            with lock:
                now -= len(data)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(12)))
    assert alone  # what is larger than all the room comes alone
    assert most == 250
    with pytest.raises(FileNotFoundError), held.reading(ImageSource(tmp_path / "gone"), ""):
        pass
    with held.reading(ImageSource(tmp_path / "0.png"), "") as (data, _):
        assert len(data) == 250  # a failure gave its room back


def test_a_picture_that_unfolds_to_gigabytes_is_refused_before_it_does(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("bomb.jpg", "w") as member:
            for _ in range(260):
                member.write(bytes(1 << 20))
        archive.writestr("fine.jpg", b"fine")
    assert path.stat().st_size < 1 << 20
    assert sources.read_source(ImageSource(path, member="fine.jpg")) == b"fine"
    with pytest.raises(ImageError, match=r"is larger than 0\.25 GiB"):
        sources.read_source(ImageSource(path, member="bomb.jpg"))
