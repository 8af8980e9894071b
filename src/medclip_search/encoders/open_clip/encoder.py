"""Any model of open_clip as an ``Encoder``; BiomedCLIP is one with a name of its own.

BiomedCLIP: S. Zhang et al., "A Multimodal Biomedical Foundation Model Trained from Fifteen
Million Image-Text Pairs", NEJM AI 2025, doi:10.1056/AIoa2400640; arXiv:2303.00915.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from medclip_search.encoders.base import Floats, Space
from medclip_search.encoders.open_clip.network import Layer, Network, Tokens
from medclip_search.encoders.open_clip.preprocess import Preprocessing
from medclip_search.errors import UsageError


class Model(Network, Protocol):
    """A network with its tokenizer."""

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Texts to (n, context) token ids, padded."""
        ...


@dataclass(frozen=True)
class Plan:
    """A model that was found, and how to load it.

    ``dimensions`` maps its layers to functions that tell how wide they are, for that of a trunk
    takes time to find.
    """

    name: str
    fingerprint: str
    preprocessing: Preprocessing
    dimensions: Mapping[Layer, Callable[[], int]]
    batch_size: int
    load: Callable[[], Model]

    def layers(self) -> dict[str, Layer]:
        """Its layers by the names of their spaces: ``NAME`` and ``NAME-trunk``."""
        return {
            self.name if layer == "joint" else f"{self.name}-{layer}": layer
            for layer in self.dimensions
        }


class OpenClipEncoder:
    """Images in one or two spaces, words in the joint one; vectors are not normalised.

    The network is loaded when it is first needed. ``preprocess`` may be called from any thread,
    the rest from one at a time.
    """

    def __init__(self, name: str, plan: Plan, spaces: Sequence[str] = ()) -> None:
        """``spaces`` are those wanted, all by default; raises ``UsageError`` for another."""
        known = plan.layers()
        for space in spaces:
            if space not in known:
                raise UsageError(
                    f"--spaces {space}: the encoder {name} has no such space; choose from: "
                    f"{', '.join(known)}"
                )
        self.name = name
        self.called = plan.name
        self.fingerprint = plan.fingerprint
        self.batch_size = plan.batch_size
        self._layers = {one: layer for one, layer in known.items() if not spaces or one in spaces}
        self.spaces = tuple(
            Space(one, plan.dimensions[layer](), embeds_words=layer == "joint")
            for one, layer in self._layers.items()
        )
        self._plan = plan
        self._loading = threading.Lock()
        self._loaded: Model | None = None

    def preprocess(self, image: Image.Image) -> Floats:
        """One picture as the model was trained to see it: (3, H, W) float32, normalised."""
        return self._plan.preprocessing(image)

    def encode_images(self, batch: Floats) -> Mapping[str, Floats]:
        """(n, 3, H, W) to (n, dimension) float32 for each space."""
        made = self._model().images(batch, tuple(self._layers.values()))
        return {space: made[layer] for space, layer in self._layers.items()}

    def encode_words(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        """Texts to (n, dimension) float32 for the joint space, where it was chosen."""
        joint = [space for space in self.spaces if space.embeds_words]
        if not joint:
            return {}
        if not texts:
            return {joint[0].name: np.empty((0, joint[0].dimension), dtype=np.float32)}
        model = self._model()
        return {joint[0].name: model.words(model.tokens(texts))}

    def _model(self) -> Model:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._plan.load()
            return self._loaded
