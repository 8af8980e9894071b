"""Trays in a real browser: several of them, notes, order, exports opened and checked, imports."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pypdf
import pytest
import rispy
from bibtexparser.entrypoint import parse_string
from playwright.sync_api import Browser, Locator, Page, expect

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library
from medclip_search.search.query import Query
from medclip_search.state import LOCAL_USER, State
from tests.app.test_accessible import faults
from tests.app.using import found, press_all

if TYPE_CHECKING:
    from tests.app.conftest import Served

LONG = 20_000  # milliseconds: two cores may be shared with other work
NOTE = "Compare with <b>the next</b>\n=SUM(1)"


@pytest.fixture
def three(served: Served) -> list[str]:
    """The ids of three cases, put into a tray called ``Day 1`` before the page is opened."""
    with Library.open(served.library) as library, State.open(served.state) as state:
        ids = [hit.id for hit in library.search(Query(text="nodule"), k=3)]
        for case_id in ids:
            state.add_to_tray(LOCAL_USER, library.id, case_id, "Day 1")
    return ids


def rows(page: Page) -> Locator:
    return page.locator('[aria-label="Figures of the tray, in order"] .row')


def order(page: Page) -> list[str]:
    return [row.get_attribute("data-id") or "" for row in rows(page).all()]


def open_trays(page: Page, served: Served, count: int) -> None:
    page.goto(f"{served.address}/trays")
    expect(rows(page)).to_have_count(count, timeout=LONG)


def kept(served: Served, name: str) -> list[tuple[str, str]]:
    """What is in a tray on disk: ids and notes, in order."""
    with Library.open(served.library) as library, State.open(served.state) as state:
        entries = state.tray(LOCAL_USER, library.id, name)
    return [(entry.case_id, entry.note) for entry in entries]


def becomes(page: Page, served: Served, name: str, expected: list[tuple[str, str]]) -> None:
    """Wait until a tray on disk is as it should be."""
    for _ in range(LONG // 100):
        if kept(served, name) == expected:
            return
        page.wait_for_timeout(100)
    assert kept(served, name) == expected


def saved(page: Page, label: str) -> bytes:
    with page.expect_download(timeout=LONG) as download:
        page.get_by_role("link", name=label, exact=True).click()
    assert download.value.failure() is None
    return Path(download.value.path()).read_bytes()


def test_notes_and_order_are_kept_across_a_restart(
    three: list[str], page: Page, served: Served
) -> None:
    a, b, c = three
    open_trays(page, served, 3)
    rows(page).nth(1).locator("textarea").fill(NOTE)
    # Whatever is done next takes the note along, though the typing has hardly stopped.
    rows(page).nth(2).get_by_role("button", name=re.compile("^Move up")).click()
    becomes(page, served, "Day 1", [(a, ""), (c, ""), (b, NOTE)])
    expect(rows(page).nth(2)).to_have_attribute("data-id", b)
    status, printed = served.stop()
    assert (status, printed) == (0, "")
    served.start()
    open_trays(page, served, 3)
    assert order(page) == [a, c, b]
    expect(rows(page).nth(2).locator("textarea")).to_have_value(NOTE)
    rows(page).nth(2).locator("textarea").fill("shorter")
    becomes(page, served, "Day 1", [(a, ""), (c, ""), (b, "shorter")])


def test_cases_are_moved_by_keyboard_and_by_hand(
    three: list[str], page: Page, served: Served
) -> None:
    a, b, c = three
    open_trays(page, served, 3)
    up = rows(page).nth(1).get_by_role("button", name=re.compile("^Move up"))
    up.focus()
    page.keyboard.press("Enter")
    becomes(page, served, "Day 1", [(b, ""), (a, ""), (c, "")])
    expect(rows(page).first).to_have_attribute("data-id", b)
    # The focus went along; at the top it is on the button that leads back.
    expect(rows(page).first.get_by_role("button", name=re.compile("^Move down"))).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    becomes(page, served, "Day 1", [(a, ""), (b, ""), (c, "")])
    expect(rows(page).first).to_have_attribute("data-id", a)
    rows(page).nth(2).locator(".handle").hover()
    page.mouse.down()
    box = rows(page).first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 60, steps=8)
    page.mouse.move(box["x"] + 40, box["y"] + 10, steps=8)
    page.mouse.up()
    becomes(page, served, "Day 1", [(c, ""), (a, ""), (b, "")])


def test_quick_steps_of_one_case_add_up(three: list[str], page: Page, served: Served) -> None:
    a, b, c = three
    open_trays(page, served, 3)
    up = rows(page).nth(2).get_by_role("button", name=re.compile("^Move up"))
    up.evaluate("button => { button.click(); button.click(); }")
    becomes(page, served, "Day 1", [(c, ""), (a, ""), (b, "")])
    expect(rows(page).first).to_have_attribute("data-id", c, timeout=LONG)
    # Further than the end is the end.
    down = rows(page).nth(1).get_by_role("button", name=re.compile("^Move down"))
    down.evaluate("button => { button.click(); button.click(); button.click(); }")
    becomes(page, served, "Day 1", [(c, ""), (b, ""), (a, "")])


def test_trays_are_made_chosen_renamed_and_deleted_with_a_way_back(
    three: list[str], page: Page, served: Served
) -> None:
    a, b, c = three
    open_trays(page, served, 3)
    choose(page, "Tumours")
    expect(page.get_by_text("This tray is empty")).to_be_visible(timeout=LONG)
    choose(page, "Day 1")
    expect(rows(page)).to_have_count(3, timeout=LONG)
    elsewhere = rows(page).first.locator("select")
    elsewhere.select_option(label="Tumours", value="moveTumours")
    becomes(page, served, "Tumours", [(a, "")])
    expect(rows(page)).to_have_count(2, timeout=LONG)
    rows(page).first.locator("select").select_option(value="copyTumours")
    becomes(page, served, "Tumours", [(a, ""), (b, "")])
    becomes(page, served, "Day 1", [(b, ""), (c, "")])

    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("Tumours")
    page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    expect(page.get_by_text("there is such a tray already")).to_be_visible(timeout=LONG)
    expect(page.get_by_label("New name")).to_have_count(0, timeout=LONG)
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("Day 2")
    page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    becomes(page, served, "Day 2", [(b, ""), (c, "")])
    expect(rows(page).first.locator("..")).to_have_attribute("data-tray", "Day 2", timeout=LONG)

    rows(page).first.get_by_role("button", name=re.compile("^Take out")).click()
    becomes(page, served, "Day 2", [(c, "")])
    page.get_by_role("button", name="Undo").click()
    becomes(page, served, "Day 2", [(b, ""), (c, "")])
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Day 2 is deleted")).to_be_visible(timeout=LONG)
    assert kept(served, "Day 2") == []
    page.get_by_role("button", name="Undo").click()
    becomes(page, served, "Day 2", [(b, ""), (c, "")])
    expect(chooser(page)).to_have_value("Day 2", timeout=LONG)


def test_undo_takes_a_move_back_and_leaves_alone_what_came_meanwhile(
    three: list[str], page: Page, served: Served
) -> None:
    a, b, c = three
    with Library.open(served.library) as library, State.open(served.state) as state:
        state.create_tray(LOCAL_USER, library.id, "Other")
        state.note_in_tray(LOCAL_USER, library.id, b, NOTE, "Day 1")
    open_trays(page, served, 3)
    rows(page).nth(1).locator("select").select_option(value="moveOther")
    expect(page.get_by_text("Moved to Other")).to_be_visible(timeout=LONG)
    assert kept(served, "Other") == [(b, NOTE)]
    with Library.open(served.library) as library, State.open(served.state) as state:
        state.add_to_tray(LOCAL_USER, library.id, "meanwhile", "Day 1")
        state.add_to_tray(LOCAL_USER, library.id, "meanwhile", "Other")
    page.get_by_role("button", name="Undo").click()
    becomes(page, served, "Day 1", [(a, ""), (b, NOTE), (c, ""), ("meanwhile", "")])
    assert kept(served, "Other") == [("meanwhile", "")]


def chooser(page: Page) -> Locator:
    return page.get_by_role("combobox", name=re.compile("Choose a tray"))


def choose(page: Page, name: str) -> None:
    """Type a tray's name into the chooser; one that is not there is made."""
    box = chooser(page)
    box.click()
    box.fill(name)
    page.keyboard.press("Enter")


