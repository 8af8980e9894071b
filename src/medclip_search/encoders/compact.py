"""`compact`: EfficientNet-Lite0 without its classifier, run by ONNX Runtime; images only.

The network was trained on photographs, not on medical figures, and knows no words. It is small
(13 MB), free (Apache-2.0) and comes with the package, so that a library can be built offline.

Source: M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", ICML 2019, arXiv:1905.11946. The file is made by ``tools/export_compact.py``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
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

_SIDE = 224
_MEAN, _SCALE = 127.0, 128.0  # of the TensorFlow weights; ImageNet's mean and std do no better
_PREPROCESSING = {
    "fit": "bicubic, long side to 224, centred on a square of the median of the edges it extends",
    "normalise": [_MEAN, _SCALE],
    "input": "float32 RGB CHW",
}
_REINSTALL = "pip install --force-reinstall --no-deps medclip-search"


class CompactEncoder:
    """EfficientNet-Lite0's averaged features, 1280-D, as an ``Encoder``.

    The weights are checked against their SHA-256 when the encoder is made; the network itself is
    loaded at its first use. Raises ``EncoderError`` where the file is missing or damaged, or
    where ONNX Runtime is absent. All methods may be called from several threads.
    """

    name = "compact"
    called = "compact"
    spaces: tuple[Space, ...] = (SPACE,)
    batch_size = 32

    def __init__(self, weights: Path = WEIGHTS) -> None:
        require_onnxruntime(self.name)
        self._weights = weights
        digest = _checked_digest(weights)
        described = json.dumps(_PREPROCESSING, sort_keys=True)
        self.fingerprint = hashlib.sha256(f"{digest}\n{described}".encode()).hexdigest()
        self._session: Any = None
        self._loading = threading.Lock()

    def preprocess(self, image: Image.Image) -> Floats:
        """One picture, fitted into a 224 px square: (3, 224, 224) float32, about -1 to 1."""
        if image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        pixels = (_fit(image).astype(np.float32) - _MEAN) / _SCALE
        if pixels.ndim == 2:
            return np.repeat(pixels[None], 3, axis=0)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def encode_images(self, batch: Floats) -> Mapping[str, Floats]:
        """(n, 3, 224, 224) to ``{"compact": (n, 1280)}``, float32.

        On a CPU the pictures go one at a time: that is a third faster than together, for the
        activations stay in the cache, and a vector cannot depend on its neighbours, so that
        a build that was interrupted and resumed gives the same answers.
        """
        session = self._network()
        step = max(1, len(batch)) if is_on_gpu(session) else 1
        vectors = np.empty((len(batch), SPACE.dimension), dtype=np.float32)
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            vectors[part] = session.run(None, {"pixels": batch[part]})[0]
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


def _fit(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture with its long side at 224 px, centred on a square, uint8 (H, W) or (H, W, 3).

    The bars take the median colour of the two edges they extend, so that they blend with the
    black around a scan as with the white around a drawing.
    """
    longest = max(image.size)
    width, height = (max(1, round(side * _SIDE / longest)) for side in image.size)
    small = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    if width == height:
        return small
    edges = small[[0, -1]] if width > height else small[:, [0, -1]]
    bars = np.median(edges, axis=(0, 1)).astype(np.uint8)
    square = np.empty((_SIDE, _SIDE, *small.shape[2:]), dtype=np.uint8)
    square[:] = bars
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[top : top + height, left : left + width] = small
    return square
