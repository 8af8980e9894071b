"""The text index: BM25, of what is found and of given cases, and how well it answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.indexes.text import Also, TextDocument, TextIndex, compiling
from medclip_search.indexes.text import index as index_module
from medclip_search.indexes.text.index import LOOKED_AT
from tests.indexes.text_cases import documents, opened

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


@settings(max_examples=40, deadline=None)
@given(
    captions=st.lists(TEXTS, min_size=1, max_size=25),
    words=st.lists(WORDS, min_size=1),
    joined=st.dictionaries(WORDS, st.sampled_from([0.2, 0.8]), min_size=1),
)
def test_what_joins_and_is_common_counts_in_what_the_others_find(
    captions: list[str], words: list[str], joined: dict[str, float]
) -> None:
    text, also = " ".join(words), Also(joined)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        index = opened(Path(folder) / "i", documents(captions))
        every = index.search(text, len(captions), also=also)
        patch.setattr(compiling, "COMMON", 0)
        patch.setattr(compiling, "COMMON_BESIDE", 0)
        asked = {key for key, one in enumerate(captions) if set(words) & set(one.split())}
        some = index.search(text, max(1, len(asked)), also=also)
        whole = index.search(text, len(captions), also=also)
        patch.setattr(index_module, "FEW", 0)
        again = index.search(text, len(captions), also=also)
    expected, got, full, deep = (
        dict(zip(keys.tolist(), scores.tolist(), strict=True))
        for keys, scores in (every, some, whole, again)
    )
    assert deep == expected  # of many, all that is asked for is walked through
    assert full == pytest.approx(expected, abs=0.002)  # and where the words alone find too few
    if asked and text not in captions:
        found = {key: score for key, score in expected.items() if key in asked}
        assert got == pytest.approx(found, abs=0.002)


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


def test_function_words_find_nothing_beside_a_keyword(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "COMMON", 10)
    tagged = TextDocument(90, "CASE_0090", "the left lung", ("angiosarcoma",))
    index = opened(tmp_path / "i", [*documents(["the lung"] * 20), tagged])
    assert index.search("the angiosarcoma", 10, silent=frozenset({"the"}))[0].tolist() == [90]


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
