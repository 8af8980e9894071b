"""An export never takes the place of what is not its own, nor gets in another's way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from medclip_search.encoders.base import EncoderSpec
from medclip_search.encoders.open_clip.exported import PAGE, read_exported
from medclip_search.errors import EncoderError, UsageError
from medclip_search.progress import Advance

pytest.importorskip("onnx")
pytest.importorskip("torch")

from medclip_search.encoders.open_clip.export import export


@pytest.fixture(scope="module")
def spec(tiny_clip: Path) -> EncoderSpec:
    return EncoderSpec("open_clip", str(tiny_clip))


@pytest.fixture(scope="module")
def whole(spec: EncoderSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(spec, tmp_path_factory.mktemp("exports") / "clip", int8=True).folder


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copied")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def edit(page: Path, **changes: object) -> None:
    page.write_text(json.dumps(json.loads(page.read_text(encoding="utf-8")) | changes))


def refusal(spec: EncoderSpec, folder: Path) -> str:
    """What is said; nothing in the folder has changed."""
    before = content(folder)
    with pytest.raises(UsageError) as raised:
        export(spec, folder)
    assert content(folder) == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("mine", ["thesis.txt", "folder/thesis.txt", "image.onnx.data/thesis.txt"])
def test_a_users_files_are_not_moved_away(spec: EncoderSpec, copied: Path, mine: str) -> None:
    (copied / mine).parent.mkdir(exist_ok=True)
    (copied / mine).write_text("years of work", encoding="utf-8")
    assert not export(spec, copied).made  # whole: nothing is to be done, and nothing is said
    (copied / "words.onnx").unlink()
    assert f"but {mine.partition('/')[0]} is there too; move it elsewhere" in refusal(spec, copied)


def test_a_damaged_export_of_another_model_is_not_replaced(spec: EncoderSpec, copied: Path) -> None:
    (copied / "words.onnx").unlink()
    edit(copied / PAGE, fingerprint="0" * 64)
    assert "holds another exported model; choose another folder" in refusal(spec, copied)
    edit(copied / PAGE, files=None)
    assert "holds another exported model; choose another folder" in refusal(spec, copied)


def test_an_export_of_a_newer_version_is_not_replaced(spec: EncoderSpec, copied: Path) -> None:
    edit(copied / PAGE, format=2)
    assert "by a newer medclip-search; upgrade this one, or choose" in refusal(spec, copied)


@pytest.mark.parametrize("page", ["", "[]", '{"format": "one"}', "{}"])
def test_a_page_beyond_reading_is_made_anew(spec: EncoderSpec, copied: Path, page: str) -> None:
    (copied / PAGE).write_text(page, encoding="utf-8")
    assert export(spec, copied).made
    assert read_exported(copied).description.float32.minimum > 0.9999


def test_what_another_made_meanwhile_is_kept(spec: EncoderSpec, whole: Path, copied: Path) -> None:
    """One that waits without --int8 does not replace what then is there with it."""
    expected = content(copied)
    shutil.rmtree(copied)
    waits = threading.Event()

    @contextmanager
    def progress(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        if stage.startswith("waiting"):
            waits.set()
        yield lambda _: None

    with ThreadPoolExecutor(1) as pool:
        with filelock.FileLock(copied.with_name(f".{copied.name}.lock")):
            later = pool.submit(export, spec, copied, progress=progress)
            assert waits.wait(60)
            shutil.copytree(whole, copied)
        report = later.result()
    assert not report.made
    assert report.description.int8 is not None
    assert content(copied) == expected


def test_what_a_killed_export_left_is_gone_at_once(spec: EncoderSpec, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from medclip_search.encoders import EncoderSpec\n"
        "from medclip_search.encoders.open_clip.export import export\n"
        "export(EncoderSpec('open_clip', sys.argv[1]), Path(sys.argv[2]))\n"
    )
    folder = tmp_path / "out" / "model"
    killed = subprocess.Popen([sys.executable, "-c", code, str(spec.model), str(folder)])
    until = time.monotonic() + 60
    while not list(folder.parent.glob(".model.draft*/*/tokenizer.json")):
        assert killed.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert list(folder.parent.glob(".model.draft*"))
    assert export(spec, folder).made
    assert {path.name for path in folder.parent.iterdir()} == {"model", ".model.lock"}


def test_what_is_exported_already_is_not_exported_again(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        export(EncoderSpec("open_clip", str(whole)), tmp_path / "again")
    assert str(raised.value) == (
        f"{whole}: is exported already; use it as it is, or give --model with what it was "
        "exported from"
    )


@pytest.mark.parametrize("place", ["file/model", "n" * 300])
def test_a_place_that_cannot_be_is_one_line(spec: EncoderSpec, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EncoderError, match=r"the export cannot be written \(.*\); make room") as it:
        export(spec, tmp_path / place)
    assert "\n" not in str(it.value)
