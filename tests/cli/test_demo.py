"""The demonstration: two searches in the terminal, then the app, without a screen or a hub."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path


def test_demo_searches_twice_and_serves(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "MEDCLIP_STATE": str(tmp_path / "state")}
    process = subprocess.Popen(
        [sys.executable, "-m", "medclip_search", "demo", "--port", "0"],
        env={k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        said = ""
        while not (address := re.search(r"http://127\.0\.0\.1:\d+", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        words, image = said.split("\n$ ")[1:]
        assert "by words" in words
        assert "--image" in image.splitlines()[0]
        assert "1st by image likeness (1.00)" in image
        assert said.count("Not for diagnosis") == 2
        with urllib.request.urlopen(f"{address[0]}/api/v1/health") as answer:
            assert json.load(answer)["cases"] >= 24
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
