"""Reading the answers: marks, badges, stacks, pages, years, and the keyboard."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build
from tests.app.conftest import Draw
from tests.app.using import LONG, ask, captions, cards, chip, found
from tests.app.viewing import viewer

COUNT = 55
LATE = "An unremarkable examination of the neighbouring structures in two planes, with a late cyst"


@pytest.fixture(scope="session")
def built(draw: Draw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Figures of some years, two thirds of them of articles with others; one is there twice."""
    folder = tmp_path_factory.mktemp("table")
    rows = []
    for at in range(COUNT):
        # 53 is 52 again, in another article.
        draw(folder, f"p{at}", "", 52 if at == 53 else at)
        caption = f"Axial CT with effusions, nodule {'of the chest ' * (at // 9)}number {at}"
        rows.append(
            {
                "id": f"f{at:02}",
                "image": f"p{at}.png",
                "caption": LATE if at == 54 else caption,
                "article": f"PMC{3000100 + (at // 3 if at < 36 else at)}",
                "year": "" if at == 1 else 2000 + at % 12,
                "licence": ("CC BY", "CC BY-NC")[at % 2],
            }
        )
    table = folder / "cases.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    path = tmp_path_factory.mktemp("built-table") / "library"
    columns = {name: name for name in rows[0]}
    build(path, [CorpusSpec("table", table, "table", columns=columns)])
    return path


def ranks(page: Page) -> list[str]:
    return cards(page).locator(".rank:not([hidden])").all_text_contents()


def stack(card: Locator) -> Locator:
    return card.locator(".stack")


def test_the_words_are_marked_where_their_endings_differ_too(page: Page) -> None:
    found(page, "effusion of nodules")
    text = cards(page).first.locator(".text")
    expect(text.locator("mark.typed")).to_have_text(["effusions", "nodule"])
    whole = cards(page).first.locator(".whole")
    expect(whole.locator("mark.typed")).to_have_text(["effusions", "nodule"])
    assert (text.text_content() or "") in (whole.text_content() or "")


def test_a_late_word_is_shown_at_once_and_the_whole_caption_on_focus(page: Page) -> None:
    found(page, "cyst")
    text = cards(page).first.locator(".text")
    assert (text.text_content() or "").startswith("… ")
    mark = text.locator("mark.typed")
    box, inside = mark.bounding_box(), text.bounding_box()
    assert box
    assert inside
    assert box["y"] + box["height"] <= inside["y"] + inside["height"] + 1
    cards(page).first.locator(".figure").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    whole = cards(page).first.locator(".whole")
    expect(whole).to_have_css("opacity", "1")
    expect(whole).to_contain_text(LATE)
    expect(whole).to_contain_text("1st by words (cyst)")


def test_badges_tell_modality_year_and_licence(page: Page) -> None:
    found(page, "number 14")
    expect(cards(page).first.locator(".badge")).to_have_text(["CT", "thorax", "2002", "CC BY"])


def test_figures_of_an_article_lie_in_a_stack_that_opens_in_place(page: Page) -> None:
    found(page, "number 7")
    first = cards(page).first
    expect(first.locator(".text")).to_have_text(re.compile("number 7$"))
    expect(stack(first)).to_have_text("+2")
    expect(stack(first)).to_have_accessible_name("Show 2 more of the same article")
    shown = cards(page).count()
    stack(first).click()
    expect(cards(page)).to_have_count(shown + 2, timeout=LONG)
    expect(stack(first)).to_have_attribute("aria-expanded", "true")
    beneath = page.locator(".card.beneath")
    numbers = {
        re.findall(r"\d+$", text)[0] for text in beneath.locator(".text").all_text_contents()
    }
    assert numbers == {"6", "8"}
    expect(beneath.first.locator(".badge").first).to_have_text("Same article")
    assert cards(page).nth(1).get_attribute("class") == "card beneath"
    stack(first).click()
    expect(cards(page)).to_have_count(shown, timeout=LONG)
    page.get_by_text("Stack articles").click()
    articles = page.get_by_role("button", name="of the same article")
    expect(articles).to_have_count(0, timeout=LONG)


