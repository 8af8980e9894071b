"""Narrowing: facets that count the answers, and filter them."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.app.using import LONG, ask, captions, cards, chip, found, headline, press_all


def value(page: Page, name: str) -> Locator:
    """A value of a facet, with its count."""
    return page.locator(".facets .value").filter(has_text=re.compile(f"^{name}"))


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=re.compile(f"^{name}"))


def test_a_value_narrows_and_alone_browses(page: Page) -> None:
    box(page, "MR").check()
    expect(cards(page)).to_have_count(4, timeout=LONG)
    assert all("MRI" in caption for caption in captions(page))
    expect(page.get_by_text("Counted: all 4 cases that pass the filters.")).to_be_visible()
    ask(page, "nodule")
    expect(cards(page).first.locator(".text")).to_contain_text("nodule", timeout=LONG)
    assert all("MRI" in caption for caption in captions(page))


def test_counts_follow_the_words_and_not_their_own_filter(page: Page) -> None:
    """The library has four figures of each modality; of each one small, one large nodule."""
    for name in ("CT", "MR", "US"):
        expect(value(page, name).locator(".count")).to_have_text("4")
    found(page, "small nodule")
    expect(page.get_by_text("Counted: all 6 cases that match the words.")).to_be_visible(
        timeout=LONG
    )
    box(page, "CT").check()
    expect(page.get_by_text("Counted: all 2 cases that match the words.")).to_be_visible(
        timeout=LONG
    )
    for name in ("CT", "MR", "US"):
        expect(value(page, name).locator(".count")).to_have_text("2")
    expect(value(page, "thorax").locator(".count")).to_have_text("2")
    expect(value(page, "head").locator(".count")).to_have_text("0")
    box(page, "US").check()
    expect(page.get_by_text("Counted: all 4 cases that match the words.")).to_be_visible(
        timeout=LONG
    )
    box(page, "CT").uncheck()
    box(page, "US").uncheck()
    expect(page.get_by_text("Counted: all 6 cases")).to_be_visible(timeout=LONG)


def test_an_image_counts_the_best_and_says_so(page: Page) -> None:
    examples = page.locator('[role=list][aria-label="Example figures"] .card')
    examples.first.locator(".figure").click(timeout=LONG)
    expect(headline(page)).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Counted: the 12 best cases.")).to_be_visible(timeout=LONG)


def test_a_value_is_ticked_by_the_keyboard_and_keeps_the_focus(page: Page) -> None:
    found(page, "nodule")
    box(page, "CT").focus()
    page.keyboard.press("Space")
    expect(chip(page, "“nodule”")).to_be_visible()
    expect(cards(page).filter(has_not_text="Axial CT")).to_have_count(0, timeout=LONG)
    expect(box(page, "CT")).to_be_focused()
    page.keyboard.press("Space")
    expect(cards(page).filter(has_not_text="Axial CT").first).to_be_visible(timeout=LONG)


def test_filters_outlive_a_look_at_the_help(page: Page) -> None:
    found(page, "nodule")
    box(page, "CT").check()
    expect(cards(page).filter(has_not_text="Axial CT")).to_have_count(0, timeout=LONG)
    page.get_by_role("link", name="Help").click()
    expect(page.get_by_text("How to write words")).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Search").click()
    expect(box(page, "CT")).to_be_checked(timeout=LONG)
    expect(cards(page).filter(has_not_text="Axial CT")).to_have_count(0, timeout=LONG)


def test_values_ticked_and_let_go_in_quick_succession_all_count(page: Page) -> None:
    found(page, "nodule")
    modality = page.locator(".facets .field").filter(has_text="Modality").locator("input")
    for ticked in (True, False):
        press_all(modality, 3)
        for name in ("CT", "MR", "US"):
            expect(box(page, name)).to_be_checked(checked=ticked, timeout=LONG)
        many = 3 if ticked else 0
        expect(page).to_have_url(
            re.compile(rf"^(?:(?!modality=).)*(?:modality=\w+&?){{{many}}}$"), timeout=LONG
        )
