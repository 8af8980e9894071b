"""A low window, such as 1280 x 800 at 200 % zoom: figures are in view all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from medclip_search import NOT_FOR_DIAGNOSIS
from tests.app.test_accessible import faults
from tests.app.using import LONG, ask, cards, headline


@pytest.fixture
def page(page: Page) -> Page:
    page.set_viewport_size({"width": 640, "height": 400})
    return page


def most_seen(page: Page) -> float:
    """How much of the picture that is seen most is within the window and under nothing else."""
    expect(cards(page).first.locator("img")).to_have_class("loaded", timeout=LONG)
    page.wait_for_timeout(600)  # cards glide
    over = page.locator(".medclip-notice, .st-key-steering")
    bottom = min(one["y"] for at in range(over.count()) if (one := over.nth(at).bounding_box()))
    seen = 0.0
    for figure in cards(page).locator(".figure").all():
        box = figure.bounding_box()
        assert box is not None
        shown = min(box["y"] + box["height"], bottom) - max(box["y"], 0)
        seen = max(seen, shown / box["height"])
    return seen


def test_a_figure_is_in_view_after_a_search_and_after_a_like(page: Page, pictures: Path) -> None:
    ask(page, "nodule", pictures / "figure 7.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    assert most_seen(page) > 0.5
    cards(page).first.locator(".figure").focus()
    page.keyboard.press("l")
    expect(page.get_by_text("Re-ranked by 1 like")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(NOT_FOR_DIAGNOSIS)).to_be_in_viewport(ratio=1)
    assert most_seen(page) > 0.5
    assert faults(page) == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Re-ranked by 1 like")).to_have_count(0, timeout=LONG)
