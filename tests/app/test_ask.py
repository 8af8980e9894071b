"""Asking: chips that are changed, weighed, unwanted and removed; pictures dropped and pasted."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.app.using import LONG, ask, captions, cards, chip, found, headline, uploading


def opened(page: Page, name: str) -> Locator:
    """Open a chip; gives what it opens."""
    chip(page, name).get_by_test_id("stPopoverButton").click()
    body = page.get_by_test_id("stPopoverBody")
    expect(body).to_be_visible(timeout=LONG)
    return body


def first_is(page: Page, text: str) -> None:
    expect(cards(page).first.locator(".text")).to_contain_text(text, timeout=LONG)


def paste(page: Page, picture: Path) -> None:
    """Copy a picture and paste it into the bar by the keyboard, through the browser's clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    content = base64.b64encode(picture.read_bytes()).decode()
    bar = page.get_by_test_id("stChatInput").locator("textarea")
    bar.focus()
    page.evaluate(
        """async (content) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const picture = new Blob([bytes], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
        }""",
        content,
    )
    with uploading(page, 1):
        bar.press("Control+V")


def test_a_pasted_picture_finds_its_own_case(page: Page, pictures: Path) -> None:
    paste(page, pictures / "figure 4.png")
    page.get_by_test_id("stChatInput").locator("textarea").press("Enter")
    expect(headline(page)).to_be_visible(timeout=LONG)
    first_is(page, "number 4")


def test_words_are_rewritten_in_their_chip(page: Page) -> None:
    found(page, "cyst")
    field = opened(page, "“cyst”").get_by_label("Words")
    field.fill("nodule")
    field.press("Enter")
    expect(chip(page, "“nodule”")).to_be_visible(timeout=LONG)
    first_is(page, "nodule")
    field.fill(" ")
    field.press("Enter")
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=LONG)


def test_unwanted_words_leave_figures_out(page: Page) -> None:
    before = found(page, "nodule")
    assert any("small" in one for one in before)
    page.get_by_role("button", name="Words", exact=True).click()
    more = page.get_by_label("More words")
    more.fill("small")
    page.get_by_role("button", name="Leave out").click()
    expect(chip(page, "not “small”")).to_be_visible(timeout=LONG)
    expect(cards(page).filter(has_text="small")).to_have_count(0, timeout=LONG)
    first_is(page, "nodule")
    page.keyboard.press("Escape")
    # Turned round, it is looked for; and back again.
    opened(page, "not “small”").get_by_text("Unwanted").click()
    expect(chip(page, "not “small”")).to_have_count(0, timeout=LONG)
    first_is(page, "small nodule")


def test_an_unwanted_picture_ranks_its_like_last(page: Page, pictures: Path) -> None:
    ask(page, "chest", pictures / "figure 0.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    first_is(page, "number 0")
    opened(page, "figure 0.png").get_by_text("Unwanted").click()
    expect(chip(page, "not figure 0.png")).to_be_visible(timeout=LONG)
    expect(cards(page).first.locator(".text")).not_to_contain_text("number 0,", timeout=LONG)
    expect(cards(page).first.locator(".text")).not_to_have_text(re.compile("number 0$"))
    first_is(page, "chest")


def test_what_is_all_unwanted_is_a_sentence(page: Page) -> None:
    found(page, "nodule")
    opened(page, "“nodule”").get_by_text("Unwanted").click()
    expect(page.get_by_text("All of this is left out")).to_be_visible(timeout=LONG)
    page.keyboard.press("Escape")
    found(page, "chest")
    expect(cards(page).filter(has_text="nodule")).to_have_count(0, timeout=LONG)


def test_weights_decide_between_words_and_picture(page: Page, pictures: Path) -> None:
    ask(page, "abdomen cyst", pictures / "figure 3.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    for name, presses in (("figure 3.png", "End"), ("“abdomen cyst”", "Home")):
        slider = opened(page, name).get_by_role("slider")
        slider.focus()
        slider.press(presses)
        expect(chip(page, "4 ×" if presses == "End" else "¼ ×")).to_be_visible(timeout=LONG)
        page.keyboard.press("Escape")
    first_is(page, "number 3")
    expect(page).to_have_url(re.compile("weights=0.25%2C4"), timeout=LONG)
    slider = opened(page, "figure 3.png").get_by_role("slider")
    slider.focus()
    slider.press("Home")
    expect(cards(page).first.locator(".text")).to_contain_text("abdomen", timeout=LONG)


def test_a_second_picture_joins_and_either_can_stay_alone(page: Page, pictures: Path) -> None:
    ask(page, "", pictures / "figure 2.png")
    first_is(page, "number 2")
    ask(page, "", pictures / "figure 7.png")
    expect(chip(page, "figure 7.png")).to_be_visible(timeout=LONG)
    expect(chip(page, "figure 2.png")).to_be_visible()
    expect(cards(page).nth(1)).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Only the new picture").click()
    expect(chip(page, "figure 2.png")).to_have_count(0, timeout=LONG)
    first_is(page, "number 7")
    ask(page, "", pictures / "figure 9.png")
    opened(page, "figure 7.png").get_by_role("button", name="alone").click()
    expect(chip(page, "figure 9.png")).to_have_count(0, timeout=LONG)
    assert captions(page)[0].endswith("number 7")


def test_a_card_is_searched_with(page: Page) -> None:
    found(page, "cyst")
    mine = captions(page)[2]
    cards(page).nth(2).get_by_role("button", name=re.compile("^Search with this figure")).click()
    expect(chip(page, "Figure ")).to_be_visible(timeout=LONG)
    expect(chip(page, "“cyst”")).to_have_count(0)
    expect(cards(page).first.locator(".text")).to_have_text(mine, timeout=LONG)
    cards(page).nth(1).locator(".figure").focus()
    second = captions(page)[1]
    page.keyboard.press("f")
    expect(cards(page).first.locator(".text")).to_have_text(second, timeout=LONG)
