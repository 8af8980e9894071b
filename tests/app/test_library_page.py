"""The library page in a real browser: how much there is, and the map that one can search in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from medclip_search.api import Library, remove
from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build
from medclip_search.search.query import Query
from tests.app.test_accessible import faults
from tests.figures import draw, write_folder

if TYPE_CHECKING:
    from tests.app.conftest import Served

LONG = 20_000  # milliseconds: two cores may be shared with other work


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with enough pictures for a map, and two cases without any."""
    folder = tmp_path_factory.mktemp("mapped")
    figures = write_folder(folder / "figures", range(30))
    words = only_words(folder / "words.csv")
    sources = [CorpusSpec("folder", figures, "figures"), CorpusSpec("table", words, "words")]
    build(folder / "library", sources)
    return folder / "library"


def only_words(path: Path) -> Path:
    """A table of two cases without a picture."""
    path.write_text("id,caption\n1,CT of the chest\n2,MRI of the head\n", encoding="utf-8")
    return path


def look(page: Page) -> Locator:
    """Go to the library page; gives the map once its dots are drawn."""
    page.get_by_role("link", name="Library").click()
    canvas = page.locator("canvas[data-points]")
    expect(canvas).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Words are ranked over captions")).to_be_visible(timeout=LONG)
    before = None
    while before != (before := canvas.bounding_box()):  # the sidebar goes, and charts come
        page.wait_for_timeout(500)
    return canvas


def drag(page: Page, canvas: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the map, from and to parts of its width and height."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    corners = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()


def area_of(page: Page) -> re.Match[str]:
    """What is said of the area that was chosen."""
    said = page.locator(".st-key-map-within")
    expect(said).to_contain_text("in this area", timeout=LONG)
    found = re.search(r"(\d+) figures? in this area", said.inner_text())
    assert found
    return found


def test_it_tells_what_the_library_holds(page: Page) -> None:
    canvas = look(page)
    expect(page.get_by_role("heading", name="The library")).to_be_visible()
    expect(page.get_by_text("32 cases · 30 with a picture · 32 with a caption")).to_be_visible()
    expect(canvas).to_have_attribute("data-points", "30")
    expect(canvas).to_have_attribute("data-in-view", "30")
    expect(page.get_by_text("What is known of the cases, in percent")).to_be_visible()
    page.get_by_text("The same numbers as tables").click()
    expect(page.get_by_role("row", name="Picture 93.8")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("row", name="figures folder 30")).to_be_visible()
    expect(page.get_by_role("row", name="compact images only 1280 30 exact")).to_be_visible()
    expect(page.get_by_text("Encoder: compact.")).to_be_visible()


def test_a_box_is_searched_in_and_left_again(page: Page, served: Served) -> None:
    canvas = look(page)
    page.get_by_role("button", name="Draw a box").click()
    drag(page, canvas, (0.05, 0.02), (0.5, 0.98))
    number = int(area_of(page)[1])
    assert 3 < number < 27
    figures = page.locator('[role=list][aria-label="Figures in the area"] .card')
    expect(figures).to_have_count(min(12, number))
    page.get_by_role("button", name=f"Search in these {number} figures").click()
    expect(page.get_by_text("In an area of the map")).to_be_visible(timeout=LONG)
    answers = page.locator('[role=list][aria-label="Figures found"] .card')
    expect(answers).to_have_count(min(24, number), timeout=LONG)
    within = set(answers.evaluate_all("cards => cards.map(card => card.dataset.id)"))
    with Library.open(served.library) as library:
        every = library.search(Query(text="CT"), 40)
        left = {hit.id for hit in every if hit.place is not None and hit.id not in within}
        assert left
    bar = page.get_by_test_id("stChatInput").locator("textarea")
    bar.fill("CT")
    bar.press("Enter")
    expect(page.get_by_text("“CT”", exact=True)).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_timeout(500)
    shown = set(answers.evaluate_all("cards => cards.map(card => card.dataset.id)"))
    assert shown
    assert shown <= within
    page.locator(".st-key-chip-area").get_by_role("button").click()
    expect(page.get_by_text("In an area of the map")).to_have_count(0, timeout=LONG)
    expect(page.locator(f'.card[data-id="{sorted(left)[0]}"]')).to_be_visible(timeout=LONG)


def test_the_answers_and_the_query_stand_on_it(page: Page, tmp_path: Path) -> None:
    draw(7).save(tmp_path / "query.png")
    bar = page.get_by_test_id("stChatInput")
    with page.expect_file_chooser() as chooser:
        bar.locator("button").first.click()
    chooser.value.set_files(tmp_path / "query.png")
    expect(bar.get_by_role("button", name="Remove")).to_have_count(1, timeout=LONG)
    page.wait_for_timeout(500)  # the bar hears of it a moment later
    bar.locator("textarea").press("Enter")
    answers = page.locator('[role=list][aria-label="Figures found"] .card')
    expect(answers.first).to_be_visible(timeout=LONG)
    canvas = look(page)
    expect(page.get_by_text("The numbers are the answers to your last search")).to_be_visible()
    expect(page.get_by_text("The cross-hair is what you searched for")).to_be_visible()
    expect(canvas).to_have_attribute("data-answers", "24")
    expect(canvas).to_have_attribute("data-asked", "1")


def test_all_of_it_by_keyboard(page: Page) -> None:
    canvas = look(page)
    canvas.focus()
    for key in ("+", "+", "+", "ArrowLeft"):
        canvas.press(key)
    expect(canvas).to_have_attribute("data-zoom", re.compile(r"3\.3"))
    expect(canvas).not_to_have_attribute("data-in-view", "30")
    seen = canvas.get_attribute("data-in-view")
    canvas.press("Enter")
    number = int(area_of(page)[1])
    assert abs(number - int(seen or 0)) <= 2  # what peeps in at the edge is drawn too
    canvas.press("0")
    expect(canvas).to_have_attribute("data-zoom", "1.00")
    expect(canvas).to_have_attribute("data-in-view", "30")
    page.get_by_role("button", name="Let go").press("Enter")
    expect(page.get_by_text("in this area")).to_have_count(0, timeout=LONG)


def test_a_dot_tells_its_caption_and_opens_its_case(page: Page) -> None:
    canvas = look(page)
    page.evaluate(
        "canvas => { window.dot = canvas.getRootNode().querySelector('.map').chart; }",
        canvas.element_handle(),
    )
    x, y, case_id = page.evaluate(
        """() => {
          const { points, size } = window.dot;
          const far = points.x.map((_, i) => Math.min(...points.x.map((_, j) => i === j ? 9
            : Math.hypot(points.x[i] - points.x[j], points.y[i] - points.y[j]))));
          const i = far.indexOf(Math.max(...far));
          return [window.dot.px(points.x[i]), window.dot.py(points.y[i]), points.ids[i]];
        }"""
    )
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": x + 1, "y": y + 1})
    tip = page.locator(".tip")
    expect(tip.locator("img")).to_be_visible(timeout=LONG)
    expect(tip).to_contain_text(f"patient number {int(case_id[4:])}", timeout=LONG)
    canvas.click(position={"x": x + 1, "y": y + 1})
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"patient number {int(case_id[4:])}", timeout=LONG)


