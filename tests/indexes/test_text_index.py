"""The text index: BM25, its language at work, filters, ties, updates, read-only folders."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.text import (
    TextDocument,
    TextIndex,
    build_text_index,
    compiling,
    deleted_share,
    update_text_index,
)
from medclip_search.indexes.text.index import LOOKED_AT

CAPTIONS = [
    "Chest X-ray showing right-sided pneumothorax",
    "Axial CT of the chest with ground-glass opacities in both lungs",
    "T2-weighted MRI of the brain, a 3 cm cystic lesion",
    "No pneumothorax is seen after removal of the drain",
    "Ultrasound of the liver. Glass ground into the plate is not an opacity",
    "Pneumonia of the left lower lobe",
    "Négative control with naïve cells",
    'Liver biopsy NOT shown -see the "liver" AND text (arrow* at 5+ cm~',
]


def documents(captions: Sequence[str], first: int = 0) -> list[TextDocument]:
    return [TextDocument(k, f"CASE_{k:04}", c) for k, c in enumerate(captions, first)]


def opened(folder: Path, docs: Sequence[TextDocument]) -> TextIndex:
    folder.mkdir(parents=True)
    build_text_index(docs, folder)
    return TextIndex.open(folder)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> TextIndex:
    docs = documents(CAPTIONS)
    docs.append(TextDocument(20, "roco 77", "", ("hepatic steatosis", "liver")))
    return opened(tmp_path_factory.mktemp("text") / "index", docs)


def found(index: TextIndex, words: str, k: int = 20) -> list[int]:
    keys, scores = index.search(words, k)
    assert (np.diff(scores) <= 0).all()
    return [int(key) for key in keys]


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


# --- scores --------------------------------------------------------------------------------

WORDS = st.sampled_from(["lung", "heart", "liver", "bone", "brain", "of", "the", "ct", "mr"])
TEXTS = st.lists(WORDS, min_size=1, max_size=30).map(" ".join)


def bm25(captions: Sequence[str], words: Sequence[str]) -> list[float]:
    """BM25 by the formula of Robertson & Zaragoza 2009, k1 = 1.2, b = 0.75, +1 in the logarithm."""
    counts = [Counter(caption.split()) for caption in captions]
    mean = sum(len(caption.split()) for caption in captions) / len(captions)
    scores = [0.0] * len(captions)
    for word in set(words):
        frequency = sum(word in one for one in counts)
        idf = math.log(1 + (len(captions) - frequency + 0.5) / (frequency + 0.5))
        for at, one in enumerate(counts):
            norm = 1.2 * (0.25 + 0.75 * one.total() / mean)
            scores[at] += idf * 2.2 * one[word] / (one[word] + norm)
    return scores


@settings(max_examples=40, deadline=None)
@given(captions=st.lists(TEXTS, min_size=1, max_size=25), words=st.lists(WORDS, min_size=1))
def test_scores_are_bm25(captions: list[str], words: list[str]) -> None:
    # Lengths to 40 are exact in tantivy; longer ones it rounds.
    text = " ".join(words)
    expected = {k: s for k, s in enumerate(bm25(captions, words)) if s and captions[k] != text}
    with TemporaryDirectory() as folder:
        index = opened(Path(folder) / "i", documents(captions))
        keys, scores = index.search(text, len(captions))
    got = {k: s for k, s in zip(keys.tolist(), scores.tolist(), strict=True) if k in expected}
    assert got.keys() == expected.keys()
    for key, score in expected.items():
        assert got[key] == pytest.approx(score, abs=0.002)


@settings(max_examples=40, deadline=None)
@given(captions=st.lists(TEXTS, min_size=1, max_size=25), words=st.lists(WORDS, min_size=1))
def test_function_words_count_in_what_the_others_find(
    captions: list[str], words: list[str]
) -> None:
    """However many have them: they are then looked up, and not walked through."""
    text, silent = " ".join(words), frozenset({"of", "the"})
    cases = Counter(word for caption in captions for word in set(caption.split()))
    asked = set(words) & cases.keys()
    rarest = min((cases[word] for word in asked - silent), default=len(captions))
    telling = {word for word in asked if word not in silent or cases[word] <= rarest}
    scored = enumerate(zip(captions, bm25(captions, words), strict=True))
    expected = {
        k: score for k, (one, score) in scored if telling & set(one.split()) and one != text
    }
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "COMMON", 0)
        index = opened(Path(folder) / "i", documents(captions))
        keys, scores = index.search(text, len(captions), silent=silent)
        again = index.score(text, keys, silent=silent)
    if text not in captions:
        got = dict(zip(keys.tolist(), scores.tolist(), strict=True))
        assert got == pytest.approx(expected, abs=0.002)
        assert again == pytest.approx(scores, abs=0.002)


def test_function_words_put_the_same_in_order_whatever_was_indexed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "COMMON", 10)
    kinds = ("in the lung", "in a lung", "in the knee", "in the hip")
    captions = [kinds[at % 4] for at in range(300)]
    docs, silent = documents(captions), frozenset({"a", "the"})
    order = np.random.default_rng(0).permutation(300).astype(np.int32)
    answers = [
        opened(tmp_path / name, some).search("the lung", 10, None, order, silent=silent)[0].tolist()
        for name, some in {"rising": docs, "falling": docs[::-1]}.items()
    ]
    assert answers[0] == answers[1]
    best = sorted((at for at in range(300) if at % 4 < 2), key=lambda at: int(order[at]))
    assert answers[0] == [at for at in best[: 10 + LOOKED_AT] if at % 4 == 0][:10]


ASKED = ["lung", "chest ct*", '"ground glass" lung', "NOT chest", "pnuemonia", "xyzzyx"]


@pytest.mark.parametrize("words", ASKED)
def test_given_cases_score_as_a_search_scores_them(index: TextIndex, words: str) -> None:
    keys = np.array([20, 7, 1, 2, 6, 3, 5, 4, 0], np.int64)
    scores = dict(zip(*(array.tolist() for array in index.search(words, 100)), strict=True))
    expected = [scores.get(key, 0) for key in keys.tolist()]
    assert index.score(words, keys).tolist() == pytest.approx(expected, abs=1e-3)
    assert len(index.score(words, keys[:0])) == 0


def test_given_cases_score_as_terms_score_them(index: TextIndex) -> None:
    weights = {"lung": 1.0, "liver": 0.5}
    keys = np.arange(8, dtype=np.int64)[::-1]
    scores = dict(zip(*(a.tolist() for a in index.search_terms(weights, 100)), strict=True))
    assert scores
    expected = [scores.get(key, 0) for key in keys.tolist()]
    assert index.score_terms(weights, keys).tolist() == pytest.approx(expected, abs=1e-3)


def test_what_speaks_against_a_case_is_taken_off(index: TextIndex) -> None:
    keys = np.arange(8, dtype=np.int64)
    lung, liver = (index.score_terms({term: 2.0}, keys) for term in ("lung", "liver"))
    both = index.score_terms({"lung": 2.0, "liver": -2.0}, keys)
    assert both.tolist() == pytest.approx((lung - liver).tolist(), abs=2e-3)
    assert min(both) < 0 < max(both)
    assert index.score_terms({"liver": -2.0}, keys).tolist() == pytest.approx((-liver).tolist())


def test_the_full_score_is_that_of_an_average_caption_with_all_words(tmp_path: Path) -> None:
    index = opened(tmp_path / "i", documents(["lung nodule", "liver cyst", "lung cyst"]))
    keys, _ = index.search('"lung nodule"', 1)
    assert keys.tolist() == [0]
    # Said again, and what must not be there, is not asked for; an unknown word is rarer than all.
    assert index.full_score("lung nodule lung NOT cyst") == pytest.approx(
        index.full_score("lung") + index.full_score("nodule")
    )
    known = index.score("lung nodule", keys)[0]
    assert index.full_score("lung nodule") == pytest.approx(known, abs=2e-3)
    assert index.full_score("xyzzyx") > index.full_score("nodule")
    assert index.full_score("") == index.full_score("NOT lung") == index.full_score("lun*") == 0


def measured(index: TextIndex, data: Path) -> tuple[float, float]:
    """Mean average precision and nDCG@10 on the MED collection."""
    relevant: dict[int, set[int]] = {}
    for line in (data / "med" / "MED.REL").read_text("utf-8").splitlines():
        number, _, document, _ = line.split()
        relevant.setdefault(int(number), set()).add(int(document))
    precisions, gains = [], []
    for query, text in read_smart(data / "med" / "MED.QRY").items():
        keys = index.search(text, 1033)[0].tolist()
        hits = [key in relevant[query] for key in keys]
        total = len(relevant[query])
        found_so_far = np.cumsum(hits)
        precisions.append(
            sum(found_so_far[i] / (i + 1) for i, hit in enumerate(hits) if hit) / total
        )
        ideal = sum(1 / math.log2(i + 2) for i in range(min(total, 10)))
        gains.append(sum(hit / math.log2(i + 2) for i, hit in enumerate(hits[:10])) / ideal)
    return float(np.mean(precisions)), float(np.mean(gains))


def read_smart(path: Path) -> dict[int, str]:
    """Number and text of each entry of a file in SMART's ``.I``/``.W`` form."""
    entries = path.read_text("utf-8").split(".I ")[1:]
    pairs = (entry.split(".W", 1) for entry in entries)
    return {int(number): " ".join(text.split()) for number, text in pairs}


