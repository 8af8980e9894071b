"""What runs a CLIP model: PyTorch (``torch_runtime``) or ONNX Runtime (``onnx_runtime``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Floats

Layer = Literal["joint", "trunk"]
"""``joint`` is what ``encode_image`` gives and words can be compared with, not normalised;
``trunk`` is what the vision tower's trunk gives before the projection."""

Tokens = NDArray[np.int64]


class Network(Protocol):
    """A loaded model. Called from one thread at a time.

    ``dimensions`` are those of the layers it has; ``batch_size`` is how many images it likes at
    once; ``device`` is ``cpu``, ``cuda`` or ``mps``.
    """

    dimensions: Mapping[Layer, int]
    batch_size: int
    device: str

    def images(self, batch: Floats, layers: Sequence[Layer]) -> Mapping[Layer, Floats]:
        """(n, 3, H, W) float32 to (n, dimension) float32 for each layer asked for."""
        ...

    def words(self, tokens: Tokens) -> Floats:
        """(n, context) token ids, padded, to (n, dimension of joint) float32."""
        ...
