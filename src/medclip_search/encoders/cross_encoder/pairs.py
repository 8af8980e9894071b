"""What a cross-encoder is, and the pairs it reads, as tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Floats
from medclip_search.errors import EncoderError, EncoderUnavailableError

Tokens = NDArray[np.int64]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a network may take, in this order; not each takes the last."""

TEXTS: tuple[tuple[str, Sequence[str]], ...] = (
    ("pleural effusion", ("", "CT", "Chest radiograph showing a right-sided pleural effusion.")),
    (
        "diabetes treatment",
        ("Diabetes mellitus: a review of its current treatment " * 60,),
    ),
    ("no pneumothorax, μm, 100 %, \u5fc3\u81d3", ("Ménière’s disease (arrow), 3.5 × 2 cm",)),
)
"""Queries and texts of no token up to more than any network reads, to compare runtimes by."""


class CrossEncoder(Protocol):
    """A loaded model; safe for use by several threads. ``batch_size`` is how many pairs it likes
    at once, ``name`` what messages call it."""

    name: str
    batch_size: int

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """(n,) logits: the log-odds, in nats, that each text is relevant to the query.

        They are known up to a constant of the query's. Raises ``EncoderError``.
        """
        ...


class Pairs:
    """A tokenizer of pairs: (n, longest) int64 for each of ``INPUTS``, padded on the right."""

    def __init__(self, tokenizer: Any, length: int, padding: int) -> None:
        """``tokenizer`` is a ``tokenizers.Tokenizer``; ``length`` the most tokens of a pair,
        cut from the longer of the two; ``padding`` a token id."""
        self._tokenizer = tokenizer
        tokenizer.enable_truncation(length, strategy="longest_first")
        tokenizer.enable_padding(
            pad_id=padding, pad_token=tokenizer.id_to_token(padding) or "[PAD]"
        )

    def __call__(self, query: str, texts: Sequence[str]) -> Mapping[str, Tokens]:
        coded = self._tokenizer.encode_batch([(query, text) for text in texts])
        rows = (
            [one.ids for one in coded],
            [one.attention_mask for one in coded],
            [one.type_ids for one in coded],
        )
        return {name: np.array(row, np.int64) for name, row in zip(INPUTS, rows, strict=True)}

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``. Raises ``OSError``."""
        self._tokenizer.save(str(path), pretty=False)


def read_pairs(path: Path, length: int, padding: int) -> Pairs:
    """The tokenizer of a ``tokenizer.json``; neither PyTorch nor transformers is needed.

    Raises ``EncoderUnavailableError`` where tokenizers is absent, ``EncoderError`` where it
    cannot read the file.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns at each fork
    try:
        import tokenizers
    except ImportError as error:
        raise EncoderUnavailableError(
            f"{path.parent}: tokenizers is not installed; pip install tokenizers"
        ) from error
    try:
        return Pairs(tokenizers.Tokenizer.from_file(str(path)), length, padding)
    except Exception as error:  # tokenizers raises nothing narrower
        reason = str(error).strip().partition("\n")[0]
        raise EncoderError(
            f"{path}: tokenizers cannot read it ({reason}); copy or download the model again"
        ) from error


def log_odds(logits: Floats) -> Floats:
    """(n, 1) logits, or (n, 2) of no and yes, to (n,) log-odds of yes."""
    odds: Floats = logits[:, -1] - (logits[:, 0] if logits.shape[1] == 2 else 0)
    return np.asarray(odds, np.float32)
