"""The page in a real browser: ask, open, keep."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library, remove
from medclip_search.library.build import build
from medclip_search.search.query import Query
from tests.app.using import LONG, ask, captions, cards, chip, headline, uploading

if TYPE_CHECKING:
    from tests.app.conftest import Draw, Served


def test_the_empty_page_explains_itself(page: Page) -> None:
    expect(page.get_by_text(NOT_FOR_DIAGNOSIS)).to_be_visible()
    expect(page.get_by_text("Try some words")).to_be_visible()
    figures = page.locator('[role=list][aria-label="Example figures"] .card')
    expect(figures).to_have_count(6, timeout=LONG)
    figures.first.locator(".figure").click()
    own = figures.first.locator(".text").text_content()
    expect(headline(page)).to_be_visible(timeout=LONG)
    expect(cards(page).first.locator(".text")).to_have_text(own or "", timeout=LONG)


def test_help_is_a_page_away_and_the_search_stays(page: Page) -> None:
    ask(page, "nodule")
    expect(headline(page)).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Help").click()
    expect(page.get_by_text("How to write words")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(NOT_FOR_DIAGNOSIS)).to_be_visible()
    page.get_by_role("link", name="Search").click()
    expect(chip(page, "“nodule”")).to_be_visible(timeout=LONG)


def test_an_example_in_words_is_asked_and_said(page: Page) -> None:
    example = page.get_by_test_id("stButton").first
    words = example.text_content() or ""
    example.click()
    expect(headline(page)).to_be_visible(timeout=LONG)
    expect(chip(page, f"“{words}”")).to_be_visible()
    assert set(words.lower().split()) <= set(re.findall(r"\w+", captions(page)[0].lower()))


def test_words_bring_cards_with_captions_as_plain_text(page: Page) -> None:
    ask(page, "cyst wall")
    expect(headline(page)).to_be_visible(timeout=LONG)
    assert "cyst & <b>wall</b>" in captions(page)[0]
    assert page.locator(".card b").count() == 0
    picture = cards(page).first.locator("img")
    expect(picture).to_have_class("loaded", timeout=LONG)
    assert picture.evaluate("image => image.naturalWidth") > 0
    whole = cards(page).first.locator(".whole")
    assert whole.evaluate("e => getComputedStyle(e).opacity") == "0"
    cards(page).first.locator(".figure").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(whole).to_have_css("opacity", "1")


def drag_onto_bar(page: Page, *files: Path) -> None:
    """Drop files as a hand does: the browser itself takes them from the disk."""
    box = page.get_by_test_id("stChatInput").bounding_box()
    assert box is not None
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(one) for one in files], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
    page.wait_for_timeout(500)  # what takes the drop is drawn meanwhile
    browser.send("Input.dispatchDragEvent", {"type": "drop", **at, "data": data})


def test_a_dropped_image_finds_its_own_case_first(page: Page, pictures: Path) -> None:
    with uploading(page, 1):
        drag_onto_bar(page, pictures / "figure 7.png")
    page.get_by_test_id("stChatInput").locator("textarea").press("Enter")
    expect(headline(page)).to_be_visible(timeout=LONG)
    assert captions(page)[0].endswith("number 7")
    expect(page.get_by_alt_text("figure 7.png")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=LONG)


def test_files_are_dropped_anywhere_on_the_page(page: Page, pictures: Path) -> None:
    content = base64.b64encode((pictures / "figure 5.png").read_bytes()).decode()
    with uploading(page, 1):
        page.evaluate(
            """async (content) => {
                const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File([bytes], "IM0005"));  // no suffix, no type
                const send = (kind) => document.elementFromPoint(900, 650).dispatchEvent(
                    new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
                send("dragover");
                await new Promise((done) => setTimeout(done, 500));
                send("drop");
            }""",
            content,
        )
    bar = page.get_by_test_id("stChatInput")
    bar.locator("textarea").press("Enter")
    expect(headline(page)).to_be_visible(timeout=LONG)
    assert captions(page)[0].endswith("number 5")


def test_a_large_upload_is_read_without_touching_the_disk(page: Page, tmp_path: Path) -> None:
    """The server of these tests cannot write a file of more than 1 MB (see conftest)."""
    large = tmp_path / "large.png"
    Image.effect_noise((2600, 2400), 90).save(large)
    assert large.stat().st_size > 5 * 2**20
    ask(page, "", large)
    expect(page.get_by_alt_text("large.png")).to_be_visible(timeout=LONG)
    expect(headline(page)).to_be_visible(timeout=LONG)


def test_words_refine_an_image_that_stays(page: Page, pictures: Path) -> None:
    ask(page, "", pictures / "figure 7.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    ask(page, "nodule chest")
    expect(cards(page).first.locator(".text")).to_contain_text("nodule", timeout=LONG)
    expect(chip(page, "figure 7.png").locator("img")).to_be_visible()


def test_what_like_figures_are_called_joins_the_words(page: Page, pictures: Path) -> None:
    ask(page, "", pictures / "figure 7.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    offered = page.locator(".st-key-called").get_by_role("button")
    expect(offered.first).to_be_visible(timeout=LONG)
    name = offered.first.text_content() or ""
    offered.first.click()
    expect(chip(page, f"“{name}”")).to_be_visible(timeout=LONG)
    expect(chip(page, "figure 7.png").locator("img")).to_be_visible()
    expect(page.locator(".st-key-called").get_by_role("button", name=name)).to_have_count(0)


def test_words_and_images_are_taken_back_one_by_one(page: Page, pictures: Path) -> None:
    ask(page, "cyst & <b>wall</b>")
    words = chip(page, "“cyst & <b>wall</b>”")
    expect(words).to_be_visible(timeout=LONG)
    ask(page, "", pictures / "figure 1.png")
    expect(chip(page, "figure 1.png")).to_be_visible(timeout=LONG)
    expect(words).to_be_visible()
    words.get_by_role("button", name="Remove").click()
    expect(words).to_have_count(0, timeout=LONG)
    expect(cards(page).first.locator(".text")).to_contain_text("number 1", timeout=LONG)
    chip(page, "figure 1.png").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="New search")).to_have_count(0)


def test_a_new_search_forgets_words_images_and_filters(page: Page, pictures: Path) -> None:
    page.get_by_role("checkbox", name=re.compile("^MR")).check()
    expect(headline(page)).to_be_visible(timeout=LONG)
    ask(page, "cyst", pictures / "figure 1.png")
    expect(chip(page, "figure 1.png")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="New search").click()
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=LONG)
    expect(page.locator('[class*="st-key-chip-"]')).to_have_count(0)
    ask(page, "nodule")
    expect(headline(page)).to_be_visible(timeout=LONG)
    # The cards of the last search may stand for a moment longer.
    expect(cards(page).filter(has_not_text="MRI").first).to_be_visible(timeout=LONG)


def test_an_unreadable_file_leaves_what_was_asked(
    page: Page, pictures: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken scan"
    broken.write_bytes(b"not a picture")
    ask(page, "chest", pictures / "figure 7.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    before = captions(page)
    ask(page, "", broken)
    expect(page.get_by_test_id("stAlert").filter(has_text="broken scan")).to_be_visible(
        timeout=LONG
    )
    expect(chip(page, "“chest”")).to_be_visible()
    expect(chip(page, "figure 7.png")).to_be_visible()
    assert captions(page) == before


def test_an_unreadable_file_is_a_sentence_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken scan"
    broken.write_bytes(b"not a picture")
    ask(page, "nodule", broken)
    expect(page.get_by_test_id("stAlert").filter(has_text="broken scan")).to_be_visible(
        timeout=LONG
    )
    expect(headline(page)).to_be_visible(timeout=LONG)
    ask(page, "cyst")
    expect(page.get_by_test_id("stAlert")).to_have_count(0, timeout=LONG)


def test_a_star_survives_a_restart_of_the_server(page: Page, served: Served) -> None:
    ask(page, "cyst")
    expect(headline(page)).to_be_visible(timeout=LONG)
    starred = captions(page)[1]
    cards(page).nth(1).get_by_role("button", name=re.compile("^Put into the tray")).click()
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    status, printed = served.stop()
    assert (status, printed) == (0, "")
    served.start()
    page.goto(served.address)
    tray = page.locator('[role=list][aria-label="Figures in the tray"] .card')
    expect(tray.locator(".text")).to_have_text(starred, timeout=LONG)
    tray.get_by_role("button", name=re.compile("^In the tray")).click()
    expect(tray).to_have_count(0, timeout=LONG)


def test_a_new_generation_is_followed_while_serving(
    page: Page, served: Served, pictures: Path, draw: Draw
) -> None:
    ask(page, "gallstones")
    expect(page.get_by_text("No figure matches")).to_be_visible(timeout=LONG)
    added = draw(pictures, "figure added", "Ultrasound of the abdomen showing gallstones", 99)
    try:
        build(served.library)
        ask(page, "gallstones")
        expect(cards(page).first.locator(".text")).to_contain_text("gallstones", timeout=LONG)
        cards(page).first.get_by_role("button", name=re.compile("^Put into the tray")).click()
        expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
        with Library.open(served.library) as library:
            (hit,) = library.search(Query(text="gallstones"), k=1)
        remove(served.library, ids=[hit.id])
        ask(page, "nodule")
        gone = page.locator('[role=list][aria-label="Figures in the tray"] .card')
        expect(gone.locator(".text")).to_contain_text("no longer in this library", timeout=LONG)
    finally:
        added.unlink()
        added.with_suffix(".txt").unlink()


def test_a_library_that_is_gone_is_a_sentence(page: Page, served: Served) -> None:
    (served.library / "CURRENT").unlink()
    ask(page, "nodule")
    expect(page.get_by_test_id("stAlert")).to_be_visible(timeout=LONG)
    assert "Traceback" not in (page.content())


def test_the_documentation_of_the_api_is_drawn_without_a_network(
    page: Page, served: Served
) -> None:
    page.goto(f"{served.address}/api/v1/docs")
    expect(page.get_by_text("MedClip Search").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("/search", exact=True)).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_lie_on_black_and_nothing_jumps(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.reload()
    ask(page, "nodule")
    expect(headline(page)).to_be_visible(timeout=LONG)
    figure = cards(page).first.locator(".figure")
    expect(figure).to_have_css("background-color", "rgb(0, 0, 0)")
    before = figure.bounding_box()
    expect(cards(page).first.locator("img")).to_have_class("loaded", timeout=LONG)
    assert figure.bounding_box() == before