def test_the_same_picture_of_two_articles_is_a_stack(page: Page) -> None:
    found(page, "number 52")
    first = cards(page).first
    expect(stack(first)).to_have_accessible_name("Show 1 more of the same picture")
    stack(first).click()
    beneath = page.locator(".card.beneath")
    expect(beneath.locator(".text")).to_have_text(re.compile("number 53$"), timeout=LONG)
    expect(beneath.locator(".badge").first).to_have_text("Same picture")


def test_pages_follow_one_another_and_begin_at_their_top(page: Page) -> None:
    found(page, "nodule")
    page.get_by_text("Stack articles").click()
    expect(page.get_by_text(re.compile(r"^5\d figures · \d+ ms$"))).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="of the same article")).to_have_count(0, timeout=LONG)
    first = captions(page)
    assert ranks(page) == [str(at) for at in range(1, 25)]
    pages = page.get_by_test_id("stPagination")
    pages.get_by_role("button", name="3").click()
    expect(cards(page).first.locator(".rank")).to_have_text("49", timeout=LONG)
    assert not set(first) & set(captions(page))
    expect(cards(page).first).to_be_in_viewport()
    pages.get_by_role("button", name="1").click()
    expect(cards(page).first.locator(".rank")).to_have_text("1", timeout=LONG)
    assert captions(page) == first
    pages.get_by_role("button", name="2").click()
    expect(cards(page).first.locator(".rank")).to_have_text("25", timeout=LONG)
    ask(page, "effusion")
    expect(cards(page).first.locator(".rank")).to_have_text("1", timeout=LONG)
    expect(pages).to_have_count(1, timeout=LONG)  # that of the last search goes with its page
    expect(pages.locator('[aria-current="page"], [aria-pressed="true"]')).to_have_text("1")


def test_the_arrow_keys_go_from_an_opened_case_to_the_next_page_and_back(page: Page) -> None:
    found(page, "nodule")
    page.get_by_text("Stack articles").click()
    expect(page.get_by_text(re.compile(r"^5\d figures · \d+ ms$"))).to_be_visible(timeout=LONG)
    pages = page.get_by_test_id("stPagination")
    pages.get_by_role("button", name="2").click()
    expect(cards(page).first.locator(".rank")).to_have_text("25", timeout=LONG)
    second = captions(page)
    pages.get_by_role("button", name="1").click()
    expect(cards(page).first.locator(".rank")).to_have_text("1", timeout=LONG)
    last = captions(page)[-1]
    cards(page).last.locator(".figure").click()
    shown, caption = viewer(page), page.get_by_role("dialog").locator(".medclip-caption")
    expect(shown.locator(".at")).to_have_text("24 of 24, page 1 of 3")
    page.get_by_role("dialog").evaluate("dialog => { dialog.dataset.same = 'yes'; }")
    for _ in range(2):  # a hand that is quicker than the search does not pass a page over
        page.keyboard.press("ArrowRight")
    expect(caption).to_have_text(second[0], timeout=LONG)
    expect(shown.locator(".at")).to_have_text("1 of 24, page 2 of 3")
    expect(page.get_by_role("dialog")).to_have_attribute("data-same", "yes")  # it never closed
    page.keyboard.press("ArrowLeft")
    expect(caption).to_have_text(last, timeout=LONG)
    expect(shown.locator(".at")).to_have_text("24 of 24, page 1 of 3")
    page.keyboard.press("ArrowRight")
    expect(caption).to_have_text(second[0], timeout=LONG)
    expect(shown.locator(".at")).to_have_text("1 of 24, page 2 of 3")
    page.keyboard.press("ArrowRight")
    expect(caption).to_have_text(second[1], timeout=LONG)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=LONG)
    expect(cards(page).first.locator(".rank")).to_have_text("25", timeout=LONG)  # behind it
    expect(cards(page).nth(1).locator(".figure")).to_be_focused(timeout=LONG)
    expect(page).to_have_url(re.compile("page=2"), timeout=LONG)
    chosen = pages.locator('[aria-current="page"], [aria-pressed="true"]')
    expect(chosen).to_have_text("2")
    page.reload()
    expect(cards(page).first.locator(".rank")).to_have_text("25", timeout=LONG)
    expect(chosen).to_have_text("2", timeout=LONG)


