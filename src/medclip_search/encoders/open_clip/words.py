"""Texts to a CLIP model's tokens, as open_clip makes them, with ftfy and ``tokenizers`` only.

``tokenizer_of`` takes open_clip's own tokenizer apart: a Hugging Face one carries its rules in
``tokenizers`` already; CLIP's byte-pair encoding is rebuilt there from its merges. What comes
out is saved as one ``tokenizer.json`` and a few rules, which need neither PyTorch nor
transformers nor open_clip to be read back.

Source: ``open_clip/tokenizer.py`` of open_clip 3.3.
"""

from __future__ import annotations

import html
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.encoders.open_clip.network import Tokens
from medclip_search.errors import EncoderError, EncoderUnavailableError

CLEANINGS = ("whitespace", "lower", "canonicalize")
_INSTALL = "pip install 'medclip-search[biomedclip-onnx]'"
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class WordRules:
    """What ``tokenizer.json`` cannot say.

    ``cleaning`` is open_clip's name for what is done to a text first; ``zeroed`` a token id that
    is replaced by 0 in the end; ``whole`` are tokens that count as such where a text spells them
    out, as words of their own.
    """

    context_length: int
    cleaning: str
    zeroed: int | None = None
    whole: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> WordRules:
        """What ``to_json`` gave. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        rules = cls(**given)
        if rules.cleaning not in CLEANINGS:
            raise ValueError(f"cleaning {rules.cleaning!r} is unknown")
        return rules

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Words:
    """The tokenizer of a model: ``words(texts)`` gives (n, context length) int64, padded."""

    def __init__(self, tokenizer: Any, rules: WordRules) -> None:
        """``tokenizer`` is a ``tokenizers.Tokenizer`` that cuts and pads."""
        require_words()
        self.rules = rules
        self._tokenizer = tokenizer

    @property
    def context_length(self) -> int:
        return self.rules.context_length

    def __call__(self, texts: Sequence[str]) -> Tokens:
        cleaned = [clean(text, self.rules.cleaning) for text in texts]
        tokens = np.empty((len(cleaned), self.rules.context_length), dtype=np.int64)
        for row, coded in enumerate(self._tokenizer.encode_batch(cleaned)):
            tokens[row] = coded.ids
        for row, text in enumerate(cleaned):
            if any(token in text for token in self.rules.whole):
                tokens[row] = self._spelt_out(text)
        if self.rules.zeroed is not None:
            tokens[tokens == self.rules.zeroed] = 0
        return tokens

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``; the rules are the caller's to keep."""
        self._tokenizer.save(str(path), pretty=False)

    def _spelt_out(self, text: str) -> Tokens:
        """Tokens of a text of CLIP in which one of its special tokens is written out."""
        start, end = list(self.rules.whole.values())[:2]
        ids = [start]
        for piece, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(text):
            if piece in self.rules.whole:
                ids.append(self.rules.whole[piece])
            else:
                ids += [token.id for token in self._tokenizer.model.tokenize(piece)]
        ids = [*ids[: self.rules.context_length - 1], end]
        tokens = np.zeros(self.rules.context_length, dtype=np.int64)
        tokens[: len(ids)] = ids
        return tokens


def clean(text: str, cleaning: str) -> str:
    """A text as open_clip cleans it: mojibake and HTML entities undone, white space folded."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    if cleaning == "canonicalize":
        text = text.replace("_", " ").translate(_WITHOUT_PUNCTUATION).lower()
    text = " ".join(text.split())
    return text.lower() if cleaning == "lower" else text


def require_words() -> None:
    """Raises ``EncoderUnavailableError`` where ftfy or ``tokenizers`` is absent."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns at each fork
    for package in ("ftfy", "tokenizers"):
        try:
            __import__(package)
        except ImportError as error:
            raise EncoderUnavailableError(
                f"words: {package} is not installed; {_INSTALL}"
            ) from error


def load_words(path: Path, rules: WordRules) -> Words:
    """What ``Words.save`` wrote. Raises ``EncoderError``."""
    require_words()
    import tokenizers

    try:
        return Words(tokenizers.Tokenizer.from_file(str(path)), rules)
    except Exception as error:  # tokenizers raises nothing narrower
        raise EncoderError(
            f"{path.name}: tokenizers cannot read it ({str(error).splitlines()[0]}); {_INSTALL}"
        ) from error


def tokenizer_of(source: Any) -> Words:
    """The same tokenizer as ``source``, one that ``open_clip.get_tokenizer`` gave.

    Raises ``EncoderError`` where it cannot be expressed so, in one line.
    """
    require_words()
    from medclip_search.encoders.open_clip import words_source

    return Words(*words_source.taken_apart(source))