@contextmanager
def opened(browser: Browser, library: Path, state: Path) -> Iterator[Page]:
    """The library page over another library."""
    from tests.app.conftest import Served

    serving = Served(library, state)
    serving.start()
    page = browser.new_page()
    page.goto(f"{serving.address}/library")
    yield page
    page.close()
    status, printed = serving.stop()
    assert (status, printed) == (0, "")


def test_a_case_of_the_map_is_searched_with(page: Page) -> None:
    canvas = look(page)
    canvas.focus()
    canvas.press("Enter")
    figures = page.locator('[role=list][aria-label="Figures in the area"] .card')
    figures.first.locator(".figure").click(timeout=LONG)
    page.get_by_role("dialog").get_by_text("Search with this figure").click(timeout=LONG)
    answers = page.locator('[role=list][aria-label="Figures found"] .card')
    expect(answers.first).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_serious_fault(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.reload()
    canvas = look(page)
    assert faults(page) == []
    canvas.press("Enter")
    area_of(page)
    assert faults(page) == []


def test_few_pictures_none_and_no_case_at_all(browser: Browser, tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "few", range(3))
    library = tmp_path / "library"
    build(library, [CorpusSpec("folder", figures, "few")])
    with opened(browser, library, tmp_path / "state") as page:
        said = "The library has no map, for it holds 3 pictures, and a map takes 20."
        expect(page.get_by_text(said)).to_be_visible(timeout=3 * LONG)
        expect(page.get_by_text("3 cases · 3 with a picture")).to_be_visible()
    words = only_words(tmp_path / "words.csv")
    build(tmp_path / "text", [CorpusSpec("table", words, "words")])
    with opened(browser, tmp_path / "text", tmp_path / "state") as page:
        said = "The library has no map, for it holds no picture, and a map takes 20."
        expect(page.get_by_text(said)).to_be_visible(timeout=3 * LONG)
    remove(library, ids=[f"fig-{n:03d}" for n in range(3)])
    with opened(browser, library, tmp_path / "state") as page:
        expect(page.get_by_text("This library is empty.")).to_be_visible(timeout=3 * LONG)
