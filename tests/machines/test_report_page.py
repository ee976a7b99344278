"""The HTML report in a real browser: by mouse and keyboard, read aloud, on a phone, on paper, in the dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from made_up_run import ABOUT, EXERCISES, HOSTILE, MACHINES, a_large_run, made_up, the_run
from pages import FAINT, Shown, chromium
from playwright.sync_api import Browser, Page, expect

from orchestrator.formatting import printable
from orchestrator.labfile.models import Exercise
from orchestrator.record import CheckResult, Status
from orchestrator.report import render
from orchestrator.results.comparison import compare

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render("html", compare(the_run(), EXERCISES, about=ABOUT)), encoding="utf-8")
    return path


@pytest.fixture
def shown(browser: Browser, file: Path) -> Iterator[Shown]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield Shown(context.new_page(), file)


@pytest.fixture
def page(shown: Shown) -> Iterator[Page]:
    yield shown.page
    assert shown.complaints == []


def rows(page: Page) -> list[str]:
    """The exercises the matrix shows."""
    return page.locator("#grid tbody tr:visible th button").all_inner_texts()


def columns(page: Page) -> int:
    return page.locator("#grid thead th:visible").count() - 1


def focused(page: Page) -> str:
    name: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
    )
    return name


def test_it_opens_without_a_complaint_and_loads_nothing(shown: Shown, file: Path) -> None:
    expect(shown.page.get_by_role("heading", level=1)).to_have_text("Kinds of separation")
    shown.page.get_by_role("button", name="hostile/printer on s390x").click()
    assert shown.complaints == []
    assert shown.requests == [file.as_uri()]


def test_a_script_that_got_into_the_page_would_not_run(shown: Shown) -> None:
    """By policy: so many ways of ``<script>`` cannot be listed, one is enough."""
    shown.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'document.title = 1';"
        "document.body.append(s); }"
    )
    expect(shown.page).to_have_title("Kinds of separation")
    assert "Content Security Policy" in shown.complaints[0]


class TestFilters:
    def test_by_topic(self, page: Page) -> None:
        page.get_by_label("Topic").select_option("ipc")
        assert rows(page) == ["ipc/pipe-capacity"]
        expect(page.get_by_role("heading", name="Differences explained by the boundary")).to_be_hidden()
        expect(page.get_by_text("1 of 5 exercises")).to_be_visible()

    def test_by_status(self, page: Page) -> None:
        for status in ("pass", "fail", "skip"):
            page.get_by_role("checkbox", name=status).uncheck()
        assert rows(page) == ["signals/handlers"]

    def test_by_words_of_names_titles_and_values(self, page: Page) -> None:
        for words, found in (
            ("UTS", "namespaces/uts"),
            ("holds only", "ipc/pipe-capacity"),
            ("1048576", "ipc/pipe-capacity"),
        ):
            page.get_by_label("Find").fill(words)
            assert rows(page) == [found]
        page.get_by_label("Find").fill("no such thing")
        assert rows(page) == []

    def test_by_machine_and_a_difference_needs_two_of_them(self, page: Page) -> None:
        page.locator(".menu summary").click()
        for box in page.locator("[name=machine]").all()[5:]:
            box.uncheck()
        assert columns(page) == 5
        expect(page.locator("#differences").get_by_text("byte order", exact=True)).to_be_visible()
        page.get_by_role("checkbox", name="user-s390x").uncheck()
        assert columns(page) == 4
        expect(page.locator("#differences").get_by_text("byte order", exact=True)).to_be_hidden()

    def test_the_list_of_machines_closes_by_escape_and_by_a_click_elsewhere(self, page: Page) -> None:
        boxes = page.locator("[name=machine]")
        page.locator(".menu summary").click()
        boxes.first.focus()
        page.keyboard.press("Escape")
        expect(boxes.first).to_be_hidden()
        page.keyboard.press("Enter")
        expect(boxes.first).to_be_visible()
        page.get_by_role("heading", level=1).click()
        expect(boxes.first).to_be_hidden()

    def test_only_differences_and_all_again(self, page: Page) -> None:
        page.get_by_label("differences only").check()
        assert "signals/handlers" not in rows(page)
        page.get_by_role("button", name="Show all").click()
        expect(page.get_by_text("5 of 5 exercises")).to_be_visible()
        assert len(rows(page)) == 5

    def test_attacks_are_filtered_like_everything_else(self, browser: Browser, tmp_path: Path) -> None:
        files = Exercise(title="Files", run="./files", canaries=["file"])
        records = [
            replace(made_up("memory/types", name), exercise="damage/files", observations={"file_canary": "x"})
            for name in ("process", "vm")
        ]
        path = tmp_path / "attacks.html"
        path.write_text(render("html", compare(records, {"damage/files": files})), encoding="utf-8")
        with browser.new_context() as context:
            page = Shown(context.new_page(), path).page
            attacks = page.locator(".attacks")
            expect(attacks.get_by_text("NOT blocked")).to_have_count(2)
            page.locator(".menu summary").click()
            page.get_by_role("checkbox", name="vm").uncheck()
            assert attacks.locator("td:visible").count() == 1
            page.get_by_label("Find").fill("no such thing")
            assert attacks.locator("td:visible").count() == 0


class TestACell:
    def test_opens_to_observations_checks_output_source_and_explanation(self, page: Page) -> None:
        page.get_by_role("button", name="ipc/pipe-capacity on ppc64el: fail").click()
        dialog = page.get_by_role("dialog", name="ipc/pipe-capacity — A pipe holds only so much")
        expect(dialog).to_contain_text("capacity: expected 65536, got 1048576")
        expect(dialog.get_by_role("row", name="writer_blocked yes")).to_be_visible()
        dialog.get_by_text("capacity.c").click()
        expect(dialog.get_by_text("int main(void)")).to_be_visible()
        dialog.get_by_role("button", name="Next machine s390x").click()
        expect(dialog).to_contain_text("pass on s390x")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert focused(page).startswith("ipc/pipe-capacity on s390x")

    def test_tells_what_is_expected_and_why(self, page: Page) -> None:
        page.get_by_role("button", name="memory/types on s390x").click()
        expect(page.get_by_role("dialog")).to_contain_text("8 — POSIX says so")
        expect(page.get_by_role("dialog")).to_contain_text("Guest programs see both.")

    def test_marks_the_rows_that_failed(self, browser: Browser, tmp_path: Path) -> None:
        missed = CheckResult("char_bits", False, "9", "8")
        record = replace(made_up("memory/types", "vm"), status=Status.FAIL, checks=[missed])
        path = tmp_path / "failed.html"
        path.write_text(render("html", compare([record], EXERCISES)), encoding="utf-8")
        with browser.new_context() as context:
            page = Shown(context.new_page(), path).page
            page.get_by_role("button", name="memory/types on vm").click()
            expect(page.get_by_role("row", name="✗ fail bits of a char")).to_have_class("missed")
            expect(page.locator("dialog tr.missed")).to_have_count(1)

    def test_shows_what_a_hostile_guest_said_as_text(self, page: Page) -> None:
        page.get_by_role("button", name="hostile/printer on s390x").click()
        expect(page.get_by_role("dialog").locator("pre").first).to_have_text(printable(HOSTILE, keep="\n"))

    def test_of_an_exercise_compares_all_machines(self, page: Page) -> None:
        page.locator("#grid").get_by_role("button", name="memory/types", exact=True).click()
        row = page.get_by_role("dialog").get_by_role("row", name="byte order architecture")
        assert row.locator(".other").all_inner_texts() == ["big", "big"]


class TestManyMachines:
    def shown(self, browser: Browser, folder: Path, number: int) -> Page:
        names = [*MACHINES, *(f"more-{place}" for place in range(number - len(MACHINES)))]
        records = [replace(made_up("memory/types", "mipsel" if name not in MACHINES else name), machine=name)
                   for name in names]  # fmt: skip
        path = folder / f"{number}.html"
        path.write_text(render("html", compare(records, EXERCISES)), encoding="utf-8")
        return Shown(browser.new_context(viewport={"width": 1280, "height": 900}).new_page(), path).page

    def test_thirteen_fit_on_an_ordinary_screen(self, browser: Browser, tmp_path: Path) -> None:
        page = self.shown(browser, tmp_path, 13)
        assert page.locator("#grid").evaluate("one => one.scrollWidth <= one.parentElement.clientWidth")
        expect(page.locator("#matrix ~ .cue")).to_have_count(0)

    def test_more_are_announced_until_they_are_in_sight(self, browser: Browser, tmp_path: Path) -> None:
        page = self.shown(browser, tmp_path, 30)
        cue = page.locator("#matrix ~ .cue")
        expect(cue).to_have_text(re.compile(r"1\d more columns to the right: scroll →"))
        page.locator("#grid").evaluate("one => { one.parentElement.scrollLeft = 9999 }")
        expect(cue).to_be_hidden()


class TestByKeyboard:
    def test_the_first_stop_skips_to_the_matrix(self, page: Page) -> None:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the matrix"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert focused(page) == "memory/types"

    def test_arrows_move_in_the_matrix_enter_opens_and_escape_closes(self, page: Page) -> None:
        page.locator("#grid tbody button").first.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
            page.keyboard.press(key)
        assert focused(page).startswith("ipc/pipe-capacity on user-s390x")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("on user-s390x")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("dialog")).to_contain_text("on sandbox")
        page.keyboard.press("Escape")
        # The page learns of the end of a dialog by an event, after the browser has closed it.
        expect(page.locator("#grid :focus")).to_have_accessible_name(
            re.compile("ipc/pipe-capacity on sandbox")
        )
        page.keyboard.press("End")
        assert focused(page).startswith("ipc/pipe-capacity on mipsel")
        page.keyboard.press("Home")
        assert focused(page) == "ipc/pipe-capacity"

    def test_the_matrix_is_one_stop_and_arrows_pass_over_what_is_hidden_or_was_not_run(
        self, page: Page
    ) -> None:
        assert page.locator("#grid tbody [tabindex='0']").count() == 1
        page.get_by_role("button", name="hostile/printer on s390x").focus()
        page.keyboard.press("ArrowRight")
        assert focused(page).startswith("hostile/printer on mipsel")
        page.get_by_label("Topic").select_option("signals")
        assert page.locator("#grid tbody [tabindex='0']:visible").count() == 1


NAMED_BY_THEIR_TEXT = {"RootWebArea", "dialog", "heading"}


def takes_focus(node: dict[str, Any]) -> bool:
    """Whether a node of the accessibility tree is a stop for the keyboard that must say what it is."""
    focusable = any(
        one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", [])
    )
    return focusable and not node["ignored"] and node["role"]["value"] not in NAMED_BY_THEIR_TEXT


def test_everything_that_takes_focus_has_a_role_and_a_name(page: Page) -> None:
    page.get_by_role("button", name="hostile/printer on s390x").click()
    session = page.context.new_cdp_session(page)
    for closed in (False, True):
        if closed:
            page.keyboard.press("Escape")
        takers = [node for node in session.send("Accessibility.getFullAXTree")["nodes"] if takes_focus(node)]
        nameless = [node["role"]["value"] for node in takers if not node.get("name", {}).get("value")]
        assert takers
        assert nameless == []
    assert page.get_by_role("grid", name="Exercises × machines").get_by_role("rowheader").count() == 5
    assert page.get_by_role("columnheader", name="s390x").count() == 2


@pytest.mark.parametrize("width", [320, 390, 768])
def test_on_a_phone_only_the_matrix_scrolls_sideways(browser: Browser, file: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}, has_touch=True) as context:
        page = Shown(context.new_page(), file).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.locator(".scroll:has(#grid)")
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        before = page.locator("#grid tbody th").first.bounding_box()
        box.evaluate("box => box.scrollBy(300, 0)")
        assert page.locator("#grid tbody th").first.bounding_box() == before
        page.get_by_role("button", name="ipc/pipe-capacity on vm").tap()
        assert page.get_by_role("dialog").evaluate("box => box.scrollWidth <= box.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_faint_words_are_found(page: Page) -> None:
    """The measure itself: grey on white is 4.48 to 1, a shade darker is enough."""
    page.emulate_media(media="print")
    page.evaluate(
        "for (const shade of ['#777777', '#767676']) {"
        "const one = document.createElement('p'); one.append(shade); one.style.color = shade;"
        "document.body.append(one); }"
    )
    assert [words for words, _ in page.evaluate(FAINT)] == [
        '<p style="color: rgb(119, 119, 119);">#777777</p>'
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_enough_contrast(
    browser: Browser, file: Path, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = Shown(context.new_page(), file).page
        light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(250, 250, 247)"
        assert light == (scheme == "light")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate(FAINT) == []
        page.get_by_role("heading", level=1).click()
        page.get_by_role("button", name="ipc/pipe-capacity on ppc64el").click()
        assert page.evaluate(FAINT) == []


def test_on_paper_everything_is_black_on_white_and_nothing_is_folded(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#filters").is_hidden()
    assert page.locator("details:not([open])").count() == 0
    expect(page.get_by_text("bits of a char", exact=False).first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(FAINT) == []
    assert page.locator(".scroll:has(#grid)").evaluate("box => getComputedStyle(box).overflow") == "visible"


def test_without_script_the_summary_the_matrix_and_the_differences_read(browser: Browser, file: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = Shown(context.new_page(), file).page
        expect(page.get_by_text("12 machines")).to_be_visible()
        expect(page.get_by_role("button", name="ipc/pipe-capacity on ppc64el: fail")).to_be_visible()
        expect(page.get_by_role("heading", name="Differences explained by the boundary")).to_be_visible()
        expect(page.locator("#filters")).to_be_hidden()


def test_sixty_exercises_on_fifteen_machines_load_and_filter(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text(render("html", compare(a_large_run())), encoding="utf-8")
    with browser.new_context() as context:
        shown = Shown(context.new_page(), path)
        assert shown.page.evaluate("document.querySelectorAll('*').length") <= 20_000
        assert shown.page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") > 0
        assert len(rows(shown.page)) == 60
        shown.page.locator("[name=topic]").select_option("topic-3")
        assert len(rows(shown.page)) == 6
        shown.page.get_by_role("button", name="topic-3/exercise-20 on machine-7:").click()
        expect(shown.page.get_by_role("dialog")).to_contain_text("exercise 20 on machine 7")
        assert shown.complaints == []
