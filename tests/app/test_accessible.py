"""axe-core finds nothing serious, in either theme, in the states of the search page."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.app.using import LONG, cards, found


def faults(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical: the rule and the element."""
    page.wait_for_timeout(600)  # what fades in has its colours when it is there
    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in violations
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_search_page_has_no_serious_fault(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.reload()
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=LONG)
    assert faults(page) == []
    found(page, "nodule")
    cards(page).nth(1).get_by_role("button", name=re.compile("^Put into the tray")).click()
    cards(page).nth(2).get_by_role("button", name=re.compile("^More like this")).click()
    expect(page.locator(".st-key-steering")).to_contain_text("1 like.", timeout=LONG)
    page.get_by_role("checkbox", name=re.compile("^CT")).check()
    expect(cards(page).filter(has_not_text="Axial CT")).to_have_count(0, timeout=LONG)
    assert faults(page) == []
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_text("It opens this search in this library")).to_be_visible(timeout=LONG)
    assert faults(page) == []
