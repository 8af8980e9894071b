"""The judgement that benchmarks make of ROCO's concepts, on figures made by hand."""

from __future__ import annotations

from benchmarks.roco_cuis import half, judge, rarest
from medclip_search import Case


def figures() -> list[Case]:
    """600 articles: one in a hundred has C1 or C2, all have C0, four C9 (too few)."""
    made = []
    for n in range(600):
        cuis = ["C0", *(["C1", "C2"] if n % 100 == 1 else ["C1"] if n % 200 == 2 else [])]
        cuis += ["C9"] if n < 4 else []
        made.append(Case(f"f{n}", "x", f"caption {n}", article=f"PMC{n}", cuis=tuple(cuis)))
    return [*made, Case("again", "x", "caption again", article="PMC1", cuis=("C1", "C2"))]


def test_rare_and_frequent_concepts_do_not_count_and_the_own_article_is_left_out() -> None:
    both = ["f1", "f101", "f201", "f301", "f401", "f501"]
    # C1 is in 9 articles of 600, more than 1 %; C2 in 6.
    for which in ("development", "test"):
        assert not judge(figures(), which, 100).topics  # with one concept there is no query
    more = [*figures(), *(Case(f"m{n}", "x", "m", article=f"M{n}") for n in range(400))]
    judged = [judge(more, which, 100) for which in ("development", "test")]
    asked = [topic for each in judged for topic in each.topics]
    assert {topic.group for topic in asked} == {f"PMC{one[1:]}" for one in both}
    assert len(asked) == 6  # one figure an article
    for each, which in zip(judged, ("development", "test"), strict=True):
        assert all(half(topic.group) == which for topic in each.topics)
        for qid, known in each.qrels.items():
            own = each.figures[qid].article
            wanted = dict.fromkeys([*both, "again"], 2) | {"f2": 1, "f202": 1, "f402": 1}
            assert known == {
                one: grade for one, grade in wanted.items() if each.figures[one].article != own
            }


def test_the_short_query_is_the_rarest_words_in_their_order() -> None:
    frequency = {"the": 90, "left": 50, "femur": 9, "osteoid": 2, "osteoma": 3, "of": 80, "12": 1}
    caption = "Osteoid osteoma (12) of the left femur; osteoid"
    assert rarest(caption, frequency) == "osteoid osteoma left femur"
