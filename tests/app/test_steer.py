"""Steering: what a thumb changes, what it says, undo, and start over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect

from medclip_search.api import remove
from tests.app.using import LONG, ask, captions, cards, found, press_all

if TYPE_CHECKING:
    from tests.app.conftest import Served


def bar(page: Page) -> Locator:
    return page.locator(".st-key-steering")


def thumb(card: Locator, up: bool) -> Locator:
    return card.get_by_role("button", name=re.compile("^More like" if up else "^Less like"))


def test_a_dislike_says_what_it_changed_and_undo_brings_it_back(page: Page) -> None:
    before = found(page, "nodule")
    expect(bar(page)).to_have_count(0)
    thumb(cards(page).first, up=False).click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 dislike.", timeout=LONG)
    expect(bar(page)).to_contain_text(re.compile(r"\d+ moved (up|down)"))
    expect(cards(page).first.locator(".text")).not_to_have_text(before[0])
    # What was judged stays in sight, with its thumb.
    judged = page.locator('[role=list][aria-label="Figures judged"] .card')
    expect(judged).to_have_count(1)
    assert before[0] in (judged.locator("img").get_attribute("alt") or "")
    bar(page).get_by_role("button", name="Undo").click()
    expect(cards(page).first.locator(".text")).to_have_text(before[0], timeout=LONG)
    expect(judged).to_have_count(0, timeout=LONG)
    assert captions(page) == before


def test_starting_over_forgets_every_judgement_and_can_be_undone(page: Page) -> None:
    before = found(page, "nodule")
    thumb(cards(page).nth(3), up=True).click()
    expect(bar(page)).to_contain_text("1 like.", timeout=LONG)
    thumb(cards(page).last, up=False).click()
    expect(bar(page)).to_contain_text("1 like and 1 dislike.", timeout=LONG)
    steered = captions(page)
    bar(page).get_by_role("button", name="Start over").click()
    expect(bar(page)).to_contain_text("No likes and dislikes.", timeout=LONG)
    expect(cards(page).first.locator(".text")).to_have_text(before[0], timeout=LONG)
    assert captions(page) == before
    bar(page).get_by_role("button", name="Undo").click()
    expect(bar(page)).to_contain_text("1 like and 1 dislike.", timeout=LONG)
    expect(cards(page).first.locator(".text")).to_have_text(steered[0], timeout=LONG)
    assert captions(page) == steered


def test_undo_leaves_alone_what_another_tab_judged(page: Page) -> None:
    found(page, "nodule")
    thumb(cards(page).first, up=True).click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 like.", timeout=LONG)
    with page.context.expect_page() as opening:
        page.evaluate("window.open(location.href)")
    other = opening.value
    expect(bar(other)).to_contain_text("Re-ranked by 1 like.", timeout=LONG)
    mine = cards(other).last.get_attribute("data-id")
    thumb(cards(other).last, up=False).click()
    expect(bar(other)).to_contain_text("1 like and 1 dislike.", timeout=LONG)
    bar(page).get_by_role("button", name="Undo").click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 dislike.", timeout=LONG)
    judged = page.locator('[role=list][aria-label="Figures judged"] .card')
    assert [one.get_attribute("data-id") for one in judged.all()] == [mine]


def test_a_thumb_wants_what_its_card_does_not_show_whatever_another_tab_did(page: Page) -> None:
    found(page, "nodule")
    with page.context.expect_page() as opening:
        page.evaluate("window.open(location.href)")
    late = opening.value
    expect(cards(late).first).to_be_visible(timeout=LONG)
    first = cards(page).first.get_attribute("data-id") or ""
    card, same = (cards(tab).and_(tab.locator(f'[data-id="{first}"]')) for tab in (page, late))
    thumb(card, up=True).click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 like.", timeout=LONG)
    # Shown unliked, it is liked: which it is by now.
    thumb(same, up=True).click()
    expect(bar(late)).to_contain_text("Re-ranked by 1 like.", timeout=LONG)
    expect(bar(late).get_by_role("button", name="Undo")).to_have_count(0)  # it changed nothing
    # Shown liked, it is unliked: which a dislike since is not.
    thumb(card, up=False).click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 dislike.", timeout=LONG)
    same.get_by_role("button", name=re.compile("^Liked: take back")).click()
    expect(bar(late)).to_contain_text("Re-ranked by 1 dislike.", timeout=LONG)


def test_a_star_wants_what_its_card_does_not_show_whatever_another_tab_did(page: Page) -> None:
    found(page, "nodule")
    with page.context.expect_page() as opening:
        page.evaluate("window.open(location.href)")
    late = opening.value
    expect(cards(late).first).to_be_visible(timeout=LONG)
    cards(page).first.locator(".act.star").click()
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    cards(late).first.locator(".act.star").click()
    expect(late.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    # Both show it there; taken out in one, it is not put back by the other.
    cards(page).first.get_by_role("button", name=re.compile("^In the tray")).click()
    expect(page.get_by_text("Tray (1)")).to_have_count(0, timeout=LONG)
    cards(late).first.get_by_role("button", name=re.compile("^In the tray")).click()
    expect(late.get_by_text("Tray (1)")).to_have_count(0, timeout=LONG)


def test_a_judgement_is_taken_back_where_it_is_kept(page: Page) -> None:
    before = found(page, "nodule")
    thumb(cards(page).nth(2), up=True).click()
    judged = page.locator('[role=list][aria-label="Figures judged"] .card')
    judged.get_by_role("button", name=re.compile("^Liked: take back")).click(timeout=LONG)
    expect(judged).to_have_count(0, timeout=LONG)
    assert captions(page) == before


def test_a_like_is_kept_for_its_query_alone(page: Page) -> None:
    found(page, "nodule")
    thumb(cards(page).last, up=True).click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 like.", timeout=LONG)
    found(page, "cyst")
    expect(bar(page)).to_have_count(0, timeout=LONG)
    ask(page, "Nodule")
    expect(bar(page)).to_contain_text("Re-ranked by 1 like.", timeout=LONG)
    # What was judged before this search was made is not undone one by one.
    expect(bar(page).get_by_role("button", name="Undo")).to_have_count(0)


def test_the_focus_stays_on_the_thumb_that_was_pressed(page: Page) -> None:
    found(page, "nodule")
    own = cards(page).nth(3)
    caption = own.locator(".text").text_content() or ""
    thumb(own, up=True).press("Enter")
    expect(bar(page)).to_contain_text("1 like.", timeout=LONG)
    card = cards(page).filter(has_text=caption)
    expect(card.get_by_role("button", name=re.compile("^Liked: take back"))).to_be_focused()


def test_who_wants_calm_sees_no_gliding_and_others_do(page: Page) -> None:
    for motion, glides in (("no-preference", True), ("reduce", False)):
        page.emulate_media(reduced_motion=motion)  # type: ignore[arg-type]
        page.reload()
        found(page, "nodule" if glides else "cyst")
        page.evaluate(
            """() => {
                window.glided = 0;
                const animate = Element.prototype.animate;
                Element.prototype.animate = function (...given) {
                    if (this.classList.contains("card")) window.glided += 1;
                    return animate.apply(this, given);
                };
            }"""
        )
        thumb(cards(page).first, up=False).click()
        expect(bar(page)).to_contain_text("1 dislike.", timeout=LONG)
        expect(bar(page)).to_contain_text("moved")
        assert (page.evaluate("window.glided") > 0) == glides


def test_every_one_of_several_quick_gestures_counts(page: Page) -> None:
    found(page, "nodule")
    press_all(cards(page).locator(".act.up"), 4)
    expect(bar(page)).to_contain_text("Re-ranked by 4 likes.", timeout=LONG)
    press_all(cards(page).locator(".act.star"), 3)
    expect(page.get_by_text("Tray (3)")).to_be_visible(timeout=LONG)
    # Each is undone by itself, and what was answered is not heard again.
    bar(page).get_by_role("button", name="Undo").click()
    expect(bar(page)).to_contain_text("Re-ranked by 3 likes.", timeout=LONG)
    cards(page).last.locator(".act.down").click()
    expect(bar(page)).to_contain_text("Re-ranked by 3 likes and 1 dislike.", timeout=LONG)


def test_a_search_goes_on_when_what_was_judged_leaves_the_library(
    page: Page, served: Served
) -> None:
    found(page, "nodule")
    gone, stays = (cards(page).nth(at).get_attribute("data-id") or "" for at in (0, 1))
    thumb(cards(page).nth(1), up=False).click()
    expect(bar(page)).to_contain_text("Re-ranked by 1 dislike.", timeout=LONG)
    card = cards(page).and_(page.locator(f'[data-id="{gone}"]'))
    thumb(card, up=True).click()
    expect(bar(page)).to_contain_text("1 like and 1 dislike.", timeout=LONG)
    remove(served.library, ids=[gone])
    page.reload()
    expect(bar(page)).to_contain_text("Re-ranked by 1 dislike.", timeout=LONG)
    expect(cards(page).first).to_be_visible(timeout=LONG)
    judged = page.locator('[role=list][aria-label="Figures judged"] .card')
    assert [one.get_attribute("data-id") for one in judged.all()] == [stays]
