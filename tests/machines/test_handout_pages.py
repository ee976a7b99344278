"""Handouts in a real browser: nothing loads, all can be read, and they print on a sheet or two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from handed_out import ADA, COURSE, ENTRANCE, EVE, NOW, OMAR, WANG, seat_of, the_class
from pages import FAINT, Shown, chromium
from playwright.sync_api import Browser

from orchestrator.classes.handout.html import handout_html
from orchestrator.classes.handout.sheet import handout_of
from orchestrator.classes.model import LoadedClass
from orchestrator.labfile.load import load_lab
from orchestrator.paths import EXERCISES, LABS

pytestmark = pytest.mark.real


def page_of(found: LoadedClass, place: int = 0) -> str:
    return handout_html(handout_of(found, found.seats[place], ENTRANCE, COURSE, NOW))


def three_of_the_workshop() -> LoadedClass:
    """A group of two, one of them without a key, and three exercises as students get them."""
    found = replace(the_class(ADA, WANG), seats=(seat_of("red", ADA, WANG),))
    lab = load_lab(LABS / "workshop", EXERCISES)
    chosen = replace(found.labs[0], lab=replace(lab, exercises=lab.exercises[:3]))
    return replace(found, labs=(chosen,))


PAGES: dict[str, Callable[[], str]] = {
    "ada": partial(page_of, the_class(ADA)),
    "eve": partial(page_of, the_class(EVE)),
    "omar": partial(page_of, the_class(OMAR, exam=True)),
    "red": lambda: page_of(three_of_the_workshop()),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(params=PAGES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.html"
    path.write_text(PAGES[request.param](), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_and_loads_nothing(
    browser: Browser, file: Path, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=scheme) as context:
        shown = Shown(context.new_page(), file)
        assert shown.page.evaluate(FAINT) == []
        assert shown.complaints == []
        assert shown.requests == [file.as_uri()]


def test_every_page_fits_a_phone(browser: Browser, file: Path) -> None:
    with browser.new_context(viewport={"width": 360, "height": 700}) as context:
        page = Shown(context.new_page(), file).page
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_scrolls_can_be_reached_by_keyboard(browser: Browser, file: Path) -> None:
    with browser.new_context(viewport={"width": 360, "height": 700}) as context:
        page = Shown(context.new_page(), file).page
        assert page.locator("pre:not([tabindex='0']), .scroll:not([tabindex='0'])").count() == 0
        assert page.locator(":is(pre, .scroll):not([aria-label])").count() == 0


def test_three_exercises_print_on_two_sheets(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "red.html"
    path.write_text(PAGES["red"](), encoding="utf-8")
    with browser.new_context() as context:
        page = Shown(context.new_page(), path).page
        printed = page.pdf(prefer_css_page_size=True)
        (box,) = {*re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)}
        assert [round(float(side) / 72 * 25.4) for side in box] == [210, 297]
        assert len(re.findall(rb"/Type /Page\b", printed)) == 2


def test_nothing_is_cut_off_on_paper(browser: Browser, file: Path) -> None:
    # The width of a sheet between its margins, in CSS pixels.
    with browser.new_context(viewport={"width": 703, "height": 1000}) as context:
        page = Shown(context.new_page(), file).page
        page.emulate_media(media="print")
        assert (
            page.evaluate(
                "[...document.querySelectorAll('pre, .scroll')].filter("
                "(one) => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1)"
                ".map((one) => one.innerText)"
            )
            == []
        )
