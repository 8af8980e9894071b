"""The viewer in a real browser: zoom, move, window and level, and a box to search by."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from medclip_search.corpora.base import CorpusSpec
from medclip_search.images.windowing import stretch
from medclip_search.library.build import build
from tests.app.test_accessible import faults
from tests.app.using import ask, cards, chip, headline
from tests.app.viewing import LONG, greys, middle, move, viewer, zoom
from tests.figures import draw_textured
from tests.images.test_dicom import dicom

HU = np.linspace(-1000, 1000, 64 * 48).reshape(48, 64).round().astype(np.int16)


@pytest.fixture(scope="session")
def panels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT, a deep PNG, two pictures of 8 bits; beside the folder a figure with both as panels."""
    folder = tmp_path_factory.mktemp("panels")
    (folder / "cases").mkdir()
    whole = Image.new("L", (400, 200))
    for at, name in enumerate("ab"):
        picture = draw_textured(ord(name))
        picture.save(folder / "cases" / f"{name}.png")
        (folder / "cases" / f"{name}.txt").write_text(f"Ultrasound {name}")
        whole.paste(picture, (200 * at, 0))
    whole.save(folder / "panels.png")
    window = {"WindowCenter": 0, "WindowWidth": 2000}
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024, "Modality": "CT"}
    content = dicom((HU + 1024).astype(np.int16), **rescale, **window)
    (folder / "cases" / "slice.dcm").write_bytes(content)
    (folder / "cases" / "slice.txt").write_text("Axial CT of a wedge")
    (folder / "mine.dcm").write_bytes(content)
    deep = (HU.astype(np.int32) + 1000) * 30
    Image.fromarray(deep.astype(np.uint16)).save(folder / "cases" / "deep.png")
    (folder / "cases" / "deep.txt").write_text("Radiograph of a wedge")
    return folder


@pytest.fixture(scope="session")
def built(panels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("viewed") / "library"
    build(path, [CorpusSpec("folder", panels / "cases", "folder")])
    return path


def opened(page: Page, words: str) -> None:
    ask(page, words)
    expect(headline(page)).to_be_visible(timeout=LONG)
    cards(page).first.locator(".figure").click(timeout=LONG)


def test_wheel_drag_keys_and_double_click_zoom_and_move(page: Page) -> None:
    opened(page, "ultrasound a")
    shown = viewer(page)
    assert zoom(shown) == 1
    x, y = middle(shown)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    expect(shown.locator(".told")).not_to_have_text(re.compile("^100 %"), timeout=LONG)
    nearer = zoom(shown)
    assert nearer > 1
    before = move(shown)
    page.mouse.down()
    page.mouse.move(x + 20, y + 10)
    page.mouse.up()
    page.wait_for_timeout(100)
    after = move(shown)
    assert after[0] - before[0] == pytest.approx(20, abs=1)
    assert after[1] - before[1] == pytest.approx(10, abs=1)
    page.keyboard.press("0")
    expect(shown.locator(".told")).to_have_text(re.compile("^100 %"), timeout=LONG)
    page.keyboard.press("+")
    expect(shown.locator(".told")).to_have_text(re.compile("^142 %"), timeout=LONG)
    page.keyboard.press("-")
    expect(shown.locator(".told")).to_have_text(re.compile("^100 %"), timeout=LONG)
    page.mouse.dblclick(x, y)
    expect(shown.locator(".told")).to_have_text(re.compile("^250 %"), timeout=LONG)


def test_a_ct_is_windowed_in_hounsfield_units(page: Page) -> None:
    opened(page, "axial CT")
    shown = viewer(page)
    expect(shown.locator(".told")).to_contain_text("L 0 W 2000", timeout=LONG)
    page.keyboard.press("w")
    shown.get_by_role("button", name="Brain").click()
    expect(shown.locator(".told")).to_contain_text("L 40 W 80", timeout=LONG)
    expect(shown.locator("canvas").first).to_be_visible()
    expected = stretch(HU, 0, 80).astype(int)
    assert np.abs(np.array(greys(shown)) - expected).max() <= 1
    page.keyboard.press("i")
    page.wait_for_timeout(200)
    assert np.abs(np.array(greys(shown)) - (255 - expected)).max() <= 1
    page.keyboard.press("a")
    expect(shown.locator(".told")).to_contain_text("L 0 W 2000", timeout=LONG)
    expect(shown.locator("canvas").first).to_be_hidden()


def test_the_right_button_drags_window_and_level(page: Page) -> None:
    opened(page, "radiograph wedge")
    shown = viewer(page)
    told = shown.locator(".told")
    expect(told).to_contain_text("L ", timeout=LONG)
    assert shown.get_by_role("button", name="Brain").count() == 0  # not Hounsfield units
    x, y = middle(shown)
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x - 60, y, steps=3)
    page.mouse.up(button="right")
    expect(shown.locator("canvas").first).to_be_visible(timeout=LONG)
    page.wait_for_timeout(200)
    found = re.search(r"L (\d+) W (\d+)", told.text_content() or "")
    assert found is not None
    centre, width = map(int, found.groups())
    assert width < 50_000  # narrower than at first, when all of it was within
    values = (HU.astype(np.int32) + 1000) * 30
    expected = stretch(values, centre - width / 2, centre + width / 2).astype(int)
    assert np.abs(np.array(greys(shown)) - expected).max() <= 1
    assert zoom(shown) == 1


