"""kill -9 at random moments: nothing published changes, and the next run goes on.

``MEDCLIP_KILLS`` sets how many moments are tried for each command (``make soak``: 20).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medclip_search import Library, Query
from medclip_search.errors import NotALibraryError
from medclip_search.library.build import build
from medclip_search.library.verify import verify
from tests.figures import draw, write_folder

KILLS = int(os.environ.get("MEDCLIP_KILLS", "3"))
QUERIES = [
    *(Query(image=draw(seed)) for seed in (1, 30, 77)),
    Query(text="CT of the chest"),
    Query(text="cyst", image=draw(8)),
]
Answers = list[list[tuple[str, float]]]


def ask(opened: Library) -> Answers:
    return [[(h.id, round(h.score, 4)) for h in opened.search(query, 200)] for query in QUERIES]


def answers(library: Path) -> Answers:
    with Library.open(library) as opened:
        return ask(opened)


class Reader(threading.Thread):
    """Searches all the time; the answers of a generation must never change."""

    def __init__(self, library: Path) -> None:
        super().__init__(daemon=True)
        self.library, self.ended = library, threading.Event()
        self.errors: list[BaseException] = []
        self.rounds = 0

    def run(self) -> None:
        seen: dict[int, Answers] = {}
        opened: Library | None = None
        while not self.ended.is_set():
            try:
                opened = opened or Library.open(self.library)
                number, found = int(opened.info()["generation"]), ask(opened)
                assert seen.setdefault(number, found) == found
                assert ask(opened) == found
                opened.refresh()
                self.rounds += 1
            except NotALibraryError:
                time.sleep(0.01)  # its first build has not been published yet
            except BaseException as error:
                self.errors.append(error)
                return
        if opened is not None:
            opened.close()

    def __enter__(self) -> Reader:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()
        assert self.errors == []


def run(words: list[str], kill_after: float | None = None) -> float:
    """Run the command line, killing it after some seconds; returns how long it took."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "medclip_search", *words], stderr=subprocess.PIPE
    )
    if kill_after is not None:
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    _, error = process.communicate(timeout=300)
    assert process.returncode in ((0,) if kill_after is None else (0, -signal.SIGKILL)), error
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Figures, a library of the first half of them, and one of them all, built undisturbed."""
    folder = tmp_path_factory.mktemp("kill")
    figures = write_folder(folder / "figures", range(100))
    run(["build", str(folder / "half"), "--corpus", f"folder={figures}", "--limit", "50"])
    shutil.copytree(folder / "half", folder / "whole")
    run(["build", str(folder / "whole"), "--limit", "0"])
    return {name: folder / name for name in ("figures", "half", "whole")}


@pytest.mark.timeout(1800)
def test_a_killed_first_build_is_resumed(grown: dict[str, Path], tmp_path: Path) -> None:
    build_it = ["build", str(tmp_path / "fresh"), "--corpus", f"folder={grown['figures']}"]
    whole = run(build_it)
    expected = answers(tmp_path / "fresh")
    moments = random.Random(1)
    library = tmp_path / "library"
    for _ in range(KILLS):
        with Reader(library):
            run([build_it[0], str(library), *build_it[2:]], moments.uniform(0.1, whole))
            run([build_it[0], str(library), *build_it[2:]])
            assert answers(library) == expected
        assert not list(verify(library))
        shutil.rmtree(library)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", ["build", "remove", "publish"])
def test_a_killed_change_is_whole_or_absent(
    command: str, grown: dict[str, Path], tmp_path: Path
) -> None:
    start = grown["whole"] if command == "remove" else grown["half"]
    library = tmp_path / "library"
    words = {
        "build": ["build", str(library), "--limit", "0"],
        "remove": ["remove", str(library), "--where", "modality=US"],
        "publish": ["build", str(library), "--limit", "0", "--purge"],
    }[command]
    shutil.copytree(start, library)
    whole = run(words)
    expected = answers(library)
    moments = random.Random(command)
    changing = 0
    for _ in range(KILLS):
        shutil.rmtree(library)
        shutil.copytree(start, library)
        before = answers(library)
        with Reader(library) as reader:
            # Publishing is the last part of any change: its moments are drawn from there.
            earliest = 0.7 if command == "publish" else 0.3
            run(words, moments.uniform(earliest * whole, whole))
            between = answers(library)
            assert between in (before, expected)
            changing += between == before
            run(words)
            assert answers(library) == expected
            time.sleep(0.05)
        assert reader.rounds > 0
        assert not [finding for finding in verify(library) if finding.damage]
        assert not (library / "work").exists()
    assert changing or KILLS < 4, "every kill came after the end: the moments prove nothing"


def test_a_stopped_build_says_how_to_go_on(grown: dict[str, Path], tmp_path: Path) -> None:
    library = tmp_path / "library"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "medclip_search",
            "build",
            str(library),
            "--corpus",
            f"folder={grown['figures']}",
        ],
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has them ignore Ctrl-C, children included.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    seen = b""
    while b"images" not in seen:  # the bar of the embedding: there is something to go on from
        byte = process.stderr.read(1)
        assert byte, seen
        seen += byte
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert b"run the same command again to go on" in error
    assert b"Traceback" not in error
    with pytest.raises(NotALibraryError, match="has not finished"):
        Library.open(library)
    assert build(library).resumed
    assert len(answers(library)[0]) == 100
