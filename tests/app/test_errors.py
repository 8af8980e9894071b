"""What goes wrong is a sentence with a way forward, and the rest of the page works."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from medclip_search.api import build, remove
from medclip_search.server.uploads import LIMIT_MB
from tests.app.conftest import Served, looking
from tests.app.using import LONG, ask, cards, chip, found, headline


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    served.start()
    try:
        yield served
    finally:
        if served.process is not None:
            assert served.stop()[0] == 0


def lost_and_found(page: Page, served: Served) -> None:
    """Ask for cysts; then the server is killed, and comes back at the same address."""
    found(page, "cyst")
    expect(page).to_have_url(re.compile("q=cyst"), timeout=LONG)
    assert served.process is not None
    served.process.kill()
    served.process.communicate()
    lost = page.get_by_text("The server does not answer")
    expect(lost).to_be_visible(timeout=LONG)
    expect(cards(page).first).to_be_visible()
    served.start(urlsplit(served.address).port or 0)
    expect(lost).not_to_be_visible(timeout=3 * LONG)


def test_a_lost_server_is_said_and_the_page_goes_on_when_it_is_back(
    page: Page, served: Served
) -> None:
    lost_and_found(page, served)
    ask(page, "nodule")  # the very first gesture that the new server hears of
    expect(chip(page, "“nodule”")).to_be_visible(timeout=LONG)
    expect(cards(page).first.locator(".text")).to_contain_text("nodule", timeout=LONG)


def test_the_first_star_after_a_restart_counts(page: Page, served: Served) -> None:
    lost_and_found(page, served)
    cards(page).nth(1).locator(".act.star").click()
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    expect(chip(page, "“cyst”")).to_be_visible()
    cards(page).nth(2).locator(".act.star").click()
    expect(page.get_by_text("Tray (2)")).to_be_visible(timeout=LONG)


def test_a_file_too_large_is_a_sentence_that_outlasts_enter(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.dcm"
    with large.open("wb") as file:
        file.truncate(LIMIT_MB * 2**20 + 1)
    bar = page.get_by_test_id("stChatInput")
    with page.expect_file_chooser() as chooser:
        bar.locator("button").first.click()
    chooser.value.set_files(large)
    said = page.get_by_text(f"The file was not taken: it is larger than {LIMIT_MB} MB. Save the")
    expect(said).to_be_in_viewport(ratio=1, timeout=LONG)
    ask(page, "nodule")
    expect(bar.get_by_test_id("stFileChip")).to_have_count(0)
    expect(said).to_be_visible()
    expect(headline(page)).to_be_visible(timeout=LONG)
    expect(said).not_to_be_visible(timeout=LONG)


def test_an_empty_library_says_how_to_fill_it(
    browser: Browser, built: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "library")
    remove(tmp_path / "library", where=["corpus=*"])
    with (
        serving(Served(tmp_path / "library", tmp_path / "state")) as served,
        looking(browser, served) as page,
    ):
        expect(page.get_by_text("This library is empty")).to_be_visible(timeout=LONG)
        ask(page, "nodule")
        expect(page.get_by_text("No figure matches")).to_be_visible(timeout=LONG)


def test_without_its_encoder_a_library_is_searched_by_captions(
    browser: Browser, pictures: Path, tiny_biomedclip: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_biomedclip, model)
    build(tmp_path / "library", [f"folder={pictures}"], encoder="biomedclip", model=model)
    shutil.rmtree(model)
    with (
        serving(Served(tmp_path / "library", tmp_path / "state")) as served,
        looking(browser, served) as page,
    ):
        ask(page, "nodule")
        expect(cards(page).first.locator(".text")).to_contain_text("nodule", timeout=LONG)
        expect(page.get_by_text("Words were matched against captions")).to_be_visible()
        ask(page, "", pictures / "figure 7.png")
        expect(page.get_by_test_id("stAlert")).to_be_visible(timeout=LONG)
        assert "Traceback" not in page.content()
        chip(page, "figure 7.png").get_by_role("button", name="Remove").click()
        expect(cards(page).first.locator(".text")).to_contain_text("nodule", timeout=LONG)


SLOW = """
import pathlib, sys, time
from medclip_search.encoders.compact import CompactEncoder
encode = CompactEncoder.encode_images
def slowly(self, *given):
    while not pathlib.Path(sys.argv[1], "..", "go").exists():
        time.sleep(0.02)
    return encode(self, *given)
CompactEncoder.encode_images = slowly
"""


def test_while_an_encoder_works_the_page_is_answered(
    browser: Browser, built: Path, pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "library")
    with (
        serving(Served(tmp_path / "library", tmp_path / "state", before=SLOW)) as served,
        looking(browser, served) as page,
    ):
        found(page, "nodule")
        try:
            ask(page, "", pictures / "figure 7.png")
            expect(page.get_by_text("Searching …")).to_be_visible(timeout=LONG)
            expect(cards(page).first).to_be_visible()  # what was there stays
            chip(page, "figure 7.png").get_by_role("button", name="Remove").click()
            expect(chip(page, "figure 7.png")).to_have_count(0, timeout=LONG)
            ask(page, "cyst")
            expect(cards(page).first.locator(".text")).to_contain_text("cyst", timeout=LONG)
            expect(page.get_by_text("Searching …")).to_have_count(0, timeout=LONG)
            ask(page, "", pictures / "figure 4.png")
            expect(page.get_by_text("Searching …")).to_be_visible(timeout=LONG)
        finally:
            (tmp_path / "go").touch()
        expect(page).to_have_url(re.compile("upload"), timeout=LONG)
        expect(page.get_by_text("Searching …")).to_have_count(0)
