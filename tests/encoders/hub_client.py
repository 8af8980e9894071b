"""A program of its own that makes an encoder with files of a hub.

The hub's library reads its settings when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
FILES = (
    "open_clip_config.json",
    "open_clip_pytorch_model.bin",
    "tokenizer.json",
    "tokenizer_config.json",
)

CODE = """
import sys
from medclip_search import encoders
from medclip_search.errors import EncoderError
spec = encoders.EncoderSpec(sys.argv[1], sys.argv[2] or None, tuple(sys.argv[3].split()), "torch")
try:
    made = encoders.load(spec)
    print(made.fingerprint, *(one.name for one in made.spaces))
except EncoderError as error:
    print(f"{type(error).__name__}: {error}")
"""


def encoder(
    home: Path,
    endpoint: str,
    name: str = "biomedclip",
    model: str = "",
    spaces: str = "biomedclip",
    within: Sequence[str] = (),
    **settings: str,
) -> tuple[str, str]:
    """What a program that makes the encoder prints, on its output and beside it.

    ``within`` is a command that runs the program.
    """
    own = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "XDG_CACHE_HOME": str(home / "own")}
    tells = ("HF_", "DISABLE_TELEMETRY")
    left = {k: v for k, v in os.environ.items() if not k.upper().startswith(tells)}
    left = {k: v for k, v in left.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(
        [*within, sys.executable, "-c", CODE, name, model, spaces],
        env=left | own | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip(), done.stderr
