"""The text index: its language at work, filters, ties, real captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.indexes.text import (
    TextDocument,
    TextIndex,
    build_text_index,
)
from tests.indexes.text_cases import CAPTIONS, documents, found, opened


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("pneumothorax", {0, 3}),
        ("opacity lungs", {1, 4}),  # stems: opacities, lung
        ('"ground glass"', {1}),
        ('"ground glass" OR "lower lobe"', {1, 5}),
        ("pneumothorax AND chest", {0}),
        ("+pneumothorax -chest", {3}),
        ("pneumothorax NOT removal", {0}),
        ("pneumo*", {0, 3, 5}),
        ("pneumo* -pneumonia", {0, 3}),
        ("ground-gla*", {1}),
        ("pnuemonia", {5}),  # a letter off, swapped
        ("pneumothoraxx", {0, 3}),
        ("lob~", {5}),
        ("negative", {6}),
        ("T2", {2}),
        ("+T2 +cm", {2}),
        ("-10 lobe", {5}),
        ("steatosis", {20}),  # a keyword
        ("case_0005", {5}),
        ("CASE_000*", set(range(8))),
        ("Roco 77", {20}),
        ("liver CASE_0002", {2, 4, 7, 20}),
        ("(chest OR brain) AND (ct OR mri)", {1, 2}),
        ("caption:liver", {4, 7}),
        ("keywords:liver", {20}),
        ('keywords:"hepatic steatosis"', {20}),
        ("lobe -caption:pneumonia", set()),
        ("id:case_0005", {5}),
        ("id:case_000*", set(range(8))),
        ("+chest id:case_0005", set()),
        ("*thorax", {0, 3}),
        ("*thoraces", set()),
        ("pne?monia", {5}),
        ("l*ngs", {1}),
        ("xyzzyx", set()),
        ("", set()),
        ("...", set()),
        ("NOT chest", {2, 3, 4, 5, 6, 7, 20}),
    ],
)
def test_finds(index: TextIndex, words: str, keys: set[int]) -> None:
    assert set(found(index, words)) == keys


def test_sides_negation_and_numbers_are_not_lost(tmp_path: Path) -> None:
    captions = [
        "No pneumothorax on the left",
        "Pneumothorax on the right",
        "T1 of a 3 cm cyst",
        "T2 of a 3 mm cyst",
        "T2 of a 4 cm cyst",
    ]
    index = opened(tmp_path / "i", documents(captions))
    assert found(index, "no pneumothorax")[0] == 0
    assert found(index, "left pneumothorax")[0] == 0
    assert found(index, "right pneumothorax")[0] == 1
    assert found(index, "T2 cyst 4 cm")[0] == 4
    assert found(index, "T1")[0] == 2
    assert found(index, '"3 cm"') == [2]
    assert found(index, "pneumothorax -left") == [1]


def test_the_words_of_an_operator_query_are_still_ranked(index: TextIndex) -> None:
    assert found(index, "pneumothorax OR drain")[0] == 3


@pytest.mark.parametrize("key", range(len(CAPTIONS)))
def test_a_whole_caption_finds_its_case_first(index: TextIndex, key: int) -> None:
    assert found(index, f"  {CAPTIONS[key]}\n")[0] == key


def test_a_whole_id_finds_its_case_first(tmp_path: Path) -> None:
    docs = [TextDocument(1, "chest", "a foot"), TextDocument(2, "b", "chest chest chest")]
    assert found(opened(tmp_path / "i", docs), "Chest") == [1, 2]


def test_captions_that_differ_in_white_space_alone_find_their_own(tmp_path: Path) -> None:
    captions = ["Fluid.  No air.", "Fluid. No air.", "Fluid.\nNo air.", "Fluid. No  air."]
    build_text_index((TextDocument(k, f"c{k}", c) for k, c in enumerate(captions)), tmp_path)
    index = TextIndex.open(tmp_path)
    for key, caption in enumerate(captions):
        assert index.search(caption, 4)[0][0] == key
        assert len(index.search(caption, 4)[0]) == 4


def test_unknown_words_are_named(index: TextIndex) -> None:
    assert index.unknown('chest "pnuemonia" X-ray case_0005 xyzzyx') == ["pnuemonia", "xyzzyx"]


def test_matching_needs_all_the_words(index: TextIndex) -> None:
    assert index.matching("chest pneumothorax").tolist() == [0]
    assert index.matching("glass ground").tolist() == [1, 4]
    assert index.matching('"ground glass"').tolist() == [1]
    allowed = np.zeros(21, bool)
    allowed[4] = True
    assert index.matching("glass ground", allowed).tolist() == [4]
    assert index.matching("...").tolist() == []
    assert index.matching("pnuemonia").tolist() == []  # nothing is taken away on a guess


def test_terms_and_their_frequencies(index: TextIndex) -> None:
    assert index.terms("No 3 cm T2-weighted naïve lungs") == [
        *("no", "3", "cm", "t2", "weight", "naiv", "lung")
    ]
    assert index.document_frequency("pneumothorax") == 2
    keys, asked = np.array([5, 0, 20, 3]), ["pneumothorax", "no", "liver", *["qq"] * 30, "chest"]
    held = index.holding(asked, keys)
    assert held.shape == (4, 34)
    assert np.argwhere(held).tolist() == [[1, 0], [1, 33], [3, 0], [3, 1]]
    assert index.size == len(CAPTIONS) + 1
    about = index.describe()
    assert (about["documents"], about["deleted"], about["k1"], about["b"]) == (9, 0, 1.2, 0.75)


@settings(max_examples=300)
@given(words=st.text(max_size=80))
def test_any_text_can_be_asked(index: TextIndex, words: str) -> None:
    keys, scores = index.search(words, 5)
    assert len(keys) == len(set(keys.tolist())) == len(scores) <= 5
    assert set(index.matching(words).tolist()) <= {*range(len(CAPTIONS)), 20}


OPERATORS = st.sampled_from(
    [*'()"+-*~_ ', "AND", "OR", "NOT", "~2", "\ud800", "\0", "chest", "T2*", "gl-g*", "a" * 90]
)


@settings(max_examples=300, deadline=None)
@given(words=st.lists(OPERATORS, max_size=25).map("".join))
def test_any_heap_of_operators_can_be_asked(index: TextIndex, words: str) -> None:
    index.search(words, 5)
    index.matching(words)
    index.unknown(words)


def roco_captions(data: Path) -> list[tuple[str, str]]:
    rows = []
    for file in sorted((data / "roco" / "data").glob("*/*/captions.txt")):
        for line in file.read_text("utf-8").splitlines():
            case_id, _, caption = line.partition("\t")
            if caption.strip():
                rows.append((case_id, caption.strip()))
    return rows


@pytest.fixture(scope="module")
def roco(
    tmp_path_factory: pytest.TempPathFactory, test_data: Path
) -> tuple[TextIndex, list[tuple[str, str]]]:
    rows = roco_captions(test_data)
    docs = [TextDocument(k, case_id, caption) for k, (case_id, caption) in enumerate(rows)]
    return opened(tmp_path_factory.mktemp("roco") / "index", docs), rows


def test_every_caption_finds_its_case_first(
    roco: tuple[TextIndex, list[tuple[str, str]]],
) -> None:
    index, rows = roco
    lost = [row for row in rows if rows[index.search(row[1], 1)[0][0]][1] != row[1]]
    assert not lost


@pytest.mark.parametrize("words", ["chest", "the of and", "ct lung nodule", '"chest x ray" -lung'])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.95])
def test_filters_leave_the_rest_in_order(
    roco: tuple[TextIndex, list[tuple[str, str]]], words: str, share: float
) -> None:
    index, rows = roco
    generator = np.random.default_rng(7)
    order = generator.permutation(len(rows)).astype(np.int32)
    allowed = generator.random(len(rows)) < share
    all_keys, all_scores = index.search(words, len(rows), None, order)
    expected = all_keys[allowed[all_keys]][:50]
    keys, scores = index.search(words, 50, allowed, order)
    assert keys.tolist() == expected.tolist()
    assert scores.tolist() == all_scores[allowed[all_keys]][:50].tolist()


def test_matching_agrees_with_the_texts(roco: tuple[TextIndex, list[tuple[str, str]]]) -> None:
    index, rows = roco
    needed = set(index.terms("chest x-ray"))
    expected = [k for k, (_, caption) in enumerate(rows) if needed <= set(index.terms(caption))]
    assert len(expected) > 50
    assert index.matching("chest x-ray").tolist() == expected


def test_ties_go_by_the_given_order(tmp_path: Path) -> None:
    index = opened(tmp_path / "i", documents(["ct of the chest"] * 3000))
    order = np.random.default_rng(1).permutation(3000).astype(np.int32)
    keys, _ = index.search("chest", 5, None, order)
    assert order[keys].tolist() == [0, 1, 2, 3, 4]
    allowed = order % 2 == 1
    assert order[index.search("chest", 3, allowed, order)[0]].tolist() == [1, 3, 5]
    assert index.search("chest", 3)[0].tolist() == [0, 1, 2]
