"""What an encoder is: pixels and words to vectors, in one or more embedding spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space: a named vector space made by one layer of one encoder.

    ``embeds_words`` is true only where words and images share the space (a joint space);
    where it is false, words are answered by the captions alone. ``centred`` says whether cosine
    is taken after the library's own mean is subtracted, and the directions that its captions tell
    are stretched (good for pooled features of a network that saw no medical figures).

    ``holds`` says of what the rows are vectors: images, or captions as a space of their own; those
    are the words' vectors of the joint space that ``joint`` names, and words ask them.
    ``ready_made`` is true where the vectors came with a table and nobody said which encoder made
    them: such a space is asked by a vector or by liked cases alone.
    """

    name: str
    dimension: int
    embeds_words: bool = False
    centred: bool = False
    holds: Literal["images", "captions"] = "images"
    joint: str = ""
    ready_made: bool = False


def caption_space(joint: Space) -> Space:
    """The space of the captions' vectors beside a joint space: ``biomedclip-captions``."""
    return replace(joint, name=f"{joint.name}-captions", holds="captions", joint=joint.name)


Runtime = Literal["auto", "torch", "onnx", "int8"]
"""What runs a network: PyTorch, ONNX Runtime on an exported model, or that with 8-bit weights.

``auto`` takes PyTorch where there is a GPU, else an exported model where there is one."""

RUNTIMES: tuple[Runtime, ...] = ("auto", "torch", "onnx", "int8")


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Which encoder, as the user named it and as a library remembers it.

    ``model`` is a folder, or a name that the encoder knows (``hf-hub:…``); ``None`` is the
    encoder's own. ``spaces`` are those wanted, all where it is empty. ``called`` is what the
    model's spaces are called after, by default the model's own name: a library remembers it, so
    that a model that was moved or renamed keeps its spaces.
    """

    name: str
    model: str | None = None
    spaces: tuple[str, ...] = ()
    runtime: Runtime = "auto"
    called: str = ""


class Encoder(Protocol):
    """Pixels (and for joint spaces words) to vectors.

    ``called`` is what its spaces are called after (``EncoderSpec``). ``fingerprint`` is the
    SHA-256 over weights and preprocessing: a library refuses another. ``preprocess`` is called
    in decoding threads, ahead of ``encode_images``, and must be thread-safe; ``encode_images`` is
    called from one thread, with up to ``batch_size`` images.
    """

    name: str
    called: str
    spaces: tuple[Space, ...]
    fingerprint: str
    batch_size: int

    def preprocess(self, image: Image.Image) -> Floats:
        """One upright 8-bit image (mode ``L`` or ``RGB``) to the network's input, (C, H, W)."""
        ...

    def encode_images(self, batch: Floats) -> Mapping[str, Floats]:
        """(n, C, H, W) to raw vectors, (n, dimension) float32, for each space by its name."""
        ...

    def encode_words(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        """Texts to raw vectors for each joint space; empty where no space embeds words."""
        ...
