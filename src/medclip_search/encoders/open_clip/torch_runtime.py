"""A CLIP model under PyTorch: on CUDA in mixed precision, elsewhere in float32."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.encoders.base import Floats
from medclip_search.encoders.open_clip.network import Layer, Tokens
from medclip_search.encoders.open_clip.source import Source
from medclip_search.encoders.open_clip.torch_loading import Model, load
from medclip_search.errors import EncoderError

BATCH = {"cpu": 16, "mps": 64, "cuda": 128}


def likely_gpu() -> bool:
    """Whether it is worth asking PyTorch for a GPU; PyTorch takes seconds to import."""
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    drivers = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
    return any(Path(one).exists() for one in drivers) or shutil.which("nvidia-smi") is not None


def device() -> str:
    """``cuda``, ``mps`` or ``cpu``: the best that PyTorch finds."""
    if not likely_gpu():
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def share_cores(device: str) -> None:
    """No more threads than this process may use cores, some of which decode meanwhile."""
    if device != "cpu" or not hasattr(os, "sched_getaffinity"):
        return
    import torch

    cores = len(os.sched_getaffinity(0))
    if torch.get_num_threads() > cores:
        torch.set_num_threads(cores)


class TorchNetwork:
    """A model of open_clip, as a ``Network``.

    On CUDA it runs in float16, and again in float32 from the first number that is not finite
    (float16 keeps three more bits than bfloat16, and a CLIP model's numbers fit it). Where memory
    does not suffice, the batch is halved and the rest goes on.
    """

    def __init__(self, source: Source, on: str | None = None) -> None:
        """Loads the weights. ``on`` is a device, the best by default.

        Raises ``EncoderUnavailableError``.
        """
        model: Model = load(source)
        self.device = on or device()
        self.batch_size = BATCH[self.device]
        self.tokens = model.tokens
        self.tokenizer = model.tokenizer
        self.dimensions: Mapping[Layer, int] = {"joint": source.dimension}
        if source.timm_trunk is not None:
            trunk = int(model.network.visual.trunk.num_features)
            self.dimensions = {**self.dimensions, "trunk": trunk}
        self._label = source.label
        self._padding = model.network.text.config.pad_token_id if source.text else None
        self.most_at_once = self.batch_size  # images or texts at once; less once memory ran out
        self.mixed = self.device == "cuda"
        self.network = model.network.to(self.device)
        share_cores(self.device)

    def images(self, batch: Floats, layers: Sequence[Layer]) -> Mapping[Layer, Floats]:
        """(n, 3, H, W) float32 to (n, dimension) float32 for each layer asked for."""

        def run(pixels: Any) -> list[Any]:
            if "trunk" not in layers:
                return [self.network.encode_image(pixels, normalize=False)]
            visual = self.network.visual
            features = visual.trunk(pixels)
            return [visual.head(features) if one == "joint" else features for one in layers]

        found = self._in_parts(batch, run, [self.dimensions[layer] for layer in layers])
        return dict(zip(layers, found, strict=True))

    def words(self, tokens: Tokens) -> Floats:
        """(n, context) token ids, padded, to (n, dimension of joint) float32."""
        if self._padding is not None and len(tokens):
            # A text tower of transformers ignores the padding, which is most of the work.
            used = np.flatnonzero((tokens != self._padding).any(axis=0))
            tokens = tokens[:, : used[-1] + 1 if len(used) else 1]
        return self._in_parts(
            tokens,
            lambda part: [self.network.encode_text(part, normalize=False)],
            [self.dimensions["joint"]],
        )[0]

    def _in_parts(
        self, rows: Floats | Tokens, run: Callable[[Any], list[Any]], widths: Sequence[int]
    ) -> list[Floats]:
        vectors = [np.empty((len(rows), width), dtype=np.float32) for width in widths]
        start = 0
        while start < len(rows):
            part = rows[start : start + self.most_at_once]
            made = self._run(part, run)
            if made is None:
                self._halve(len(part))
                continue
            if self.mixed and not all(np.isfinite(one).all() for one in made):
                self.mixed = False
                continue
            for whole, one in zip(vectors, made, strict=True):
                whole[start : start + len(part)] = one
            start += len(part)
        return vectors

    def _run(self, part: Floats | Tokens, run: Callable[[Any], list[Any]]) -> list[Floats] | None:
        """Numbers in, numbers out; ``None`` where the device's memory does not suffice."""
        import torch

        try:
            half = torch.autocast(self.device, torch.float16) if self.mixed else nullcontext()
            with torch.inference_mode(), half:
                rows = torch.from_numpy(np.ascontiguousarray(part))
                if self.device == "cuda":
                    rows = rows.pin_memory().to(self.device, non_blocking=True)
                else:
                    rows = rows.to(self.device)
                return [one.float().cpu().numpy() for one in run(rows)]
        except Exception as error:  # CUDA has a class for it; MPS and the CPU only words
            said = str(error).lower()
            if "out of memory" in said or "can't allocate memory" in said:
                return None
            reason = str(error).strip().partition("\n")[0]
            raise EncoderError(
                f"{self._label}: PyTorch failed on {self.device} ({reason}); try --runtime onnx, "
                "or CUDA_VISIBLE_DEVICES=-1 for the CPU"
            ) from error

    def _halve(self, size: int) -> None:
        import torch

        if size == 1:
            raise EncoderError(
                f"{self._label}: the memory of the {self.device} does not suffice for one picture; "
                "end what else uses it, or set CUDA_VISIBLE_DEVICES=-1 to leave the GPU out"
            )
        self.most_at_once = size // 2
        if self.device == "cuda":
            torch.cuda.empty_cache()
