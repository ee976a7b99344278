"""A class in Chromium: two students and the lecturer at once, over HTTPS, on real guests."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from class_in_browser import made_class
from habitat import fresh_home
from pages import FAINT, PATIENCE, chromium
from playwright.sync_api import Browser, Error, Page, ViewportSize, expect
from ports import free_port

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.web.actions import ClassActions
from orchestrator.classes.web.serve import serving
from orchestrator.classes.web.tokens import LECTURER, issue, revoke
from orchestrator.progress import SilentProgress
from orchestrator.run.run import Selection
from orchestrator.sessions.lifecycle import bring_up, take_down
from orchestrator.sessions.lookup import session_machines

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE)
SCREEN = ".tab-box:not([hidden]) .xterm-rows"


def _open(page: Page, url: str) -> None:
    """Go there. Chromium gives up what it loads when an interface of this host comes or goes, as other tests'
    do, and loads it anew by itself only for people."""
    while True:
        try:
            page.goto(url)
        except Error as problem:
            if "ERR_NETWORK_CHANGED" not in str(problem):
                raise
        else:
            return


@dataclass
class Room:
    """A class that is served, and the browser of everybody in it. ``complaints`` are all pages'."""

    found: LoadedClass
    url: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @contextmanager
    def enter(self, who: str, width: int = 1280, height: int = 800, touch: bool = False) -> Iterator[Page]:
        """The page of somebody who opened her link."""
        size: ViewportSize = {"width": width, "height": height}
        with self.browser.new_context(
            viewport=size,
            ignore_https_errors=True,
            has_touch=touch,
        ) as context:
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("console", lambda message: self.complaints.append(message.text))
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            page.on("request", lambda asked: self._note(asked.url))
            _open(page, issue(self.found, who, timedelta(hours=1)))
            page.wait_for_url(re.compile("/lecturer/$" if who == LECTURER else f"/seats/{who}/$"))
            yield page

    def _note(self, url: str) -> None:
        if not url.startswith(self.url):
            self.foreign.append(url)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with fresh_home() as home, pytest.MonkeyPatch.context() as patch, chromium() as browser:
        for name, value in home.variables.items():
            patch.setenv(name, value)
        access = {"web": f"0.0.0.0:{free_port()}", "host": "localhost"}
        found = made_class(home.root / "class", 2, access=access)
        with ThreadPoolExecutor(2) as pool:
            raised = list(pool.map(lambda seat: _up(found, seat.name), found.seats))
        assert raised == [[], []]
        try:
            with serving(found, ClassActions(found)) as running:
                yield Room(found, running.url, browser)
        finally:
            take_down(session_machines(), SilentProgress())


def _up(found: LoadedClass, seat: str) -> list[str]:
    raised = bring_up(found.machines, found.session(seat), Selection(), SilentProgress())
    return [str(failure.problem) for failure in raised.failures]


@pytest.fixture(autouse=True)
def _no_complaints(room: Room) -> Iterator[None]:
    yield
    assert room.complaints == []
    assert room.foreign == []


def type_line(page: Page, line: str) -> None:
    page.locator(".tab-box:not([hidden]) textarea").focus()
    page.keyboard.type(f"{line}\n")


def wait_prompt(page: Page) -> None:
    expect(page.locator(SCREEN)).to_contain_text(re.compile(r"[$#]"), timeout=PATIENCE)


