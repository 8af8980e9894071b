"""What the tests of the viewer see of it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

LONG = 20_000  # milliseconds: two cores may be shared with other work


def viewer(page: Page) -> Locator:
    """The viewer, its picture loaded."""
    found = page.locator(".viewer")
    expect(found).to_be_visible(timeout=LONG)
    loaded(page, found.locator("img").first)
    return found


def loaded(page: Page, image: Locator) -> None:
    """Wait until a picture is there."""
    page.wait_for_function(
        "image => image.complete && image.naturalWidth > 0",
        arg=image.element_handle(),
        timeout=LONG,
    )


def zoom(shown: Locator) -> float:
    """How much the main figure is enlarged beyond fitting its pane."""
    scale = "e => new DOMMatrix(getComputedStyle(e).transform).a"
    return float(shown.locator(".stage").first.evaluate(scale))


def move(shown: Locator) -> tuple[float, float]:
    """How far the main figure is moved, in pixels."""
    moved = "e => { const m = new DOMMatrix(getComputedStyle(e).transform); return [m.e, m.f]; }"
    x, y = shown.locator(".stage").first.evaluate(moved)
    return x, y


def middle(shown: Locator) -> tuple[float, float]:
    """The middle of the main figure's pane, on the page."""
    box = shown.locator(".pane").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def greys(shown: Locator) -> list[list[int]]:
    """What the window shows of the main figure: rows of grey levels."""
    rows: list[list[int]] = shown.locator("canvas").first.evaluate(
        """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return Array.from({ length: height }, (_, y) =>
                Array.from({ length: width }, (_, x) => data[4 * (y * width + x)]));
        }"""
    )
    return rows
