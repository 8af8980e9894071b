"""What a card of the gallery tells."""

from __future__ import annotations

from medclip_search.app.gallery import Card
from medclip_search.cases import Case
from medclip_search.search.hits import Hit


def test_a_card_tells_whom_its_hit_stands_for() -> None:
    case = Case("a", caption="Chest", modality="CT")
    hit = Hit(1, "a", 0.5, case, duplicates=("b", "c"), siblings=("d",))
    card = Card.of(hit).to_json()
    says = "2 more of the same picture, 1 more of the same article"
    assert card["stack"] == {"count": 3, "says": says}
    assert card["badges"] == ["CT"]
    assert "stack" not in Card("a", case).to_json()