def test_two_students_and_the_lecturer_at_once(room: Room) -> None:
    with room.enter("s1") as ada, room.enter("s2") as alan, room.enter(LECTURER) as lecturer:
        for page in (ada, alan):
            wait_prompt(page)
        type_line(ada, "echo it is $((6 * 7)) here as $(whoami)")
        type_line(alan, "echo it is $((6 * 8)) there")
        expect(ada.locator(SCREEN)).to_contain_text("it is 42 here as student")
        expect(alan.locator(SCREEN)).to_contain_text("it is 48 there")
        expect(ada.locator(SCREEN)).not_to_contain_text("there")

        row = lecturer.locator("tr[data-seat=s1]")
        expect(row).to_contain_text("up")
        expect(row).to_contain_text("browser")
        lecturer.fill("#message", "ten minutes <b>left</b>")
        lecturer.click("#message-form button")
        for page in (ada, alan):
            expect(page.locator("#messages")).to_contain_text("ten minutes <b>left</b>")
            expect(page.locator("#readme h1, #readme h2").first).to_be_visible()

        row.get_by_role("link").click()
        expect(lecturer.locator(SCREEN)).to_contain_text("it is 42 here as student")
        expect(ada.locator("#watched")).to_contain_text("Your lecturer is looking")
        type_line(lecturer, "echo nobody reads this")
        lecturer.check("#join")
        expect(ada.locator("#watched")).to_contain_text("may type")
        type_line(lecturer, "echo both see $((7 * 7))")
        for page in (ada, lecturer):
            expect(page.locator(SCREEN)).to_contain_text("both see 49")
            expect(page.locator(SCREEN)).not_to_contain_text("nobody")


KEEPING_SOCKETS = """
window.sockets = [];
const Made = WebSocket;
window.WebSocket = class extends Made { constructor(...words) { super(...words); sockets.push(this); } };
"""


def test_after_a_cut_the_screen_is_as_it_was(room: Room) -> None:
    with room.enter("s1") as page:
        page.add_init_script(KEEPING_SOCKETS)
        page.reload()
        wait_prompt(page)
        type_line(page, "cd /; n=7")
        type_line(page, "echo before the cut $((n * 9))")
        expect(page.locator(SCREEN)).to_contain_text("before the cut 63")
        page.evaluate("sockets.forEach((one) => one.close())")
        expect(page.locator(".state")).to_contain_text("was cut")
        expect(page.locator(".state")).to_be_hidden()
        expect(page.locator(SCREEN)).to_contain_text("before the cut 63")
        assert page.locator(SCREEN).inner_text().count("before the cut 63") == 1
        page.reload()
        expect(page.locator(SCREEN)).to_contain_text("before the cut 63")
        type_line(page, "echo the same shell $((n * 11))")
        expect(page.locator(SCREEN)).to_contain_text("the same shell 77")
        lines = page.locator(f"{SCREEN} > div")
        before = lines.count()
        type_line(page, "was=$(stty size); echo remembered $((n * 12))")
        expect(page.locator(SCREEN)).to_contain_text("remembered 84")
        page.set_viewport_size({"width": 1000, "height": 500})
        expect(lines).not_to_have_count(before)
        # The new size travels on its own; the shell is asked until it has arrived.
        type_line(page, 'until [ "$(stty size)" != "$was" ]; do sleep 0.1; done; stty size | tr \' \' x')
        rows = lines.count()
        assert 8 <= rows < 20
        expect(page.locator(SCREEN)).to_contain_text(re.compile(rf"{rows}x\d{{2}}"))


def test_a_flood_is_shown_no_faster_than_it_can_be_and_stops(room: Room) -> None:
    with room.enter("s2") as page:
        wait_prompt(page)
        type_line(page, "yes isolab")
        expect(page.locator(SCREEN)).to_contain_text("isolab")
        page.wait_for_timeout(1500)
        page.keyboard.press("Control+c")
        type_line(page, "clear; echo still $((5 * 5))")
        expect(page.locator(SCREEN)).to_contain_text("still 25")


