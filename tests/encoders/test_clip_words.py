"""Texts give the tokens that open_clip gives, through ``tokenizers`` alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.encoders.open_clip.torchvision_ops import declare_missing_ops
from medclip_search.encoders.open_clip.words import (
    CLEANINGS,
    WordRules,
    Words,
    clean,
    load_words,
    tokenizer_of,
)
from medclip_search.errors import EncoderError

SPELT = (
    *("<start_of_text>", "<end_of_text>", "<START_OF_TEXT>", "[SEP]", "[CLS]", "[PAD]", "[UNK]"),
    *("'s", "'S", "'\u017f", "'ll", "&amp;", "&amp;lt;", "&#7;", "&#x345;", "&#xD800;", "##al"),
    *("\u0345", "\u01c5", "\u2167", "\u24d0", "\u00b2", "\u200b", "\ufeff", "\x00", "\x1c", "\x85"),
    *("\u5fc3\u81d3", "\U0001f468\u200d\u2695\ufe0f", "\U0001e921", "â€œ", "lung", "_", "!", " "),
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(max_codepoint=0x2FF), max_size=60),
    st.lists(st.one_of(st.sampled_from(SPELT), st.text(max_size=3)), max_size=30).map("".join),
)
FIXED = [
    "",
    " \t\n ",
    "Axial CT of the chest shows a 3.5 cm mass (arrow) in the patient's left upper lobe.",
    "naïve Ménière’s oedema, 40 % &amp; p &lt; 0.05; μm",
    "<start_of_text>a<end_of_text>",
    "!<start_of_text> <start_of_text><end_of_text>'s<start_of_text>",
    "<start_of_text> " * 200,
    "pneumonia " * 500,
    "x" * 3000,
    "[CLS] liver [SEP] lung [MASK]",
]

Theirs = Callable[[list[str]], Any]
Pair = tuple[Theirs, Words]


def pair(theirs: Any, folder: Path) -> Pair:
    """open_clip's tokenizer, and ours of it, saved and read back."""
    made = tokenizer_of(theirs)
    made.save(folder / "tokenizer.json")
    rules = WordRules.from_json(json.loads(json.dumps(made.rules.to_json())))
    return theirs, load_words(folder / "tokenizer.json", rules)


@pytest.fixture(scope="module")
def byte_pairs(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    declare_missing_ops()
    open_clip = pytest.importorskip("open_clip")
    return pair(open_clip.get_tokenizer("ViT-B-32"), tmp_path_factory.mktemp("byte-pairs"))


@pytest.fixture(scope="module", params=["tokenizer.json", "vocab.txt"])
def word_pieces(
    request: pytest.FixtureRequest, tiny_biomedclip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Pair:
    """A BERT's, whose folder has ``tokenizer.json`` or ``vocab.txt`` only."""
    import open_clip

    folder = tmp_path_factory.mktemp("word-pieces")
    shutil.copytree(tiny_biomedclip, folder / "model")
    (
        folder / "model" / {"tokenizer.json": "vocab.txt"}.get(request.param, "tokenizer.json")
    ).unlink()
    return pair(open_clip.get_tokenizer(f"local-dir:{folder / 'model'}"), folder)


def assert_equal(tokenizers: Pair, texts: list[str]) -> None:
    theirs, ours = tokenizers
    found = ours(texts)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, theirs(texts).numpy())


def test_byte_pairs_of_chosen_texts(byte_pairs: Pair) -> None:
    assert byte_pairs[1].context_length == 77
    assert_equal(byte_pairs, [*FIXED, *SPELT])


def test_word_pieces_of_chosen_texts(word_pieces: Pair) -> None:
    assert word_pieces[1].context_length == 256
    assert_equal(word_pieces, [*FIXED, *SPELT])
    found = word_pieces[1](["lung", "lung " * 300])
    assert found[0, [0, 2, 3, 255]].tolist() == [2, 3, 0, 0]  # [CLS] lung [SEP] [PAD] …
    assert found[1, [0, 255]].tolist() == [2, 3]


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_byte_pairs_of_any_text(byte_pairs: Pair, text: str) -> None:
    assert_equal(byte_pairs, [text])


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_word_pieces_of_any_text(word_pieces: Pair, text: str) -> None:
    assert_equal(word_pieces, [text])


def test_byte_pairs_of_every_character(byte_pairs: Pair) -> None:
    """Each alone between letters, where it splits a word or not."""
    every = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    assert_equal(byte_pairs, [f"a{''.join(every[at : at + 8])}b" for at in range(0, len(every), 8)])


@cache
def clean_functions() -> dict[str, Callable[[str], str]]:
    declare_missing_ops()
    from open_clip import tokenizer

    return {name: tokenizer.get_clean_fn(name) for name in CLEANINGS}


@pytest.mark.usefixtures("biomedclip_extra")
@pytest.mark.parametrize("cleaning", CLEANINGS)
@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_cleaning_is_open_clips(cleaning: str, text: str) -> None:
    assert clean(text, cleaning) == clean_functions()[cleaning](text)


@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_other_cleanings_and_dropped_separators(
    tiny_biomedclip: Path, tmp_path: Path, cleaning: str
) -> None:
    import open_clip

    theirs = open_clip.get_tokenizer(
        f"local-dir:{tiny_biomedclip}", context_length=32, clean=cleaning, strip_sep_token=True
    )
    assert_equal(pair(theirs, tmp_path), [*FIXED, *SPELT, "Foo_Bar!", "a [SEP] b"])


@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_byte_pairs_of_other_cleanings(tmp_path: Path, cleaning: str) -> None:
    declare_missing_ops()
    open_clip = pytest.importorskip("open_clip")
    theirs = open_clip.get_tokenizer("ViT-B-32", clean=cleaning, context_length=20)
    assert_equal(pair(theirs, tmp_path), [*FIXED, *SPELT, "IT'S MRI, DON'T"])


def test_texts_cut_at_random_are_refused() -> None:
    declare_missing_ops()
    open_clip = pytest.importorskip("open_clip")
    theirs = open_clip.get_tokenizer("ViT-B-32", reduction_mask="simple")
    with pytest.raises(EncoderError, match=r"^tokenizer: it cuts long texts at random, .*torch$"):
        tokenizer_of(theirs)


def test_a_mode_of_its_own_is_refused(tiny_biomedclip: Path) -> None:
    import open_clip

    theirs = open_clip.get_tokenizer(f"local-dir:{tiny_biomedclip}")
    theirs.tokenizer_mode = "clips"
    with pytest.raises(EncoderError, match=r"^tokenizer: tokenizer_mode 'clips', which cannot"):
        tokenizer_of(theirs)


def test_no_texts_give_no_tokens(byte_pairs: Pair) -> None:
    assert byte_pairs[1]([]).shape == (0, 77)


@pytest.mark.usefixtures("biomedclip_extra")
def test_a_damaged_tokenizer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(
        EncoderError, match=r"^tokenizer\.json: tokenizers cannot read it"
    ) as raised:
        load_words(tmp_path / "tokenizer.json", WordRules(77, "lower"))
    assert "\n" not in str(raised.value)