def test_pictures_of_eight_bits_have_a_window_too(page: Page, panels: Path) -> None:
    opened(page, "ultrasound a")
    shown = viewer(page)
    page.keyboard.press("w")
    level = shown.get_by_role("slider", name="Level")
    expect(level).to_be_visible()
    level.focus()
    page.keyboard.press("ArrowRight")  # moves the slider, not to the next figure
    expect(shown.locator("canvas").first).to_be_visible(timeout=LONG)
    expect(shown.locator(".at")).to_have_text("1 of 4")
    picture = np.asarray(Image.open(panels / "cases" / "a.png"))
    (found,) = re.findall(r"L (\d+) W 255", shown.locator(".told").text_content() or "")
    expected = stretch(picture, int(found) - 127.5, int(found) + 127.5).astype(int)
    assert np.abs(np.array(greys(shown)) - expected).max() <= 2


def test_a_box_on_a_query_image_is_searched_by_and_taken_back(page: Page, panels: Path) -> None:
    ask(page, "", panels / "panels.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    asked = chip(page, "panels.png")
    asked.get_by_role("button", name="Look or draw a box").click()
    shown = viewer(page)
    frame = shown.locator(".frame").first.bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] / 2 + 1, frame["y"] + 1)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] - 2, frame["y"] + frame["height"] - 2, steps=4)
    page.mouse.up()
    shown.get_by_role("button", name="Search this region").click()
    expect(shown).to_have_count(0, timeout=LONG)
    expect(page.get_by_alt_text("Region of panels.png")).to_be_visible(timeout=LONG)
    expect(cards(page).first.locator(".text")).to_have_text("Ultrasound b", timeout=LONG)
    asked.get_by_role("button", name="Look or draw a box").click()
    expect(shown.locator(".region").first).to_be_visible(timeout=LONG)
    shown.get_by_role("button", name="Whole image").click()
    expect(shown).to_have_count(0, timeout=LONG)
    expect(page.get_by_alt_text("Region of panels.png")).to_have_count(0, timeout=LONG)
    expect(asked).to_be_visible()


def test_a_query_image_reads_well_in_the_dark_and_escape_closes_it_at_once(
    page: Page, panels: Path
) -> None:
    page.emulate_media(color_scheme="dark")
    page.reload()
    ask(page, "", panels / "panels.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    chip(page, "panels.png").get_by_role("button", name="Look or draw a box").click()
    shown = viewer(page)
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0, timeout=LONG)


def test_a_box_is_drawn_and_searched_by_the_keyboard_alone(page: Page, panels: Path) -> None:
    ask(page, "", panels / "panels.png")
    expect(headline(page)).to_be_visible(timeout=LONG)
    chip(page, "panels.png").get_by_role("button", name="Look or draw a box").focus()
    page.keyboard.press("Enter")
    shown = viewer(page)
    page.keyboard.press("ArrowLeft")
    region = shown.locator(".region").first
    expect(region).to_be_visible()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    assert region.evaluate("e => parseFloat(e.style.left)") == 0
    page.keyboard.press("Shift+ArrowLeft")
    assert region.evaluate("e => parseFloat(e.style.width)") == pytest.approx(48)
    page.keyboard.press("Enter")
    expect(shown).to_have_count(0, timeout=LONG)
    expect(page.get_by_alt_text("Region of panels.png")).to_be_visible(timeout=LONG)
    expect(cards(page).first.locator(".text")).to_have_text("Ultrasound a", timeout=LONG)


def test_an_uploaded_dicom_is_windowed_from_memory(page: Page, panels: Path) -> None:
    requests: list[str] = []
    ask(page, "", panels / "mine.dcm")
    expect(headline(page)).to_be_visible(timeout=LONG)
    page.on("request", lambda request: requests.append(request.url))
    chip(page, "mine.dcm").get_by_role("button", name="Look or draw a box").click()
    shown = viewer(page)
    expect(shown.locator(".told")).to_contain_text("L 0 W 2000", timeout=LONG)
    page.keyboard.press("6")
    expect(shown.locator(".told")).to_contain_text("L 400 W 1800", timeout=LONG)
    page.wait_for_timeout(200)
    expected = stretch(HU, -500, 1300).astype(int)
    assert np.abs(np.array(greys(shown)) - expected).max() <= 1
    own = [one for one in requests if not one.startswith(("data:", "blob:"))]
    assert not [one for one in own if "samples" in one or "images" in one], "it has an address"
