"""A cross-encoder under PyTorch, loaded by transformers from files on this machine, in silence."""

from __future__ import annotations

import contextlib
import inspect
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from medclip_search.encoders.base import Floats
from medclip_search.encoders.cross_encoder.pairs import INPUTS, Pairs, log_odds
from medclip_search.encoders.cross_encoder.source import INSTALL, Source, require_packages
from medclip_search.encoders.open_clip.torch_loading import explained
from medclip_search.encoders.open_clip.torch_runtime import device, share_cores
from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops
from medclip_search.errors import EncoderError, EncoderUnavailableError

BATCH = {"cpu": 4, "mps": 16, "cuda": 64}


class TorchCrossEncoder:
    """A model for sequence classification of transformers: on CUDA in mixed precision."""

    def __init__(self, source: Source, on: str | None = None) -> None:
        """Loads the weights. ``on`` is a device, the best by default.

        Raises ``EncoderUnavailableError``.
        """
        self.name = source.label
        self.network, self.pairs = load_torch(source)
        self.takes = taken(self.network)
        self.device = on or device()
        self.batch_size = BATCH[self.device]
        self.network.to(self.device)
        share_cores(self.device)

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """(n,) log-odds, of all pairs at once. Raises ``EncoderError``."""
        import torch

        tokens = self.pairs(query, texts)
        half = (
            torch.autocast("cuda", torch.float16)
            if self.device == "cuda"
            else contextlib.nullcontext()
        )
        try:
            with torch.inference_mode(), half:
                given = {
                    name: torch.from_numpy(tokens[name]).to(self.device) for name in self.takes
                }
                return log_odds(self.network(**given).logits.float().cpu().numpy())
        except Exception as error:  # the devices share no exception
            reason = str(error).strip().partition("\n")[0]
            raise EncoderError(
                f"{self.name}: PyTorch failed on {self.device} ({reason})"
            ) from error


def load_torch(source: Source, **options: Any) -> tuple[Any, Pairs]:
    """The network, in evaluation mode on the CPU, and its tokenizer. Asks no network.

    No program that comes with a model is run, and of a pickle nothing but tensors is opened.
    Raises ``EncoderUnavailableError``.
    """
    require_packages(source.label)
    local = {"local_files_only": True, "trust_remote_code": False}
    with _silence(), explained(f"{source.label}: PyTorch cannot be imported", INSTALL):
        declare_missing_ops()
        import transformers
    with _silence(), explained(f"{source.weights}: cannot be loaded"):
        network, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(source.folder), output_loading_info=True, **local, **options
        )
    if absent := sorted(info["missing_keys"]):
        raise EncoderUnavailableError(
            f"{source.weights}: has no {absent[0]}, which a cross-encoder needs; give another model"
        )
    with _silence(), explained(f"{source.label}: its tokenizer cannot be loaded"):
        theirs = transformers.AutoTokenizer.from_pretrained(str(source.folder), **local)
        tokenizer = theirs.backend_tokenizer
    return network.eval().requires_grad_(False), Pairs(tokenizer, source.length, source.padding)


def taken(network: Any) -> tuple[str, ...]:
    """Those of ``INPUTS`` that a network takes."""
    known = inspect.signature(network.forward).parameters
    return tuple(name for name in INPUTS if name in known)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Neither warnings nor bars nor reports of transformers."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns at each fork
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(before)
            if bars:
                logging.enable_progress_bar()
