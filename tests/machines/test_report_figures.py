"""The figures of the HTML report in a real browser: within their pictures, named, filtered, readable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from made_up_figures import MEASURED, a_measuring_run
from pages import FAINT, Shown, chromium
from playwright.sync_api import Browser, expect

from orchestrator.report import render
from orchestrator.results.comparison import compare

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def measured(browser: Browser, tmp_path: Path) -> Iterator[Shown]:
    path = tmp_path / "measured.html"
    path.write_text(render("html", compare(a_measuring_run(), MEASURED)), encoding="utf-8")
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        shown = Shown(context.new_page(), path)
        yield shown
        assert shown.complaints == []
        assert shown.requests == [path.as_uri()]


def test_each_has_a_name_and_says_what_it_shows(measured: Shown) -> None:
    page = measured.page
    pipe = page.get_by_role("img", name="There & back: Pipe")
    expect(pipe).to_have_accessible_description("process 6.78 µs; sandbox 6.8 µs; vm (skip); s390x 715 µs")
    expect(pipe.locator(".amount", has_text="715 µs ×105")).to_be_visible()
    assert page.locator("svg.panel").count() == 5
    expect(page.get_by_role("figure", name="One way (higher is better)")).to_be_visible()


def test_the_numbers_are_behind_it(measured: Shown) -> None:
    figure = measured.page.get_by_role("figure", name="There & back")
    figure.get_by_text("Data table").click()
    expect(figure.get_by_role("row", name="Queue <1>")).to_contain_text("blocked (EACCES)")
    expect(figure.get_by_role("row", name="Pipe")).to_contain_text("6.1–7.46, n 15")


def test_marks_are_drawn_within_their_picture_and_in_their_order(measured: Shown) -> None:
    pipe = measured.page.get_by_role("img", name="There & back: Pipe")
    frame = pipe.bounding_box()
    boxes = [dot.bounding_box() for dot in pipe.locator(".dot").all()]
    assert frame is not None
    places = [box["x"] for box in boxes if box is not None]
    assert len(places) == 3
    assert frame["x"] < places[0] < places[2] < frame["x"] + frame["width"]


def test_no_words_are_cut_off(measured: Shown) -> None:
    for picture in measured.page.locator("svg.panel").all():
        frame = picture.bounding_box()
        assert frame is not None
        for words in picture.locator("text").all():
            box = words.bounding_box()
            assert box is not None
            assert frame["x"] - 1 <= box["x"]
            assert box["x"] + box["width"] <= frame["x"] + frame["width"]


def test_they_are_filtered_like_everything_else(measured: Shown) -> None:
    page = measured.page
    pipe = page.get_by_role("img", name="There & back: Pipe")
    page.locator(".menu summary").click()
    page.get_by_role("checkbox", name="s390x").uncheck()
    expect(pipe.locator(".who", has_text="s390x")).to_be_hidden()
    expect(pipe.locator(".who", has_text="sandbox")).to_be_visible()
    page.get_by_label("Find").fill("no such thing")
    expect(pipe).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_marks_have_enough_contrast(measured: Shown, scheme: Literal["light", "dark"]) -> None:
    page = measured.page
    page.emulate_media(color_scheme=scheme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(FAINT) == []
    # FAINT looks at `color`, and what is drawn is `fill`: they must be the same.
    assert page.evaluate(
        "[...document.querySelectorAll('.panel text, .panel tspan')]"
        ".every((one) => getComputedStyle(one).fill === getComputedStyle(one).color)"
    )


@pytest.mark.parametrize("width", [320, 768])
def test_on_a_phone_nothing_is_wider_than_the_screen(measured: Shown, width: int) -> None:
    measured.page.set_viewport_size({"width": width, "height": 800})
    assert measured.page.evaluate("document.documentElement.scrollWidth") <= width
