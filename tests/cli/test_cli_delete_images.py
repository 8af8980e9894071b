"""``build --delete-images`` as people and scripts meet it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.figures import write_folder

pty = pytest.importorskip("pty")


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "medclip_search", *(str(word) for word in words)]


def run(*words: object) -> tuple[int, str]:
    done = subprocess.run(
        command(*words), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode, done.stderr


def answer(text: str, *words: object) -> tuple[int, str]:
    """The command at a terminal, where somebody types ``text``."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(*words), stdin=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    os.write(ours, text.encode())
    _, err = process.communicate(timeout=120)
    os.close(ours)
    return process.returncode, err


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "figures", range(23))


def images(folder: Path) -> int:
    return len(list(folder.glob("*.png")))


def test_without_a_terminal_nothing_is_built_or_deleted(tmp_path: Path, figures: Path) -> None:
    words = ("build", tmp_path / "lib", "--corpus", f"folder={figures}")
    status, err = run(*words, "--delete-images")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "--yes" in err
    assert not (tmp_path / "lib").exists()
    status, err = run(*words, "--yes")
    assert status == 2
    assert "--delete-images" in err
    assert not (tmp_path / "lib").exists()


def test_files_are_listed_and_deleted_only_after_a_yes(tmp_path: Path, figures: Path) -> None:
    (figures / "fig-000.png").write_bytes(b"torn")
    words = ("build", tmp_path / "lib", "--corpus", f"folder={figures}", "--delete-images")
    for said in ("n", "", "what"):
        status, err = answer(f"{said}\nn\n", *words)
        assert status == 0
        assert "nothing was deleted" in err
        assert images(figures) == 23
    lines = [line.strip() for line in err.splitlines()]
    assert "kept 1 file: not embedded yet, or changed since" in lines
    assert [line for line in lines if line.endswith(".png")] == [
        str(figures.resolve() / f"fig-{seed:03d}.png") for seed in range(1, 21)
    ]
    assert "… and 2 more" in lines
    status, err = answer("y\n", *words)
    assert status == 0
    assert "Delete these 22 files (" in err
    assert "22 files deleted (" in err
    assert images(figures) == 1


def test_scripts_say_yes_beforehand(tmp_path: Path, figures: Path) -> None:
    words = ("build", tmp_path / "lib", "--corpus", f"folder={figures}", "--delete-images", "--yes")
    status, err = run(*words)
    assert status == 0
    assert "Delete these" not in err
    assert images(figures) == 0
    status, err = run(*words)  # a nightly job says the same again
    assert status == 0
    assert "23 images deleted on request earlier" in err
    assert "no raw image can be deleted" in err
    assert "skipped" not in err
