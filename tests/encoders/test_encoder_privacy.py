"""The encoder tells nobody that it was used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def program(code: str, home: Path, *given: object) -> None:
    """Run a program in an empty home, with no setting of ours or of ONNX Runtime's."""
    own = ("XDG_", "ORT_", "HF_", "TORCH", "PYTORCH")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    places = {"HOME": home, "TMPDIR": home, "XDG_CACHE_HOME": home / ".cache"}
    subprocess.run(
        [sys.executable, "-c", code, *map(str, given)],
        env=environment | {key: str(place) for key, place in places.items()},
        check=True,
    )


def test_encoding_leaves_no_trace_in_the_users_folders(tmp_path: Path) -> None:
    code = (
        "import numpy as np\n"
        "from medclip_search import encoders\n"
        "encoders.load('compact').encode_images(np.zeros((1, 3, 288, 288), np.float32))\n"
    )
    program(code, tmp_path)
    assert [str(path) for path in tmp_path.rglob("*")] == []


def test_exporting_to_8_bits_leaves_no_trace(tiny_clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from medclip_search.encoders import EncoderSpec\n"
        "from medclip_search.encoders.open_clip.export import export\n"
        "export(EncoderSpec('open_clip', sys.argv[1]), Path(sys.argv[2]), int8=True)\n"
    )
    home, made = tmp_path / "home", tmp_path / "made"
    home.mkdir()
    program(code, home, tiny_clip, made)
    assert (made / "image.int8.onnx").is_file()
    left = [path for path in home.rglob("*") if path.name.partition("_")[0] != "torchinductor"]
    assert left == []  # that one is PyTorch's, made where temporary files go, and empty
