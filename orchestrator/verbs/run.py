"""run: bring up, push, build, run, collect, compare, tear down."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from orchestrator.errors import Exit, Interrupted
from orchestrator.kept import about_run
from orchestrator.load import with_driver
from orchestrator.progress import shown
from orchestrator.report import render
from orchestrator.session import Choice, Outcome, run_lab
from orchestrator.verbs.labs import open_lab
from orchestrator.verbs.output import JSON, check_format, say, say_json, width


def run(
    path: str,
    only: tuple[str, ...],
    exercises: tuple[str, ...],
    out: str,
    cold: bool,
    form: str,
    driver: str = "",
    work: str = "",
) -> Exit:
    """Run a lab, its virtual machines by ``driver`` and a student's ``work`` if these are named, and
    print the comparison."""
    check_format(form)
    lab = open_lab(path)
    if driver:
        lab = with_driver(lab, driver)
    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            choice = Choice(only, exercises, cold, Path(work) if work else None)
            outcome = run_lab(lab, choice, Path(out) if out else None, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: machines are gone, the records of what did finish are kept") from None
    _print(outcome, {e.name: e.spec for e in lab.exercises}, list(lab.lab.machines), form)
    return outcome.exit_code


def _print(outcome: Outcome, specs: dict, machines: list[str], form: str) -> None:  # type: ignore[type-arg]
    if form == JSON:
        counts: dict[str, int] = {}
        for record in outcome.records:
            counts[record.status] = counts.get(record.status, 0) + 1
        files = {
            name: str(outcome.folder / name)
            for name in ("records.jsonl", "report.html", "report.md", "junit.xml")
        }
        say_json(
            {
                "folder": str(outcome.folder),
                "exit_code": int(outcome.exit_code),
                "counts": counts,
                "files": files,
            }
        )
        return
    about = about_run(outcome.folder, outcome.records)
    if sys.stdout.isatty():
        from rich.console import Console

        from orchestrator.contrast import contrast
        from orchestrator.report.text import renderable

        Console().print(renderable(contrast(outcome.records, specs, machines, about), width()))
    else:
        say(render("text", outcome.records, specs, machines, about))
    say(f"\nreport:  {outcome.folder / 'report.html'}\nrecords: {outcome.folder / 'records.jsonl'}")


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: with everything torn down.

    A second one changes nothing: interrupting the wait for a thread would make Python forget that
    the thread still works (threading.Thread.join before 3.13). What was ignored when we started, by
    nohup(1) for example, stays ignored.
    """
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
