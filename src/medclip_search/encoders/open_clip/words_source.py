"""open_clip's tokenizers, expressed in ``tokenizers``; needs open_clip, and it imported before."""

from __future__ import annotations

from functools import cache
from typing import Any

from medclip_search.encoders.open_clip.words import CLEANINGS, WordRules
from medclip_search.errors import EncoderError

_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


def taken_apart(source: Any) -> tuple[Any, WordRules]:
    """(``tokenizers.Tokenizer``, rules) that give the tokens of ``source``.

    Raises ``EncoderError`` where it does what cannot be expressed so.
    """
    from open_clip import tokenizer as theirs

    if source.context_length is None:
        raise EncoderError("tokenizer: the model's config has no context_length; add it")
    if type(source) is theirs.SimpleTokenizer:
        if source.reduction_fn is not None:
            raise _inexpressible("it cuts long texts at random")
        return _byte_pairs(source), WordRules(
            source.context_length,
            _cleaning(source.clean_fn),
            whole={source.decoder[token]: token for token in source.all_special_ids},
        )
    if type(source) is theirs.HFTokenizer:
        if source.tokenizer_mode:
            raise _inexpressible(f"tokenizer_mode {source.tokenizer_mode!r}")
        return _hugging_face(source), WordRules(
            source.context_length,
            _cleaning(source.clean_fn),
            zeroed=source.tokenizer.sep_token_id if source.strip_sep_token else None,
        )
    if type(source) is theirs.SigLipTokenizer:
        return _hugging_face(source), WordRules(source.context_length, "canonicalize")
    raise _inexpressible(f"a {type(source).__name__}")


def _hugging_face(source: Any) -> Any:
    """The fast tokenizer inside, set to cut and pad as open_clip asks."""
    import tokenizers

    theirs = source.tokenizer
    if getattr(theirs, "backend_tokenizer", None) is None:
        raise _inexpressible(f"{type(theirs).__name__} has no fast form")
    theirs([""], max_length=source.context_length, padding="max_length", truncation=True)
    return tokenizers.Tokenizer.from_str(theirs.backend_tokenizer.to_str())


def _byte_pairs(source: Any) -> Any:
    """CLIP's byte-pair encoding, cut and padded with zeros to the context length."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, processors

    merges = sorted(source.bpe_ranks, key=source.bpe_ranks.__getitem__)
    made = tokenizers.Tokenizer(
        models.BPE(
            vocab=source.encoder,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    start, end = (source.decoder[token] for token in (source.sot_token_id, source.eot_token_id))
    pieces = _pieces([source.decoder[token] for token in source.all_special_ids])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(pieces), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, source.sot_token_id), (end, source.eot_token_id)],
    )
    made.enable_truncation(source.context_length)
    made.enable_padding(length=source.context_length, pad_id=0, pad_token=source.decoder[0])
    return made


def _pieces(special: list[str]) -> str:
    """The pattern by which CLIP's tokenizer finds words, in Oniguruma's words.

    Letters, numbers and the rest are written out as ranges, as the package ``regex`` sees them
    (its Unicode is not Oniguruma's, and ``IGNORECASE`` moves some marks into the letters).
    """
    from open_clip.tokenizer import re as regex

    literals = [
        "".join(_class(regex.escape(letter)) for letter in literal)
        for literal in [*special, *_CONTRACTIONS]
    ]
    letters, number, others = (
        _class(each) for each in (r"[\p{L}]", r"[\p{N}]", r"[^\s\p{L}\p{N}]")
    )
    return "|".join([*literals, f"{letters}+", number, f"{others}+"])


@cache
def _class(pattern: str) -> str:
    """All characters that a pattern of one character matches, case ignored, as a class."""
    from open_clip.tokenizer import re as regex

    compiled = regex.compile(f"(?:{pattern})+", regex.IGNORECASE)
    ranges = []
    for first, text in _characters():
        for found in compiled.finditer(text):
            low, high = first + found.start(), first + found.end() - 1
            ranges.append(f"\\x{{{low:X}}}" + (f"-\\x{{{high:X}}}" if high > low else ""))
    return f"[{''.join(ranges)}]"


@cache
def _characters() -> tuple[tuple[int, str], ...]:
    """All characters of Unicode in order, before and after the surrogates, which are none."""
    ranges = (range(0xD800), range(0xE000, 0x110000))
    return tuple((each.start, "".join(map(chr, each))) for each in ranges)


def _cleaning(function: Any) -> str:
    """open_clip's name of its cleaning function."""
    from open_clip.tokenizer import get_clean_fn

    for name in CLEANINGS:
        if function is get_clean_fn(name):
            return name
    raise _inexpressible("it cleans texts in a way of its own")


def _inexpressible(what: str) -> EncoderError:
    return EncoderError(
        f"tokenizer: {what}, which cannot be run without open_clip; use the runtime torch"
    )
