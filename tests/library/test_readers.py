"""Readers see one generation whole, from copies and read-only folders too, many at once."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from medclip_search import Library, Query
from medclip_search.api import remove
from tests.figures import caption, draw


@pytest.fixture
def read_only_copy(library: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "shared disk" / "library"
    shutil.copytree(library, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    return copy


def without_privilege() -> list[str]:
    """Root may write everywhere: then the readers run without that capability."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("run as root without setpriv (util-linux)")
    return ["setpriv", "--bounding-set=-dac_override"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_several_processes_search_a_read_only_copy(read_only_copy: Path, tmp_path: Path) -> None:
    listing = sorted(path.name for path in read_only_copy.rglob("*"))
    prefix = without_privilege()
    written = subprocess.run([*prefix, "touch", str(read_only_copy / "new")], capture_output=True)
    assert written.returncode != 0, "the copy is writable: this would prove nothing"
    words = [*prefix, sys.executable, "-m", "medclip_search", "search", str(read_only_copy)]
    words += [caption(11), "--json"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    processes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert len({out for out, _ in outputs}) == 1
    assert json.loads(outputs[0][0].splitlines()[0])["id"] == "fig-011"
    assert sorted(path.name for path in read_only_copy.rglob("*")) == listing


def test_a_build_into_a_read_only_folder_is_refused_in_a_line(read_only_copy: Path) -> None:
    words = [*without_privilege(), sys.executable, "-m", "medclip_search", "build"]
    done = subprocess.run([*words, str(read_only_copy)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot be written to" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_threads_share_one_opened_library_while_it_is_followed(library: Path) -> None:
    errors: list[BaseException] = []
    done = threading.Event()
    with Library.open(library) as opened:

        def look() -> None:
            try:
                while not done.is_set():
                    hits = opened.search(Query(text=caption(4), image=draw(4)), 5)
                    assert hits[0].id == "fig-004"
                    opened.thumbnail("fig-004")
                    opened.case("fig-004")
                    opened.refresh()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for seed in (20, 21, 22):
            remove(library, ids=[f"fig-{seed:03d}"], purge=True)
        done.set()
        for thread in threads:
            thread.join()
        assert errors == []
        opened.refresh()
        assert len(opened) == 21
