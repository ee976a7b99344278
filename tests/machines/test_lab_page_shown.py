"""The page of a lab in a real browser: slide by slide, by keyboard, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_run import ABOUT, EXERCISES, the_run
from pages import FAINT, Shown, chromium
from playwright.sync_api import Browser, Page, expect

from orchestrator.report import render_lab_page
from orchestrator.results.comparison import compare
from orchestrator.results.lab_page import page_of, read_page

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab-page") / "page.html"
    table = compare(the_run(), EXERCISES, about=ABOUT)
    path.write_text(render_lab_page(table, read_page(page_of(("separation",)))), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        shown = Shown(context.new_page(), file)
        yield shown.page
        assert shown.complaints == []
        assert {url.partition("#")[0] for url in shown.requests if not url.startswith("data:")} == {
            file.as_uri()
        }


def expect_slide(page: Page, heading: str) -> None:
    """Wait until this slide is shown: a page learns of its new address after the key that changed it."""
    expect(page.locator(".slide:visible").locator("h1, h2")).to_have_text([heading])


def test_one_slide_at_a_time_by_keyboard(page: Page) -> None:
    expect_slide(page, "Kinds of separation")
    page.keyboard.press("ArrowRight")
    expect_slide(page, "Plan")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect_slide(page, "Kinds of separation")
    page.keyboard.press("End")
    expect_slide(page, "For an examination")
    page.get_by_role("button", name="Back").click()
    expect_slide(page, "Questions")


def test_what_appears_and_answers_are_opened_together_and_closed_again(page: Page) -> None:
    page.get_by_label("Slide", exact=True).select_option(label="4. Typed live, 1 of 3")
    output = page.locator(".slide:visible details pre")
    expect(output).to_be_hidden()
    page.get_by_text("What appears?").locator("visible=true").click()
    expect(output).to_be_visible()
    page.keyboard.press("a")
    expect(output).to_be_hidden()


def test_the_figure_is_drawn(page: Page) -> None:
    page.evaluate("location.hash = 'figure-1'")
    figure = page.locator("img.figure")
    expect(figure).to_be_visible()
    assert figure.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_in_light_and_dark_and_no_slide_is_wider_than_the_wall(
    page: Page, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.keyboard.press("p")
    assert page.locator(".slide:visible").count() > 10
    page.keyboard.press("a")
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_paper_there_is_all_of_it(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".slide:visible").count() == page.locator(".slide").count()
    assert page.locator("details:not([open])").count() == 0
    expect(page.get_by_label("Slides")).to_be_hidden()


def test_without_a_script_it_is_one_long_page(browser: Browser, file: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = Shown(context.new_page(), file).page
        assert page.locator(".slide:visible").count() == page.locator(".slide").count()
        expect(page.get_by_label("Slides")).to_be_hidden()
