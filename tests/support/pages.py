"""A page in a browser, with everything it complained of and asked for, and how faint its words are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from orchestrator.machines.host_packages import BROWSERS

PATIENCE = 60_000
"""Milliseconds for one step; the machine may be busy with guests."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    found = next(path for name in BROWSERS if (path := shutil.which(name)))
    # Chromium's own sandbox does not work for root; the page comes from us.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=PATIENCE)
        yield browser
        browser.close()


class Shown:
    """A page with everything it complained of and asked for."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())


FAINT = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const linear = (c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = (rgb) => rgb.reduce((sum, c, i) => sum + linear(c / 255) * [.2126, .7152, .0722][i], 0);
  const paint = (one) => parse(getComputedStyle(one).backgroundColor);
  const behind = (one) => one ? over(paint(one), behind(one.parentElement)) : [255, 255, 255];
  const faint = [];
  for (const one of document.querySelectorAll("body *")) {
    const said = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!said || !one.checkVisibility() || one.closest(":disabled, script, style")) continue;
    const under = behind(one), ink = over(parse(getComputedStyle(one).color), under);
    const [low, high] = [light(under), light(ink)].sort((a, b) => a - b);
    const ratio = (high + .05) / (low + .05);
    if (ratio < 4.5) faint.push([one.outerHTML.slice(0, 90), ratio]);
  }
  return faint;
}"""
"""Elements whose text has less contrast than WCAG 2.2 asks for (1.4.3, level AA, without the discount
for large letters)."""
