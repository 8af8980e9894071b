"""A case, opened: its figure and facts, the way to the next, its like, and the query beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bibtexparser.entrypoint import parse_string
from playwright.sync_api import Locator, Page, expect

from medclip_search import NOT_FOR_DIAGNOSIS
from tests.app.test_accessible import faults
from tests.app.using import ask, cards, headline
from tests.app.viewing import LONG, loaded, viewer


def opened(page: Page, words: str, at: int = 0) -> Locator:
    ask(page, words)
    expect(headline(page)).to_be_visible(timeout=LONG)
    cards(page).nth(at).locator(".figure").click()
    return page.get_by_role("dialog")


def test_a_case_opens_with_its_figure_and_its_facts(page: Page) -> None:
    dialog = opened(page, "cyst wall")
    expect(dialog.get_by_text("cyst & <b>wall</b>").first).to_be_visible(timeout=LONG)
    assert dialog.locator(".medclip-caption mark").first.text_content() == "cyst"
    figure = viewer(page).locator("img").first
    assert figure.evaluate("image => image.naturalWidth") == 320
    assert "showing" in (figure.get_attribute("alt") or "")
    expect(viewer(page).get_by_text(NOT_FOR_DIAGNOSIS)).to_be_visible()
    dialog.get_by_role("button", name="Into the tray").click()
    expect(dialog.get_by_role("button", name="In the tray")).to_be_visible(timeout=LONG)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    cards(page).first.locator(".figure").click()
    dialog.get_by_role("button", name="Search with this figure").click()
    expect(dialog).to_have_count(0, timeout=LONG)
    expect(page.get_by_role("button", name="Remove")).to_be_visible(timeout=LONG)


def test_marks_of_an_opened_case_want_what_is_not_shown_whatever_another_tab_did(
    page: Page,
) -> None:
    ask(page, "nodule")
    expect(cards(page).first).to_be_visible(timeout=LONG)
    with page.context.expect_page() as opening:
        page.evaluate("window.open(location.href)")
    late = opening.value
    cards(late).first.locator(".figure").click(timeout=LONG)
    dialog = late.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Into the tray")).to_be_visible(timeout=LONG)
    cards(page).first.locator(".act.star").click()
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    cards(page).first.locator(".act.up").click()
    expect(page.get_by_text("Re-ranked by 1 like.")).to_be_visible(timeout=LONG)
    # The button and the letter alike.
    dialog.get_by_role("button", name="Like", exact=False).first.click()
    expect(dialog.get_by_role("button", name="Liked", exact=False)).to_be_visible(timeout=LONG)
    expect(dialog.get_by_role("button", name="In the tray")).to_be_visible(timeout=LONG)
    cards(page).first.locator(".act.star").click()
    expect(page.get_by_text("Tray (1)")).to_have_count(0, timeout=LONG)
    viewer(late).focus()
    late.keyboard.press("s")
    expect(dialog.get_by_role("button", name="Into the tray")).to_be_visible(timeout=LONG)


def test_a_case_whose_file_is_gone_says_that_this_is_the_thumbnail(
    page: Page, pictures: Path
) -> None:
    file = pictures / "figure 2.png"
    content = file.read_bytes()
    file.unlink()
    try:
        ask(page, "", pictures / "figure 5.png")
        mine = cards(page).filter(has_text="number 2")
        mine.locator(".figure").click(timeout=LONG)
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("this is the thumbnail")).to_be_visible(timeout=LONG)
        figure = viewer(page).locator("img").first
        page.wait_for_function(
            "image => image.clientWidth && image.clientWidth <= image.naturalWidth",
            arg=figure.element_handle(),
        )
    finally:
        file.write_bytes(content)


def test_the_keyboard_alone_goes_through_the_answers_and_back(page: Page) -> None:
    ask(page, "nodule")
    expect(headline(page)).to_be_visible(timeout=LONG)
    expect(cards(page).nth(2)).to_be_visible(timeout=LONG)
    captions = cards(page).locator(".text").all_text_contents()
    cards(page).first.locator(".figure").focus()
    page.keyboard.press("Enter")
    shown = viewer(page)
    dialog = page.get_by_role("dialog")
    count = cards(page).count()
    for at in (2, 3):
        page.keyboard.press("ArrowRight")
        expect(shown.locator(".at")).to_have_text(f"{at} of {count}")
        expect(dialog.locator(".medclip-caption")).to_have_text(captions[at - 1], timeout=LONG)
    page.keyboard.press("ArrowLeft")
    expect(shown.locator(".at")).to_have_text(f"2 of {count}")
    expect(dialog.locator(".medclip-caption")).to_have_text(captions[1], timeout=LONG)
    page.keyboard.press("s")
    expect(dialog.get_by_role("button", name="In the tray")).to_be_visible(timeout=LONG)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0, timeout=LONG)
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    expect(cards(page).nth(1).locator(".figure")).to_be_focused(timeout=LONG)


def test_a_like_in_the_case_re_ranks_behind_it(page: Page) -> None:
    dialog = opened(page, "nodule", 3)
    viewer(page)
    liked = dialog.locator(".medclip-caption").text_content() or ""
    page.keyboard.press("l")
    expect(dialog.get_by_role("button", name="Liked")).to_be_visible(timeout=LONG)
    page.keyboard.press("Escape")
    expect(page.get_by_text("Re-ranked by 1 like")).to_be_visible(timeout=LONG)
    mine = cards(page).filter(has_text=liked)
    expect(mine.get_by_role("button", name="Liked: take back")).to_be_visible(timeout=LONG)
    other = cards(page).filter(has_not_text=liked).first
    other.locator(".figure").click()
    dialog.get_by_text("What your likes and dislikes say of it").click(timeout=LONG)
    expect(dialog.get_by_text(re.compile(r"^[+−]\d+\.\d: number \d+ before"))).to_be_visible()
    expect(dialog.get_by_text("Points for it (+) and against it (−) add up")).to_be_visible()


def test_figures_like_it_open_in_its_place_with_a_way_back(page: Page) -> None:
    dialog = opened(page, "nodule")
    viewer(page)
    own = dialog.locator(".medclip-caption").text_content() or ""
    similar = dialog.locator('[role=list][aria-label="Figures like it"] .card')
    expect(similar.first).to_be_visible(timeout=LONG)
    assert own not in similar.locator(".text").all_text_contents()
    outside = similar.filter(has_not_text="nodule").first  # not of the page of answers
    other = outside.locator(".text").text_content() or ""
    outside.locator(".figure").click()
    expect(dialog.locator(".medclip-caption")).to_have_text(other, timeout=LONG)
    back = dialog.get_by_role("button", name="Back to the figure before")
    back.click(timeout=LONG)
    expect(dialog.locator(".medclip-caption")).to_have_text(own, timeout=LONG)
    expect(back).to_have_count(0, timeout=LONG)


def test_the_query_image_stands_beside_and_moves_along(page: Page, pictures: Path) -> None:
    ask(page, "", pictures / "figure 7.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    cards(page).nth(1).locator(".figure").click()
    shown = viewer(page)
    page.get_by_role("dialog").get_by_role("radio", name="Beside figure 7.png").click()
    expect(shown.locator(".pane")).to_have_count(2, timeout=LONG)
    loaded(page, shown.locator(".pane").nth(1).locator("img"))
    page.keyboard.press("+")
    page.wait_for_timeout(400)
    scale = "e => new DOMMatrix(getComputedStyle(e).transform).a"
    scales = [shown.locator(".stage").nth(at).evaluate(scale) for at in (0, 1)]
    assert scales[0] > 1
    assert scales[0] == scales[1]
    page.keyboard.press("ArrowRight")
    expect(shown.locator(".at")).to_contain_text("3 of")
    expect(shown.locator(".pane")).to_have_count(2)


def test_query_images_of_one_name_are_told_apart(
    page: Page, pictures: Path, tmp_path: Path
) -> None:
    """A browser calls every picture that is pasted image.png."""
    pasted = [tmp_path / place / "image.png" for place in "ab"]
    for number, path in zip((7, 3), pasted, strict=True):
        path.parent.mkdir()
        path.write_bytes((pictures / f"figure {number}.png").read_bytes())
    ask(page, "", *pasted)
    expect(headline(page)).to_be_visible(timeout=LONG)
    cards(page).nth(2).locator(".figure").click()
    beside = viewer(page).locator(".pane").nth(1).locator("img")
    shown = []
    for number in (1, 2):
        choice = page.get_by_role("radio", name=f"Beside image.png ({number})")
        choice.click()
        expect(choice).to_be_checked(timeout=LONG)
        loaded(page, beside)
        page.wait_for_timeout(500)
        shown.append(beside.get_attribute("src"))
    assert shown[0] != shown[1]


def test_how_to_cite_is_ready_to_copy_and_to_save(page: Page) -> None:
    dialog = opened(page, "nodule")
    # The page is drawn once more when these are there, and a click meanwhile may hit nothing.
    similar = dialog.locator('[role=list][aria-label="Figures like it"] .card')
    expect(similar.first).to_be_visible(timeout=LONG)
    dialog.get_by_text("How to cite").click()
    expect(dialog.get_by_test_id("stCode").first).to_contain_text("Licence", timeout=LONG)
    dialog.get_by_role("tab", name="BibTeX").click()
    entry = dialog.get_by_role("tabpanel").filter(has_text="@").get_by_test_id("stCode")
    expect(entry).to_be_visible(timeout=LONG)
    assert len(parse_string(entry.inner_text()).entries) == 1
    with page.expect_download(timeout=LONG) as download:
        dialog.get_by_role("link", name="Save as BibTeX").click()
    assert download.value.suggested_filename == "citation.bib"
    saved = Path(download.value.path()).read_text("utf-8")
    assert len(parse_string(saved).entries) == 1


def test_a_part_of_a_found_figure_is_searched_by(page: Page) -> None:
    dialog = opened(page, "nodule")
    shown = viewer(page)
    page.keyboard.press("b")
    expect(shown.locator(".region").first).to_be_visible()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0, timeout=LONG)
    expect(page.get_by_alt_text("Region of Figure")).to_be_visible(timeout=LONG)
    expect(headline(page)).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_opened_case_has_no_serious_fault(page: Page, pictures: Path, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    ask(page, "", pictures / "figure 7.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    cards(page).nth(1).locator(".figure").click()
    shown, dialog = viewer(page), page.get_by_role("dialog")
    page.keyboard.press("w")
    expect(shown.get_by_role("slider", name="Level")).to_be_visible(timeout=LONG)
    dialog.get_by_role("radio", name="Beside figure 7.png").click()
    dialog.get_by_text("How to cite").click()
    expect(shown.locator(".pane")).to_have_count(2, timeout=LONG)
    assert faults(page) == []
