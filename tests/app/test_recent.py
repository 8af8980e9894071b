"""Recent searches: asked again with a click after a restart, forgotten, not kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from tests.app.using import LONG, ask, cards, chip, found

if TYPE_CHECKING:
    from tests.app.conftest import Served


def test_searches_are_asked_again_after_a_restart_and_forgotten(
    page: Page, served: Served, pictures: Path
) -> None:
    found(page, "cyst wall")
    page.get_by_role("checkbox", name=re.compile("^MR")).click()
    expect(page).to_have_url(re.compile("modality=MR"), timeout=LONG)
    ask(page, "nodule", pictures / "figure 7.png")
    expect(page).to_have_url(re.compile("upload"), timeout=LONG)
    assert served.stop() == (0, "")
    assert b"figure 7" not in (served.state / "state.sqlite").read_bytes()
    served.start()
    page.goto(served.address)
    again = page.locator(".st-key-recent").get_by_role("button")
    expect(again).to_have_text(
        ["cyst wall · MR"], timeout=LONG
    )  # the one with an upload is not kept
    again.click()
    expect(chip(page, "“cyst wall”")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("checkbox", name=re.compile("^MR"))).to_be_checked(timeout=LONG)
    expect(cards(page).filter(has_not_text="MRI")).to_have_count(0, timeout=LONG)
    page.get_by_role("button", name="Recent", exact=True).click()
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Forget them").click()
    expect(page.get_by_role("button", name="Recent", exact=True)).to_have_count(0, timeout=LONG)


def test_one_may_have_no_searches_kept(page: Page) -> None:
    found(page, "cyst")
    page.get_by_role("button", name="New search").click()
    expect(page.get_by_text("Recent searches")).to_be_visible(timeout=LONG)
    page.get_by_text("Keep my searches").click()
    expect(page.locator(".st-key-recent").get_by_role("button")).to_have_count(0, timeout=LONG)
    found(page, "nodule")
    page.get_by_role("button", name="New search").click()
    expect(page.get_by_role("switch", name="Keep my searches")).not_to_be_checked(timeout=LONG)
    expect(page.locator(".st-key-recent").get_by_role("button")).to_have_count(0)
