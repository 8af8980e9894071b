"""Facets: counts equal to counting over a full scan, whatever is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medclip_search.cases import Case
from medclip_search.errors import FilterError, QueryError
from medclip_search.search.engine import search
from medclip_search.search.facets import RANKED
from medclip_search.search.query import Query
from tests.search.small_library import SmallLibrary, picture

Build = Callable[..., SmallLibrary]

WORDS = ("nodule", "effusion", "fracture", "chest", "of", "the")
MODALITIES = ("CT", "MR", None)
REGIONS = ("head", "thorax", None)


def some_cases(count: int) -> list[Case]:
    rng = np.random.default_rng(5)
    return [
        Case(
            f"c{at:03}",
            "one" if at % 3 else "other",
            " ".join(rng.choice(WORDS, rng.integers(0, 5))),
            modality=MODALITIES[rng.integers(3)],
            region=REGIONS[rng.integers(3)],
            year=[None, 2001, 2007, 2015][rng.integers(4)],
            licence_class=["commercial", None][rng.integers(2)],
            keywords=("lung", f"k{at % 4}") if at % 2 else (),
        )
        for at in range(count)
    ]


FIELDS = ("modality", "region", "corpus", "licence_class", "year", "keyword")
CASES = some_cases(150)


@pytest.fixture(scope="module")
def library(build: Build) -> SmallLibrary:
    return build(CASES)


def counted(cases: Sequence[Case], field: str) -> Counter[object]:
    found: Counter[object] = Counter()
    for case in cases:
        values = case.keywords if field == "keyword" else (getattr(case, field),)
        found.update(value for value in values if value is not None)
    return found


def matching(words: Sequence[str]) -> list[Case]:
    telling = [word for word in words if word not in ("of", "the")] or words
    return [case for case in CASES if set(telling) & {*case.caption.split(), *case.keywords}]


@settings(deadline=None)
@given(
    words=st.lists(st.sampled_from((*WORDS, "lung")), min_size=1, max_size=3),
    where=st.fixed_dictionaries(
        {},
        optional={
            "modality": st.sampled_from(["CT", "MR"]),
            "region": st.sampled_from(["head", "thorax"]),
            "year": st.sampled_from([2001, 2015]),
        },
    ),
)
def test_counts_equal_those_of_a_full_scan(
    library: SmallLibrary, words: list[str], where: dict[str, object]
) -> None:
    """A field's own filter is set aside for its counts, and only for them."""
    filters = [f"{field}={value}" for field, value in where.items()]
    query = Query(text=" ".join(words), where=filters, facets=FIELDS)
    found = search(library, query, 3).facets
    assert found is not None
    matched = matching(words)
    for field in FIELDS:
        others = {name: value for name, value in where.items() if name != field}
        left = [c for c in matched if all(getattr(c, n) == v for n, v in others.items())]
        assert found.fields[field] == counted(left, field), field
    passing = [c for c in matched if all(getattr(c, n) == v for n, v in where.items())]
    assert (found.cases, found.counted) == (len(passing), "matches")
    assert re.search(rf"\b{len(passing)} cases|one case|no case", found.says)


def test_counts_do_not_depend_on_how_many_hits_are_shown(library: SmallLibrary) -> None:
    query = Query(text="nodule", facets="modality")
    assert search(library, query, 1).facets == search(library, query, 100).facets
    assert search(library, Query(text="nodule"), 1).facets is None


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ('"chest effusion"', r"\bchest effusion\b"),
        ("nodule AND fracture", r"(?=.*nodule)(?=.*fracture)"),
        ("effusion -chest", r"^(?!.*chest).*effusion"),
        ("fract*", r"fracture"),
        ("fracure", r"fracture"),
        ("fractures", r"fracture"),
        ("zzzyqx", r"(?!)"),
    ],
)
def test_what_matches_is_what_the_language_of_words_says(
    library: SmallLibrary, words: str, holds: str
) -> None:
    found = search(library, Query(text=words, facets="corpus", expand="none"), 1).facets
    left = [case for case in CASES if re.search(holds, case.caption)]
    assert found is not None
    assert found.fields["corpus"] == counted(left, "corpus")


def test_filters_alone_count_all_that_pass(library: SmallLibrary) -> None:
    found = search(library, Query(where="modality=CT", facets=["modality", "year"]), 2).facets
    assert found is not None
    assert found.fields["modality"] == counted(CASES, "modality")
    passing = [case for case in CASES if case.modality == "CT"]
    assert found.fields["year"] == counted(passing, "year")
    assert (found.cases, found.counted) == (len(passing), "passing")


def test_an_unwanted_word_is_not_counted(library: SmallLibrary) -> None:
    found = search(library, Query(text="nodule", not_text="chest", facets="modality"), 1).facets
    left = [c for c in matching(["nodule"]) if "chest" not in c.caption.split()]
    assert found is not None
    assert found.fields["modality"] == counted(left, "modality")


def test_an_image_counts_the_best_and_says_so(build: Build) -> None:
    many = RANKED + 40
    cases = [Case(f"i{at}", modality="CT" if at % 3 else "MR") for at in range(many)]
    pictured = build(
        cases, {case.id: picture((250, 10, at % 200), at) for at, case in enumerate(cases)}
    )
    asked = picture((250, 10, 7), 1)
    query = Query(image=asked, facets="modality", fold=False)
    found = search(pictured, query, 5).facets
    assert found is not None
    assert (found.cases, found.counted) == (RANKED, "best")
    assert sum(found.fields["modality"].values()) == RANKED
    best = search(pictured, Query(image=asked, fold=False), RANKED)
    assert found.fields["modality"] == counted([hit.case for hit in best], "modality")
    assert "1,000 best" in found.says
    # Filtered, its own field counts the best of all, others the best of what passes.
    narrowed = Query(image=asked, where="modality=MR", facets=["modality", "has_image"])
    left = search(pictured, narrowed, 5).facets
    assert left is not None
    assert left.fields["modality"] == found.fields["modality"]
    assert left.fields["has_image"] == {True: sum(case.modality == "MR" for case in cases)}


def test_unknown_fields_are_told(library: SmallLibrary) -> None:
    with pytest.raises(FilterError, match="no field is called 'modalty'"):
        search(library, Query(text="nodule", facets="modalty"))
    with pytest.raises(QueryError, match="facets"):
        Query(text="nodule", facets=["modality"] * 21)


def test_a_form_for_programs(library: SmallLibrary) -> None:
    found = search(library, Query(text="nodule", facets="year"), 1).facets
    assert found is not None
    told = found.to_json()
    years = counted(matching(["nodule"]), "year")
    assert {one["value"]: one["count"] for one in told["fields"]["year"]} == years
    assert told["cases"] == found.cases


def test_pictures_without_captions_are_counted_by_an_image_alone(small: SmallLibrary) -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 30))
    found = search(small, Query(image=image, facets="has_caption"), 1).facets
    assert found is not None
    assert found.fields["has_caption"] == {True: 8, False: 2}