def test_med_is_answered_as_well_as_by_others(tmp_path: Path, test_data: Path) -> None:
    texts = read_smart(test_data / "med" / "MED.ALL")
    index = opened(tmp_path / "i", [TextDocument(k, str(k), text) for k, text in texts.items()])
    precision, gain = measured(index, test_data)
    # Each term once; counting repeated ones twice gives 0.522 and 0.689.
    assert precision == pytest.approx(0.529, abs=0.002)
    assert gain == pytest.approx(0.713, abs=0.002)


# --- real captions -------------------------------------------------------------------------


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


# --- files ---------------------------------------------------------------------------------


def digests(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        file.name: (file.stat().st_ino, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.iterdir())
    }


def test_an_update_shares_files_and_writes_to_none_of_the_old(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    opened(old, documents(CAPTIONS * 50)).close()
    before = digests(old)
    new.mkdir()
    update_text_index(old, new, [1, 5], [TextDocument(5, "CASE_0005", "Aortic dissection")])
    assert digests(old) == before
    assert {name for name, stamp in digests(new).items() if before.get(name) == stamp}
    assert not list(new.glob("*.lock"))
    index = TextIndex.open(new)
    assert index.size == 399
    assert found(index, "dissection") == [5]
    assert 1 not in index.matching("opacities")
    assert found(index, "CASE_0001") == []
    assert TextIndex.open(old).size == 400
    assert deleted_share(new) == pytest.approx(2 / 401)


def test_many_updates_keep_few_segments(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    opened(folder, documents(CAPTIONS)).close()
    for number in range(1, 25):
        previous, folder = folder, tmp_path / str(number)
        folder.mkdir()
        update_text_index(previous, folder, [], documents(["One more chest"], 100 + number))
    index = TextIndex.open(folder)
    assert index.size == len(CAPTIONS) + 24
    assert index.describe()["segments"] <= 10
    assert len(index.matching("chest")) == 26


def test_an_empty_index_answers(tmp_path: Path) -> None:
    index = opened(tmp_path / "i", [])
    assert index.search("chest", 5)[0].tolist() == []
    assert index.matching("chest").tolist() == []
    assert index.size == 0


def test_a_read_only_folder_serves_several_processes(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    opened(folder, documents(CAPTIONS)).close()
    names = sorted(file.name for file in folder.iterdir())
    folder.chmod(0o555)
    program = (
        "import sys; from pathlib import Path; from medclip_search.indexes.text import TextIndex; "
        "index = TextIndex.open(Path(sys.argv[1])); input(); "
        "print(index.search('pneumothorax', 5)[0].tolist())"
    )
    try:
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        answers = [reader.communicate("\n")[0].strip() for reader in readers]
    finally:
        folder.chmod(0o755)
    assert answers == ["[0, 3]"] * 3
    assert sorted(file.name for file in folder.iterdir()) == names


def every_answer(index: TextIndex) -> str:
    """What an index says to one query of every kind."""
    order = np.arange(3000, dtype=np.int32)[::-1]
    asked = [
        *("pneumothorax", '"ground glass"', "pneumo*", "ground-gla*", "lob~2", "pnuemonia"),
        *("CASE_0005", "case_00*", "NOT chest", "+chest -ct", CAPTIONS[1], "liver steatosis"),
    ]
    answers: list[object] = [index.size, index.describe(), index.unknown("chest xyzzyx")]
    for words in asked:
        found = index.search(words, 50, order % 3 > 0, order), index.search(words, 400)
        answers += [[array.tolist() for array in pair] for pair in found]
        answers.append(index.matching(words).tolist())
    keys, scores = index.search_terms({"lung": 1.0, "liver": 0.5}, 30)
    answers += [keys.tolist(), scores.tolist(), index.document_frequency("lung")]
    answers.append(index.holding(["lung", "liver"], np.unique(keys)).tolist())
    return json.dumps(answers)


def test_an_opened_index_outlives_its_files(tmp_path: Path) -> None:
    """A writer that purges old generations takes nothing from a reader: nor does a late answer
    read a file, so that the first one of each kind comes after the files are gone."""
    old, new = tmp_path / "old", tmp_path / "new"
    opened(old, documents(CAPTIONS * 50)).close()
    new.mkdir()
    more = [TextDocument(1000 + key, f"N{key}", "", ("hepatic steatosis",)) for key in range(20)]
    update_text_index(old, new, [1, 5], [*more, *documents(CAPTIONS, 2000)])
    reader, expected = TextIndex.open(new), every_answer(TextIndex.open(new))
    assert reader.describe()["segments"] > 1
    assert reader.describe()["deleted"] == 2
    shutil.rmtree(old)
    shutil.rmtree(new)
    assert every_answer(reader) == expected


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TextIndex.open(tmp_path)
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(LibraryDamagedError, match="the text index cannot be opened") as error:
        TextIndex.open(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["meta.json", "*.idx", "*.term", "*.pos", "*.fast", "*.store"])
def test_damage_is_told_of_the_library_s_own_folder(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "i"
    opened(folder, documents(CAPTIONS)).close()
    (damaged,) = folder.glob(file)
    damaged.unlink()
    if file == "meta.json":
        damaged.write_bytes(b"\xff")
    with pytest.raises(LibraryDamagedError) as error:
        TextIndex.open(folder)
    assert str(error.value).startswith(f"{folder}: ")
    assert "medclip-text" not in str(error.value)
    assert "\n" not in str(error.value)
