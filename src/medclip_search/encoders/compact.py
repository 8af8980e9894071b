"""`compact`: EfficientNet-Lite0 without its classifier, run by ONNX Runtime; images only.

The network was trained on photographs, not on medical figures, and knows no words. It is small
(13 MB), free (Apache-2.0) and comes with the package, so that a library can be built offline.

It was trained at 224 px, and sees pictures at 288, for what training enlarges by its random crops
looks as large there (FixRes: H. Touvron et al., NeurIPS 2019, arXiv:1906.06423). Its last feature
map is pooled by generalised means of power 3 (GeM: F. Radenović, G. Tolias and O. Chum, TPAMI 2019,
arXiv:1711.02512).

Source: M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", ICML 2019, arXiv:1905.11946. The file is made by ``tools/export_compact.py``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medclip_search.encoders.base import Floats, Space
from medclip_search.encoders.onnx_session import is_on_gpu, open_session, require_onnxruntime
from medclip_search.errors import EncoderError

WEIGHTS = Path(__file__).parent / "weights" / "efficientnet_lite0.onnx"
SPACE = Space("compact", 1280, embeds_words=False, centred=True)
LICENCE = "Apache-2.0"

_MEAN, _SCALE = 127.0, 128.0  # of the TensorFlow weights; ImageNet's mean and std do no better


@dataclass(frozen=True, slots=True)
class Version:
    """One way in which this program has made vectors by the network.

    ``output`` names the network's pooling, ``weights`` the SHA-256 of the file that first made
    such vectors where a later file makes the same, and is empty where the file is the one here.
    """

    side: int
    output: str
    weights: str = ""

    def fingerprint(self, digest: str) -> str:
        """SHA-256 over weights (whose own is ``digest``), preprocessing and pooling."""
        described: dict[str, Any] = {
            "fit": f"bicubic, long side to {self.side}, centred on a square of the median of the "
            "edges it extends",
            "normalise": [_MEAN, _SCALE],
            "input": "float32 RGB CHW",
        }
        if self.output != "averaged":
            described["pooling"] = self.output
        text = json.dumps(described, sort_keys=True)
        return hashlib.sha256(f"{self.weights or digest}\n{text}".encode()).hexdigest()


NOW = Version(288, "gem")
FIRST = Version(224, "averaged", "13387a7311611805d704cfc1bf091a1b2a5a364e6b53dfa2129db399fe8e9f55")
"""Until November 2026: libraries of that time are asked, and grow, with these vectors."""

_REINSTALL = "pip install --force-reinstall --no-deps medclip-search"


class CompactEncoder:
    """EfficientNet-Lite0's pooled features, 1280-D, as an ``Encoder``.

    The weights are checked against their SHA-256 when the encoder is made; the network itself is
    loaded at its first use. Raises ``EncoderError`` where the file is missing or damaged, or
    where ONNX Runtime is absent. All methods may be called from several threads.
    """

    name = "compact"
    called = "compact"
    spaces: tuple[Space, ...] = (SPACE,)
    batch_size = 32

    def __init__(self, weights: Path = WEIGHTS, version: Version = NOW) -> None:
        require_onnxruntime(self.name)
        self._weights = weights
        self.version = version
        self.fingerprint = version.fingerprint(_checked_digest(weights))
        self._session: Any = None
        self._loading = threading.Lock()

    @classmethod
    def that_made(cls, fingerprint: str) -> CompactEncoder:
        """The version whose fingerprint a library remembers; today's where no version has it."""
        return cls(version=FIRST) if fingerprint == FIRST.fingerprint("") else cls()

    def preprocess(self, image: Image.Image) -> Floats:
        """One picture, fitted into a square: (3, 288, 288) float32, about -1 to 1."""
        if image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        pixels = (_fit(image, self.version.side).astype(np.float32) - _MEAN) / _SCALE
        if pixels.ndim == 2:
            return np.repeat(pixels[None], 3, axis=0)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def encode_images(self, batch: Floats) -> Mapping[str, Floats]:
        """(n, 3, 288, 288) to ``{"compact": (n, 1280)}``, float32.

        On a CPU the pictures go one at a time: together they are as fast on an idle machine, and a
        third slower on a busy one, whose cache their activations do not fit; and a vector cannot
        depend on its neighbours, so that a build that was interrupted and resumed gives the same
        answers.
        """
        session = self._network()
        step = max(1, len(batch)) if is_on_gpu(session) else 1
        vectors = np.empty((len(batch), SPACE.dimension), dtype=np.float32)
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            vectors[part] = session.run([self.version.output], {"pixels": batch[part]})[0]
        return {SPACE.name: vectors}

    def encode_words(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        """Nothing: this encoder cannot embed words."""
        return {}

    def _network(self) -> Any:
        with self._loading:
            if self._session is None:
                self._session = open_session(self._weights, self.name)
            return self._session


def _checked_digest(weights: Path) -> str:
    """SHA-256 of the weights, which must be the one written beside them."""
    try:
        expected = Path(f"{weights}.sha256").read_text(encoding="ascii").split()[0]
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, IndexError) as error:
        raise EncoderError(
            f"encoder compact: {weights} or its checksum cannot be read; {_REINSTALL}"
        ) from error
    if digest != expected:
        raise EncoderError(
            f"encoder compact: {weights} is damaged (its SHA-256 differs); {_REINSTALL}"
        )
    return digest


def _fit(image: Image.Image, most: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture with its long side at ``most`` px, centred on a square: uint8, (H, W[, 3]).

    The bars take the median colour of the two edges they extend, so that they blend with the
    black around a scan as with the white around a drawing.
    """
    longest = max(image.size)
    width, height = (max(1, round(side * most / longest)) for side in image.size)
    small = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    if width == height:
        return small
    edges = small[[0, -1]] if width > height else small[:, [0, -1]]
    bars = np.median(edges, axis=(0, 1)).astype(np.uint8)
    square = np.empty((most, most, *small.shape[2:]), dtype=np.uint8)
    square[:] = bars
    top, left = (most - height) // 2, (most - width) // 2
    square[top : top + height, left : left + width] = small
    return square
