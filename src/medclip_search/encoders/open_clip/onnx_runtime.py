"""An exported CLIP model under ONNX Runtime: neither PyTorch nor open_clip is needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.encoders.base import Floats
from medclip_search.encoders.onnx_session import (
    is_on_gpu,
    offers_gpu,
    open_session,
    require_onnxruntime,
)
from medclip_search.encoders.open_clip.exported import Tower, network_name, read_exported
from medclip_search.encoders.open_clip.network import Layer, Tokens
from medclip_search.encoders.open_clip.words import Words

_ON_CPU, _ON_GPU = 16, 128


class OnnxNetwork:
    """A folder that ``export`` wrote, as a ``Network``.

    Sizes are checked when it is made, each file's SHA-256 when it is first used, and then its
    network is loaded. Raises ``EncoderError`` where a file is damaged, and
    ``EncoderUnavailableError`` where one is missing or ONNX Runtime is.
    """

    def __init__(self, folder: Path, int8: bool = False) -> None:
        self._exported = read_exported(folder)
        self._description = self._exported.description
        require_onnxruntime(self._description.name)
        self._int8 = int8
        if int8 and not self._exported.has_int8:
            self._exported.checked(network_name("image", int8=True))
        on_gpu = offers_gpu()
        self.dimensions: Mapping[Layer, int] = self._description.dimensions
        self.batch_size = _ON_GPU if on_gpu else _ON_CPU
        self.device = "cuda" if on_gpu else "cpu"
        self._sessions: dict[Tower, Any] = {}
        self._words: Words | None = None
        self._loading = threading.Lock()

    def images(self, batch: Floats, layers: Sequence[Layer]) -> Mapping[Layer, Floats]:
        """(n, 3, H, W) float32 to (n, dimension) float32 for each layer asked for.

        On a CPU they go one at a time: together they are no faster, and so a vector cannot
        depend on its neighbours.
        """
        session = self._session("image")
        step = self.batch_size if is_on_gpu(session) else 1
        found: dict[Layer, Floats] = {
            layer: np.empty((len(batch), self.dimensions[layer]), dtype=np.float32)
            for layer in layers
        }
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            made = session.run(list(layers), {"pixels": batch[part]})
            for layer, vectors in zip(layers, made, strict=True):
                found[layer][part] = vectors
        return found

    def words(self, tokens: Tokens) -> Floats:
        """(n, context) token ids, padded, to (n, dimension of joint) float32."""
        session = self._session("words")
        step = self.batch_size if is_on_gpu(session) else 1
        found = np.empty((len(tokens), self.dimensions["joint"]), dtype=np.float32)
        for start in range(0, len(tokens), step):
            part = self._without_padding(tokens[start : start + step])
            found[start : start + step] = session.run(["joint"], {"tokens": part})[0]
        return found

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Texts to (n, context) token ids, padded, as open_clip makes them."""
        with self._loading:
            if self._words is None:
                self._words = self._exported.words()
        return self._words(texts)

    def _without_padding(self, tokens: Tokens) -> Tokens:
        """The columns up to the last that counts: most of BERT's 256 are padding."""
        if self._description.padding is None:
            return tokens
        used = np.flatnonzero((tokens != self._description.padding).any(axis=0))
        return np.ascontiguousarray(tokens[:, : used[-1] + 1 if len(used) else 1])

    def _session(self, tower: Tower) -> Any:
        with self._loading:
            if tower not in self._sessions:
                path = self._exported.checked(network_name(tower, int8=self._int8))
                self._sessions[tower] = open_session(path, self._description.name)
            return self._sessions[tower]
