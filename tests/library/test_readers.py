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
from medclip_search.api import remove_cases
from medclip_search.library.build import build
from tests.figures import caption, draw


@pytest.fixture
def read_only_copy(library: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "shared disk" / "library"
    shutil.copytree(library, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    return copy


def as_nobody() -> dict[str, int]:
    """Root may write everywhere: then the readers run as the user 'nobody'."""
    return {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_several_processes_search_a_read_only_copy(read_only_copy: Path, tmp_path: Path) -> None:
    listing = sorted(path.name for path in read_only_copy.rglob("*"))
    public = tmp_path
    while public != Path(public.anchor):  # pytest's own folders are for their owner only
        if public.stat().st_uid == os.geteuid() and not public.stat().st_mode & stat.S_IXOTH:
            public.chmod(public.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
        public = public.parent
    words = [sys.executable, "-m", "medclip_search", "search", str(read_only_copy)]
    words += [caption(11), "--like", "fig-003", "--json"]
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": "/tmp"}
    if as_nobody() and not _runs_as_nobody(environment):
        pytest.skip("run as root, and Python cannot be run by another user here")
    processes = [
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **as_nobody()
        )
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert len({out for out, _ in outputs}) == 1
    assert json.loads(outputs[0][0].splitlines()[0])["id"] == "fig-011"
    assert sorted(path.name for path in read_only_copy.rglob("*")) == listing


def _runs_as_nobody(environment: dict[str, str]) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import medclip_search.api"],
            env=environment,
            capture_output=True,
            check=False,
            **as_nobody(),
        )
    except PermissionError:
        return False
    return done.returncode == 0


def test_a_write_to_a_read_only_folder_is_refused_in_a_line(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    library.chmod(0o555)
    from medclip_search.errors import LibraryError

    with pytest.raises(LibraryError, match="cannot be written to"):
        build(library)


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
            remove_cases(library, ids=[f"fig-{seed:03d}"], purge=True)
        done.set()
        for thread in threads:
            thread.join()
        assert errors == []
        opened.refresh()
        assert len(opened) == 21
