"""The page's address: a search is bookmarked, shared, gone back to; and anybody may write one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.app.using import LONG, ask, captions, cards, chip, found, headline

if TYPE_CHECKING:
    from tests.app.conftest import Served

ALERT = '[data-testid="stAlert"]'


@contextmanager
def elsewhere(browser: Browser, address: str) -> Iterator[Page]:
    """The address opened in a browser that was never here."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def said(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_bookmark_asks_the_same_in_another_browser(page: Page, browser: Browser) -> None:
    found(page, "cyst wall")
    page.get_by_role("checkbox", name=re.compile("^CT")).click()
    expect(page).to_have_url(re.compile("modality=CT"), timeout=LONG)
    page.get_by_role("button", name="Words", exact=True).click()
    page.get_by_label("More words").fill("number 9")
    page.get_by_role("button", name="Leave out").click()
    expect(page).to_have_url(re.compile("not=number"), timeout=LONG)
    expect(cards(page).first).to_be_visible(timeout=LONG)
    page.wait_for_timeout(500)
    here = captions(page)
    with elsewhere(browser, page.url) as there:
        expect(chip(there, "“cyst wall”")).to_be_visible(timeout=LONG)
        expect(chip(there, "not “number 9”")).to_be_visible()
        assert captions(there) == here
        expect(there.get_by_role("checkbox", name=re.compile("^CT"))).to_be_checked()


def test_a_figure_of_the_library_is_in_the_link_and_an_upload_is_not(
    page: Page, browser: Browser, pictures: Path
) -> None:
    found(page, "cyst")
    cards(page).nth(1).locator(".figure").click()
    page.get_by_role("dialog").get_by_role("button", name="Search with this figure").click()
    expect(page).to_have_url(re.compile("image=case"), timeout=LONG)
    expect(cards(page).first).to_be_visible(timeout=LONG)
    with elsewhere(browser, page.url) as there:
        expect(chip(there, "Figure ").locator("img")).to_be_visible(timeout=LONG)
        expect(cards(there).first).to_be_visible(timeout=LONG)
    ask(page, "chest", pictures / "figure 7.png")
    expect(page).to_have_url(re.compile("upload"), timeout=LONG)
    assert "figure" not in page.url.replace("folder", "").partition("upload")[2]
    page.get_by_role("button", name="Link").click()
    link = page.get_by_test_id("stPopoverBody").locator("code").text_content() or ""
    assert "upload" not in link
    assert "q=chest" in link
    for address in (page.url, link):
        with elsewhere(browser, address) as there:
            expect(chip(there, "“chest”")).to_be_visible(timeout=LONG)
            expect(headline(there)).to_be_visible(timeout=LONG)
            expect(chip(there, "figure 7.png")).to_have_count(0)
            told = there.get_by_text("No link carries it")
            expect(told).to_have_count(1 if "upload" in address else 0)


def test_back_and_forward_go_through_the_searches(page: Page, pictures: Path) -> None:
    found(page, "cyst")
    found(page, "nodule")
    ask(page, "", pictures / "figure 7.png")
    expect(chip(page, "figure 7.png")).to_be_visible(timeout=LONG)
    expect(page).to_have_url(re.compile("upload"), timeout=LONG)
    page.go_back()
    expect(chip(page, "figure 7.png")).to_have_count(0, timeout=LONG)
    expect(chip(page, "“nodule”")).to_be_visible()
    page.go_back()
    expect(chip(page, "“cyst”")).to_be_visible(timeout=LONG)
    expect(cards(page).first.locator(".text")).to_contain_text("cyst", timeout=LONG)
    page.go_back()
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=LONG)
    page.go_forward()
    expect(chip(page, "“cyst”")).to_be_visible(timeout=LONG)
    page.go_forward()
    expect(chip(page, "“nodule”")).to_be_visible(timeout=LONG)
    page.go_forward()  # the picture went when the search was left
    expect(page.get_by_text("drop it again")).to_be_visible(timeout=LONG)


def test_help_and_back_keep_an_uploaded_picture(page: Page, pictures: Path) -> None:
    ask(page, "chest", pictures / "figure 7.png")
    expect(chip(page, "figure 7.png")).to_be_visible(timeout=LONG)
    expect(page).to_have_url(re.compile("upload"), timeout=LONG)
    page.get_by_role("link", name="Help").click()
    expect(page.get_by_text("How to write words")).to_be_visible(timeout=LONG)
    page.go_back()
    expect(chip(page, "figure 7.png")).to_be_visible(timeout=LONG)
    expect(chip(page, "“chest”")).to_be_visible()


def test_an_abstract_pasted_as_words_stays_when_the_page_is_loaded_again(page: Page) -> None:
    found(page, "nodule")
    abstract = "Axial CT of the chest showing a small nodule. " * 60
    ask(page, abstract)
    expect(chip(page, "“Axial CT")).to_be_visible(timeout=LONG)
    expect(page).to_have_url(re.compile("q=Axial"), timeout=LONG)
    page.reload()
    expect(chip(page, "“Axial CT")).to_be_visible(timeout=LONG)
    assert said(page)["q"] == [abstract.strip()]
    page.go_back()
    expect(chip(page, "“nodule”")).to_be_visible(timeout=LONG)


MALFORMED = [
    ("q=nodule&image=case:nobody", "a figure"),
    ("q=nodule&image=/etc/passwd", "a figure"),
    ("q=nodule&image=part:nan,0,1,1:folder-1", "a figure"),
    ("q=nodule&modality=SORCERY", "modality"),
    ("q=nodule&year=99999-1", "years"),
    ("q=nodule&weights=nan", "weights"),
    ("q=nodule&weights=1,2,3", "weights"),
    ("q=nodule&area=0.1,nan,1,1", "an area of the map"),
    ("q=nodule&page=0", "the page"),
    ("q=nodule&page=999999999999", "the page"),
    ("q=nodule&sort=sideways", "the order"),
    ("q=nodule&q=" + "x" * 20_001, "words"),
    ("q=nodule" + "".join(f"&not=w{n}" for n in range(40)), "words"),
]


def test_a_malformed_address_is_one_sentence(page: Page, served: Served) -> None:
    for query, left in MALFORMED:
        page.goto(f"{served.address}/?{query}")
        alert = page.locator(ALERT).filter(has_text="Left out of this address")
        expect(alert).to_contain_text(left, timeout=LONG)
        expect(alert).to_have_count(1)
        expect(chip(page, "“nodule”")).to_be_visible()
        expect(cards(page).first.locator(".text")).to_contain_text("nodule", timeout=LONG)
        assert "Traceback" not in page.content()


def test_words_in_an_address_are_text(page: Page, served: Served) -> None:
    words = "<img src=x onerror=alert(1)> **cyst** [a](javascript:1)"
    page.goto(f"{served.address}/?q={quote(words)}")
    expect(chip(page, f"“{words[:20]}")).to_be_visible(timeout=LONG)
    expect(chip(page, words)).to_be_visible()
    assert page.locator('img[src="x"]').count() == 0
    assert said(page)["q"] == [words]
