"""Who gives back a caption or an id as it stands gets its case first, whatever else is alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from medclip_search.search.engine import search
from medclip_search.search.query import Query
from tests.search.small_library import HUES, a_case, build_small_library, picture


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("fusion", ["convex", "rrf"])
def test_a_caption_or_an_id_given_back_comes_first(
    tmp_path: Path, joint: bool, fusion: str
) -> None:
    """Others say more of what is meant, and pictures of the colour that is named lie beside."""
    rows = [
        a_case("x", "red and blue", hue="blue"),
        a_case("y", "red and blue, red and blue in red and blue", hue="red"),
        *[a_case(f"r{n}", "red red and blue red", hue="red") for n in range(12)],
        a_case("bare", "", hue="red"),
    ]
    pictures = {case.id: picture(HUES[hue], at) for at, (case, hue) in enumerate(rows)}
    library = build_small_library(
        tmp_path, [case for case, _ in rows], pictures, embeds_words=joint
    )
    for text in ("red and blue", " red  and blue", "x"):
        hits = search(library, Query(text=text, fusion=fusion), 5)  # type: ignore[arg-type]
        assert hits[0].id == "x"
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert hits[0].why.startswith("Its caption or id is what was asked for")
        for hit in hits:
            assert sum(one.share for one in hit.lists) == pytest.approx(hit.score, abs=1e-6)