def test_files_go_both_ways(room: Room, tmp_path: Path) -> None:
    (tmp_path / "note ü.txt").write_bytes(b"from the browser\n")
    with room.enter("s1") as page:
        wait_prompt(page)
        type_line(page, "cd; mkdir -p d; echo inside >d/f; ln -sf /etc/passwd d/l")
        page.locator("#files summary").click()
        page.set_input_files("#upload", tmp_path / "note ü.txt")
        expect(page.locator("#file-said")).to_contain_text("is there")
        type_line(page, "cat note*")
        expect(page.locator(SCREEN)).to_contain_text("from the browser")
        with page.expect_download() as loading:
            page.get_by_role("link", name="note ü.txt").click()
        assert loading.value.suggested_filename == "note ü.txt"
        assert loading.value.path().read_bytes() == b"from the browser\n"
        with page.expect_download() as loading:
            page.locator("#listing li").filter(
                has=page.get_by_role("button", name="d/", exact=True)
            ).get_by_role("link", name="as ZIP").click()
        assert loading.value.suggested_filename == "d.zip"
        with zipfile.ZipFile(loading.value.path()) as packed:
            assert packed.namelist() == ["d/f"]  # no link leads out of it
        page.get_by_role("button", name="d/", exact=True).click()
        expect(page.locator("#folder")).to_have_text("~/d")
        with page.expect_download() as loading:
            page.get_by_role("link", name="f", exact=True).click()
        assert loading.value.path().read_bytes() == b"inside\n"


def test_copy_and_paste(room: Room) -> None:
    with room.enter("s2") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        wait_prompt(page)
        page.evaluate("navigator.clipboard.writeText('clear; echo pasted_$((2 + 2))')")
        page.get_by_role("button", name="Paste").click()
        expect(page.locator(SCREEN)).to_contain_text("pasted_$")
        expect(page.locator(f"{SCREEN}.xterm-focus")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator(SCREEN)).to_contain_text("pasted_4")
        line = page.locator(f"{SCREEN} > div").first
        line.dblclick(position={"x": 30, "y": 8})
        page.get_by_role("button", name="Copy").click()
        assert page.evaluate("navigator.clipboard.readText()") == "pasted_4"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_word_is_faint(room: Room, scheme: Literal["light", "dark"]) -> None:
    for who in ("s1", LECTURER):
        with room.enter(who) as page:
            page.emulate_media(color_scheme=scheme)
            if who == "s1":
                wait_prompt(page)
            for summary in page.locator("summary").all():
                summary.click()
            faint = page.evaluate(FAINT)
            # What xterm.js measures letters by is not to be seen.
            assert [one for one in faint if "xterm-char-measure-element" not in one[0]] == []


def test_by_keyboard_alone(room: Room) -> None:
    with room.enter("s1") as page:
        wait_prompt(page)
        expect(page.locator(f"{SCREEN}.xterm-focus")).to_be_visible()
        page.keyboard.type("echo typed without a mouse $((3 * 3))\n")
        expect(page.locator(SCREEN)).to_contain_text("without a mouse 9")
        page.keyboard.press("Tab")  # the shell's, not the page's
        assert page.evaluate("document.activeElement.closest('#terminals') !== null")
        page.keyboard.press("F6")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "tab"
        for _ in range(4):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "open":
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("tab")).to_have_count(2)
        expect(page.locator(SCREEN)).to_contain_text(re.compile(r"[$#]"))
        page.keyboard.press("F6")
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("tab").first).to_have_attribute("aria-selected", "true")
        expect(page.locator(SCREEN)).to_contain_text("without a mouse 9")


def test_on_a_tablet(room: Room) -> None:
    with room.enter("s2", width=820, height=1180, touch=True) as page:
        wait_prompt(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        type_line(page, "clear; cat")
        page.get_by_role("button", name="Ctrl").tap()
        page.keyboard.type("c")
        type_line(page, "echo interrupted $((4 * 4))")
        expect(page.locator(SCREEN)).to_contain_text("interrupted 16")


def test_a_link_from_elsewhere_opens_the_page_and_a_revoked_one_does_not(room: Room) -> None:
    link = issue(room.found, "s2", timedelta(hours=1))
    with room.browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.set_content(f'<a href="{link}">your page</a>')
        page.click("a")
        page.wait_for_url(re.compile("/seats/s2/$"))
        page.go_back()
        assert link not in page.url
        _open(page, room.url)
        wait_prompt(page)
        revoke(room.found, "s2")
        _open(page, link)
        expect(page.locator("h1")).to_have_text("Open your personal link")
