"""MedCPT's cross-encoder by its name: downloaded once, then no word to the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medclip_search.encoders.cross_encoder.source import MEDCPT
from tests.encoders.hub_server import CLOSED, small_hub

pytestmark = pytest.mark.usefixtures("rerank_extra")

CODE = """
import sys
from medclip_search.encoders.cross_encoder import load
from medclip_search.errors import EncoderError
try:
    print(load(sys.argv[1]).score("mass", ["ct shows mass"]).round(3))
except EncoderError as error:
    print(f"{type(error).__name__}: {error}")
"""


def reader(home: Path, endpoint: str, model: str = MEDCPT) -> str:
    """What a program prints that loads the model and scores a pair; it prints nothing beside."""
    own = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "XDG_DATA_HOME": str(home / "data")}
    tells = ("HF_", "DISABLE_TELEMETRY")
    left = {k: v for k, v in os.environ.items() if not k.upper().startswith(tells)}
    left = {k: v for k, v in left.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, model],
        env=left | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_downloaded_once_then_offline(tiny_cross_encoder: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    with small_hub(tiny_cross_encoder, [MEDCPT], asked) as address:
        first = reader(tmp_path, address)
        assert first.startswith("[")
        assert asked
        assert "telemetry" not in "".join(asked)
        assert not any("torch/" in one for one in asked)  # what is installed here is not told
        asked.clear()
        assert reader(tmp_path, address) == first
        assert asked == []


def test_where_it_cannot_be_had(tiny_cross_encoder: Path, tmp_path: Path) -> None:
    assert reader(tmp_path, CLOSED) == (
        f"EncoderUnavailableError: hf-hub:{MEDCPT}: not in the cache, and no network here; on a "
        f"machine that has one run 'hf download {MEDCPT} --local-dir DIR' and copy the folder, "
        "then give --rerank DIR, or set HF_HOME to a cache that has it"
    )
    with small_hub(tiny_cross_encoder, [MEDCPT], []) as address:
        said = reader(tmp_path, address, "nobody/nothing")
    assert "hf-hub:nobody/nothing: there is no such model, or it is private" in said