def test_a_star_goes_into_the_chosen_tray_and_a_note_is_not_lost_with_it(
    three: list[str], page: Page, served: Served
) -> None:
    with Library.open(served.library) as library, State.open(served.state) as state:
        state.create_tray(LOCAL_USER, library.id, "Other")
        state.choose_tray(LOCAL_USER, library.id, "Other")
    page.goto(served.address)
    bar = page.get_by_test_id("stChatInput").locator("textarea")
    bar.fill("nodule", timeout=LONG)
    bar.press("Enter")
    cards = page.locator('[role=list][aria-label="Figures found"] .card')
    cards.first.get_by_role("button", name=re.compile("^Put into the tray")).click(timeout=LONG)
    expect(page.get_by_text("Tray (1)")).to_be_visible(timeout=LONG)
    assert [case_id for case_id, _ in kept(served, "Other")] == three[:1]
    page.get_by_role("link", name="Notes, order, exports").click()
    rows(page).first.locator("textarea").fill("mine", timeout=LONG)
    page.get_by_role("link", name="Search").click()  # a note hardly typed goes along all the same
    becomes(page, served, "Other", [(three[0], "mine")])
    cards.first.get_by_role("button", name=re.compile("^In the tray")).click(timeout=LONG)
    expect(page.get_by_text("Taken out, with its note")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Undo").click()
    becomes(page, served, "Other", [(three[0], "mine")])


def test_quick_stars_go_into_one_tray(page: Page, served: Served) -> None:
    """How many a tray holds changes meanwhile: no tray is made of what it was called with that."""
    found(page, "nodule")
    for count, said in ((3, "Tray (3)"), (2, "Tray (1)"), (1, "Tray (2)")):
        press_all(page.locator('[aria-label="Figures found"] .act.star'), count)
        expect(page.get_by_text(said)).to_be_visible(timeout=LONG)
    with Library.open(served.library) as library, State.open(served.state) as state:
        assert state.trays(LOCAL_USER, library.id) == {"Favourites": 2}


def test_every_export_is_a_file_that_others_read(
    three: list[str], page: Page, served: Served, browser: Browser, tmp_path: Path
) -> None:
    with Library.open(served.library) as library, State.open(served.state) as state:
        state.note_in_tray(LOCAL_USER, library.id, three[1], NOTE)
        texts = [library.case(case_id).caption for case_id in three]
    open_trays(page, served, 3)
    expect(page.get_by_text("3 figures are under no licence known")).to_be_visible()

    table = list(csv.DictReader(io.StringIO(saved(page, "CSV").decode("utf-8-sig"), newline="")))
    assert [(row["id"], row["caption"]) for row in table] == list(zip(three, texts, strict=True))
    assert [row["note"] for row in table] == ["", NOTE, ""]
    assert {row["notice"] for row in table} == {NOT_FOR_DIAGNOSIS}

    whole = json.loads(saved(page, "JSON"))
    assert (whole["tray"], whole["notice"]) == ("Day 1", NOT_FOR_DIAGNOSIS)
    assert [case["id"] for case in whole["cases"]] == three

    references = parse_string(saved(page, "BibTeX").decode())
    assert (len(references.entries), references.failed_blocks) == (3, [])
    assert len(rispy.loads(saved(page, "RIS").decode())) == 3

    with zipfile.ZipFile(io.BytesIO(saved(page, "Figures (ZIP)"))) as archive:
        assert archive.testzip() is None
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 3
        assert NOT_FOR_DIAGNOSIS in archive.read("README.txt").decode()

    for label in ("Teaching page", "Quiz"):
        file = tmp_path / f"{label}.html"
        file.write_bytes(saved(page, label))
        check_print(browser, file, texts)


def check_print(browser: Browser, file: Path, texts: list[str]) -> None:
    """Open a page by itself, print it on both papers, and read the sheets."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    opened.goto(file.as_uri())
    assert opened.locator("img").count() == 3
    for image in opened.locator("img").all():
        assert image.evaluate("image => image.complete && image.naturalWidth") == 320
    assert set(asked) <= {"file", "data"}
    for paper in ("A4", "Letter"):
        sheets = pypdf.PdfReader(io.BytesIO(opened.pdf(format=paper))).pages
        said = [" ".join(sheet.extract_text().split()) for sheet in sheets]
        assert len(said) >= 1
        assert all(NOT_FOR_DIAGNOSIS in sheet for sheet in said)
        for text in texts:
            assert text in " ".join(said)
        if file.stem == "Quiz":
            assert not any(text in said[0] for text in texts)
    context.close()


def test_a_tray_comes_back_into_a_fresh_state(
    three: list[str], page: Page, served: Served, tmp_path: Path
) -> None:
    with Library.open(served.library) as library, State.open(served.state) as state:
        state.note_in_tray(LOCAL_USER, library.id, three[1], NOTE)
        state.add_to_tray(LOCAL_USER, library.id, "vanished", "Day 1")
    open_trays(page, served, 4)
    exported = tmp_path / "tray.json"
    exported.write_bytes(saved(page, "JSON"))
    served.stop()
    served.state = tmp_path / "fresh"
    served.start()
    page.goto(f"{served.address}/trays")
    page.get_by_text("Import a tray").click(timeout=LONG)
    page.locator('input[type="file"]').set_input_files(exported)
    expect(page.get_by_text("Day 1: 4 cases imported")).to_be_visible(timeout=LONG)
    expect(page.get_by_text("kept as gone: vanished")).to_be_visible()
    expect(rows(page)).to_have_count(4, timeout=LONG)
    assert kept(served, "Day 1") == [
        *((three[0], ""), (three[1], NOTE), (three[2], "")),
        ("vanished", ""),
    ]
    exported.write_text('{"cases": 1}')
    page.locator('input[type="file"]').set_input_files(exported)
    expect(page.get_by_text("tray.json: not a tray")).to_be_visible(timeout=LONG)
    expect(rows(page)).to_have_count(4)


def test_a_case_opens_from_its_tray_and_is_searched_with(
    three: list[str], page: Page, served: Served
) -> None:
    open_trays(page, served, 3)
    rows(page).first.locator(".figure").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Search with this figure").click(timeout=LONG)
    cards = page.locator('[role=list][aria-label="Figures found"] .card')
    expect(cards.first).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile("^Figure "))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_a_tray(
    three: list[str], page: Page, served: Served, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    with Library.open(served.library) as library, State.open(served.state) as state:
        state.create_tray(LOCAL_USER, library.id, "Other")
        state.add_to_tray(LOCAL_USER, library.id, "vanished", "Day 1")
    open_trays(page, served, 4)
    rows(page).first.get_by_role("button", name=re.compile("^Take out")).click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible(timeout=LONG)
    assert faults(page) == []


@pytest.mark.usefixtures("three")
def test_a_case_opened_out_of_the_tray_goes_on_to_the_next_of_the_tray(page: Page) -> None:
    page.reload()
    assert len(found(page, "nodule")) > 3
    at = page.get_by_role("dialog").locator(".at")
    beside = page.locator('[role=list][aria-label="Figures in the tray"] .card .figure')
    beside.nth(1).click()
    expect(at).to_have_text("2 of 3", timeout=LONG)
    page.keyboard.press("Escape")
    expect(at).to_have_count(0, timeout=LONG)
    page.get_by_role("link", name="Trays").click()
    rows(page).nth(2).locator(".figure").click(timeout=LONG)
    expect(at).to_have_text("3 of 3", timeout=LONG)
