"""The pages of a graded class in a real browser: nothing loads, all can be read, and tables sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from graded_class import ADA, BOB, EVE, IVY, ROY, ZOE, the_class
from pages import FAINT, Shown, chromium
from playwright.sync_api import Browser, expect

from orchestrator.gradebook.feedback import feedback_html
from orchestrator.gradebook.lecturer import lecturer_html

pytestmark = pytest.mark.real

PAGES: dict[str, Callable[[], str]] = {
    **{one.id: partial(feedback_html, the_class(), one) for one in (ADA, BOB, EVE, IVY, ROY, ZOE)},
    "lecturer": lambda: lecturer_html(the_class()),
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
        assert page.locator(":is(pre, .scroll):not([aria-label], [aria-labelledby])").count() == 0


def test_nothing_is_cut_off_on_paper(browser: Browser, file: Path) -> None:
    with browser.new_context(viewport={"width": 720, "height": 1000}) as context:
        page = Shown(context.new_page(), file).page
        page.emulate_media(media="print")
        assert page.evaluate(
            "[...document.querySelectorAll('pre')].every((one) => one.scrollHeight <= one.clientHeight + 1)"
        )


def test_tables_sort_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "lecturer.html"
    path.write_text(lecturer_html(the_class()), encoding="utf-8")
    with browser.new_context() as context:
        shown = Shown(context.new_page(), path)
        everybody = shown.page.locator("table", has=shown.page.get_by_role("button", name="total"))
        totals = everybody.locator("tbody tr td:nth-child(3)")
        everybody.get_by_role("button", name="total").press("Enter")
        expect(everybody.locator("[aria-sort=ascending]")).to_have_count(1)
        assert totals.all_inner_texts() == ["1", "1", "9", "10", "–", "–"]
        everybody.get_by_role("button", name="total").press("Enter")
        assert totals.all_inner_texts() == ["10", "9", "1", "1", "–", "–"]
        everybody.get_by_role("button", name="student").click()
        assert everybody.locator("tbody tr th").all_inner_texts()[-1] == "Zoe Example (zoe)"
        assert shown.complaints == []
