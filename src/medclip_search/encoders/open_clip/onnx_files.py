"""A model of open_clip written as ONNX files; needs PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medclip_search.encoders.onnx_writing import write
from medclip_search.encoders.open_clip.network import Layer, Tokens


def write_image(network: Any, size: tuple[int, int], layers: Sequence[Layer], path: Path) -> None:
    """The vision tower: ``pixels`` (n, 3, height, width) to the layers, one output each."""
    import torch

    class Images(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Any) -> tuple[Any, ...]:
            if "trunk" not in layers:
                return (self.network.encode_image(pixels, normalize=False),)
            visual = self.network.visual
            features = visual.trunk(pixels)
            made = {"joint": visual.head(features), "trunk": features}
            return tuple(made[layer] for layer in layers)

    pixels = torch.zeros(2, 3, *size)
    axes = {name: {0: "n"} for name in ("pixels", *layers)}
    write(Images(), {"pixels": pixels}, path, layers, axes)


def write_words(network: Any, tokens: Tokens, path: Path, *, any_length: bool) -> None:
    """The text tower: ``tokens`` (n, context) to the joint layer.

    ``tokens`` are two rows to trace it with; ``any_length`` lets the context be shorter.
    """
    import torch

    class Texts(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, tokens: Any) -> Any:
            return self.network.encode_text(tokens, normalize=False)

    axes = {
        "tokens": {0: "n", 1: "context"} if any_length else {0: "n"},
        "joint": {0: "n"},
    }
    write(Texts(), {"tokens": torch.from_numpy(tokens)}, path, ("joint",), axes)
