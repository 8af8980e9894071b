"""A served library, as a process of its own, and a real browser to look at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

START_S = 60


@dataclass
class Served:
    """`medclip-search serve` over a library, restarted at will with the same state.

    ``before`` is Python that its process runs first.
    """

    library: Path
    state: Path
    before: str = ""
    process: subprocess.Popen[str] | None = field(default=None)
    addresses: list[str] = field(default_factory=list[str])

    @property
    def address(self) -> str:
        """Where it answers now; each start takes a free port, or the one that it is told."""
        return self.addresses[-1]

    def start(self, port: int = 0) -> None:
        command = [sys.executable, "-c", self.before + _SERVE, str(self.library), str(port)]
        environment = os.environ | {"MEDCLIP_STATE": str(self.state), "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"no address printed, but: {line}"
        self.addresses.append(found[0])

    def stop(self) -> tuple[int, str]:
        """Ctrl-C; gives the exit status and what was printed after the address."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            rest, _ = self.process.communicate(timeout=20)
        finally:
            self.process.kill()
        status, self.process = self.process.returncode, None
        return status, rest


# No file that the server writes may grow beyond 1 MB: an upload that reached the disk would fail.
_SERVE = """
import resource, sys
from medclip_search.server.main import serve
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
serve(sys.argv[1], port=int(sys.argv[2]))
"""


Draw = Callable[[Path, str, str, int], Path]


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Draws a picture with its caption into a folder: ``draw(folder, name, caption, seed)``."""
    return _draw


def _draw(folder: Path, name: str, caption: str, seed: int) -> Path:
    """Write one picture of random blots, the same for the same seed, and its caption."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
    path = folder / f"{name}.png"
    coarse.resize((320, 280), Image.Resampling.BICUBIC).save(path)
    path.with_suffix(".txt").write_text(caption, "utf-8")
    return path


SUBJECTS = ["Axial CT of the chest", "Sagittal MRI of the head", "Ultrasound of the abdomen"]
DETAILS = ["small nodule", "large nodule", "cyst & <b>wall</b>", "normal anatomy"]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the library is built of: a dozen pictures with captions."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(12):
        subject, detail = SUBJECTS[seed % 3], DETAILS[seed // 3]
        _draw(folder, f"figure {seed}", f"{subject} showing {detail}, number {seed}", seed)
    return folder


@pytest.fixture
def served(built: Path, tmp_path: Path) -> Iterator[Served]:
    """A server over a library of the test's own."""
    shutil.copytree(built, tmp_path / "library")
    serving = Served(tmp_path / "library", tmp_path / "state")
    serving.start()
    yield serving
    if serving.process is not None:
        status, printed = serving.stop()
        assert not printed, printed
        assert status == 0


@pytest.fixture(scope="session")
def built(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library built of the pictures; copied by those who change it."""
    path = tmp_path_factory.mktemp("built") / "library"
    build(path, [CorpusSpec("folder", pictures, "folder")])
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """The app's page, opened; any script error in it fails the test."""
    with looking(browser, served) as opened:
        yield opened


@contextmanager
def looking(browser: Browser, served: Served) -> Iterator[Page]:
    """The page of a server, opened in a browser that was never there."""
    errors: list[str] = []
    elsewhere: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))

    def watch(address: str) -> None:
        if not address.startswith((*served.addresses, "data:", "blob:")):
            elsewhere.append(address)

    opened.on("request", lambda request: watch(request.url))
    opened.goto(served.address)
    expect(opened.get_by_test_id("stChatInput")).to_be_visible(timeout=START_S * 1000)
    yield opened
    context.close()
    assert errors == []
    assert elsewhere == [], "the page asks somebody else"
