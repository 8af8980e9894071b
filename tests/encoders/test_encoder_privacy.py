"""The encoder tells nobody that it was used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_encoding_leaves_no_trace_in_the_users_folders(tmp_path: Path) -> None:
    code = (
        "import numpy as np\n"
        "from medclip_search import encoders\n"
        "encoders.load('compact').encode_images(np.zeros((1, 3, 224, 224), np.float32))\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=True,
    )
    assert [str(path) for path in tmp_path.rglob("*")] == []