def test_another_question_is_shown_from_where_it_stands(page: Page) -> None:
    found(page, "nodule")
    ask(page, "effusion")
    expect(chip(page, "“effusion”")).to_be_in_viewport(timeout=LONG)
    cards(page).last.scroll_into_view_if_needed()
    expect(page.get_by_test_id("stChatInput")).not_to_be_in_viewport()
    cards(page).last.get_by_role("button", name="Search with this figure").click()
    expect(chip(page, "Figure ")).to_be_in_viewport(timeout=LONG)


def years(page: Page) -> list[int]:
    badges = cards(page).locator(".badge").all_text_contents()
    return [int(badge) for badge in badges if badge.isdigit()]


def test_the_newest_come_first_on_request_and_a_note_says_among_which(page: Page) -> None:
    found(page, "nodule")
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="Newest first").click()
    expect(page.get_by_text("Newest first among the")).to_be_visible(timeout=LONG)
    # The note stands above the cards, and is there before them.
    expect(cards(page).first.locator(".badge", has_text="2011")).to_be_visible(timeout=LONG)
    shown = years(page)
    assert shown == sorted(shown, reverse=True)


def test_years_are_dragged_over_typed_and_given_back(page: Page) -> None:
    found(page, "nodule")
    chart = page.locator(".facets .chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    column = box["width"] / 12
    page.mouse.move(box["x"] + 4.5 * column, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 6.5 * column, box["y"] + 10, steps=3)
    page.mouse.up()
    first, last = page.get_by_label("First year"), page.get_by_label("Last year")
    expect(first).to_have_value("2004", timeout=LONG)
    expect(last).to_have_value("2006")
    expect(page.get_by_text("Counted: all 14 cases")).to_be_visible(timeout=LONG)
    assert set(years(page)) == {2004, 2005, 2006}
    last.fill("2004")
    last.press("Enter")
    expect(page.get_by_text("Counted: all 5 cases")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="All years").click()
    expect(page.get_by_text("Counted: all 54 cases")).to_be_visible(timeout=LONG)
    expect(first).to_have_value("2000")


def focused(page: Page) -> str:
    """The caption of the card that has the focus."""
    return str(
        page.evaluate(
            """() => {
                let at = document.activeElement;
                while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
                return at?.closest(".card")?.querySelector(".text").textContent ?? "";
            }"""
        )
    )


def test_everything_on_a_card_is_done_by_keyboard(page: Page) -> None:
    shown = found(page, "nodule")
    cards(page).first.locator(".figure").focus()
    page.keyboard.press("ArrowRight")
    assert focused(page) == shown[1]
    page.keyboard.press("ArrowDown")
    below = shown.index(focused(page))
    tops = [card.bounding_box() for card in cards(page).all()]
    assert tops[below]["x"] == tops[1]["x"]  # type: ignore[index]
    assert tops[below]["y"] > tops[1]["y"]  # type: ignore[index]
    page.keyboard.press("ArrowUp")
    assert focused(page) == shown[1]
    page.keyboard.press("End")
    assert focused(page) == shown[-1]
    page.keyboard.press("Home")
    page.keyboard.press("s")
    star = cards(page).first.get_by_role("button", name=re.compile("^In the tray"))
    expect(star).to_have_attribute("aria-pressed", "true", timeout=LONG)
    expect(star).to_have_attribute("aria-keyshortcuts", "s")
    page.keyboard.press("l")
    expect(page.locator(".st-key-steering")).to_contain_text("1 like.", timeout=LONG)
    page.keyboard.press("l")
    expect(page.locator(".st-key-steering")).to_contain_text("No likes", timeout=LONG)
    page.keyboard.press("d")
    expect(page.locator(".st-key-steering")).to_contain_text("1 dislike.", timeout=LONG)
    assert focused(page)
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible(timeout=LONG)


def test_pictures_under_way_have_their_place_already(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/v1/thumbnails/**", lambda route: held.append(route))
    found(page, "number 14")
    figure = cards(page).first.locator(".figure")
    expect(figure).to_have_class("figure waiting")
    before = [card.bounding_box() for card in cards(page).all()]
    for route in held:
        route.continue_()
    page.unroute("**/api/v1/thumbnails/**")
    expect(figure).to_have_class("figure", timeout=LONG)
    expect(cards(page).first.locator("img")).to_have_class("loaded")
    assert [card.bounding_box() for card in cards(page).all()] == before
