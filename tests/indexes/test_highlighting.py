"""Highlights: what the query asked for, in the caption, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.indexes.text import Also
from medclip_search.indexes.text.analyser import terms
from medclip_search.indexes.text.highlighting import Marker, highlights

SILENT = frozenset(terms("of the no in"))


def marked(words: str, caption: str, also: Also = Also(), known: str | None = None) -> str:  # noqa: B008
    """The caption with what was typed in [brackets], what was searched for beside in {braces}."""
    vocabulary = None if known is None else set(terms(known))
    marker = Marker.of(words, also, SILENT, lambda term: vocabulary is None or term in vocabulary)
    text = caption
    for one in reversed(marker.highlights(caption)):
        a, b = "[]" if one.typed else "{}"
        text = f"{text[: one.start]}{a}{text[one.start : one.end]}{b}{text[one.end :]}"
    return text


@pytest.mark.parametrize(
    ("words", "caption", "expected"),
    [
        ("effusion", "Effusions, effused: an EFFUSION.", "[Effusions], [effused]: an [EFFUSION]."),
        ("cavitation of the lung", "The cavity of the lung", "The cavity of the [lung]"),
        ("of the", "The top of it", "[The] top [of] it"),
        ("nodule -calcified", "Calcified nodule", "Calcified [nodule]"),
        ("nodule NOT (calcified cyst)", "calcified cyst, nodule", "calcified cyst, [nodule]"),
        (
            '"pleural effusion"',
            "pleural effusion, not effusion",
            "[pleural effusion], not effusion",
        ),
        ("pneumo*", "Pneumothorax and pneumonia", "[Pneumothorax] and [pneumonia]"),
        ("*itis", "arthritis of one joint", "[arthritis] of one joint"),
        ("h*morrhage", "haemorrhage; hemorrhage", "[haemorrhage]; [hemorrhage]"),
        ("pnuemonia~", "pneumonia here", "[pneumonia] here"),
        ("pnuemnia~2", "pneumonia here", "[pneumonia] here"),
        ("X-ray", "Chest X-ray of ray X", "Chest [X]-[ray] of [ray] [X]"),
        ("caption:cyst keywords:liver", "liver cyst", "liver [cyst]"),
        ("Ménière", "meniere's disease", "[meniere]'s disease"),
        ("T2", "a T2-weighted image", "a [T2]-weighted image"),
        ("<b>", "5 < 6 & <b>wall</b>", "5 < 6 & <[b]>wall</[b]>"),
        ("nodule", "", ""),
    ],
)
def test_marks(words: str, caption: str, expected: str) -> None:
    assert marked(words, caption) == expected


def test_an_unknown_word_marks_those_one_letter_off() -> None:
    assert marked("fracure", "no fractures", known="no fractures") == "no [fractures]"
    assert marked("fracure", "no fractures") == "no fractures"


def test_what_was_searched_for_beside_is_marked_apart() -> None:
    also = Also({"lung": 0.5}, ((("ct",), (("comput", "tomographi"),)),))
    assert marked("ct", "Computed tomography of the lung, CT", also) == (
        "{Computed tomography} of the {lung}, [CT]"
    )


@pytest.mark.parametrize("also", [Also({"lung": 0.5}), Also({}, ((("ct",), (("lung",),)),))])
def test_a_caption_without_what_was_typed_is_marked_too(also: Also) -> None:
    assert marked("ct", "Lungs of a child", also) == "{Lungs} of a child"


def test_several_texts_mark_together() -> None:
    markers = [Marker.of('"chest wall"'), Marker.of("wall mass")]
    found = highlights(markers, "chest wall mass")
    assert [(one.start, one.end) for one in found] == [(0, 10), (11, 15)]


@given(words=st.text(max_size=30), caption=st.text(max_size=80))
def test_places_are_in_order_and_hold_words(words: str, caption: str) -> None:
    end = 0
    for one in Marker.of(words, silent=SILENT).highlights(caption):
        assert end <= one.start < one.end <= len(caption)
        assert re.search(r"\w", caption[one.start : one.end])
        end = one.end


plain = st.lists(st.sampled_from(["node", "nodes", "lung", "wall", "a1", "été"]), min_size=1)


@given(words=plain, caption=plain)
def test_plain_words_mark_every_word_with_the_same_term(
    words: list[str], caption: list[str]
) -> None:
    text = ", ".join(caption)
    found = Marker.of(" ".join(words)).highlights(text)
    wanted = {term for word in words for term in terms(word)}
    expected = [word for word in caption if set(terms(word)) & wanted]
    assert [text[one.start : one.end] for one in found] == expected
