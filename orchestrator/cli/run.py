"""run: bring up, push, build, run, collect, compare, tear down."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.cli.choose import chosen
from orchestrator.cli.cluster.source import Unsure, interrupted, source_of
from orchestrator.cli.labs import open_lab
from orchestrator.cli.options import require_thawing
from orchestrator.cli.output import JSON, check_format, say, say_json, width
from orchestrator.cli.signals import stop_signals
from orchestrator.cli.streams import OutputLost
from orchestrator.cli.try_ import seconds
from orchestrator.errors import Exit, Interrupted
from orchestrator.labfile.load import with_driver, with_timeout
from orchestrator.machines.shortfall import lacks
from orchestrator.progress import shown
from orchestrator.report import render
from orchestrator.results.agreement import all_alike, reservations
from orchestrator.results.last_run import remember
from orchestrator.run.run import RunOutcome, Selection, run_lab


def run(
    path: str,
    only: tuple[str, ...],
    exercises: tuple[str, ...],
    out: str,
    cold: bool,
    form: str,
    driver: str = "",
    work: str = "",
    timeout: str = "",
    cluster: str = "",
    pins: tuple[str, ...] = (),
    thaw: bool = False,
) -> Exit:
    """Run a lab and print the comparison; ``driver`` replaces the driver of its virtual machines, ``work``
    is a student's folder to run, ``timeout`` the time limit of every exercise. With ``cluster``, a hosts
    file, machines are on its hosts; ``pins`` bind some of them to a host or tag. ``cold``: machines
    boot instead of being cloned; ``thaw``: they are thawed where possible."""
    check_format(form)
    require_thawing(thaw, work=work, cold=cold, cluster=cluster)
    lab = open_lab(path)
    if timeout:
        lab = with_timeout(lab, seconds(timeout))
    if driver:
        lab = with_driver(lab, driver)
    unsure: Unsure = {}
    source = source_of(cluster, pins, only or tuple(lab.lab.machines), unsure)
    only = chosen(only, list(lab.lab.machines), "machine")
    exercises = chosen(exercises, [one.name for one in lab.exercises], "exercise")
    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            choice = Selection(only, exercises, cold, Path(work) if work else None, thaw=thaw)
            outcome = run_lab(lab, choice, Path(out) if out else None, progress, source)
    except KeyboardInterrupt:
        raise Interrupted(interrupted("records of finished exercises were kept", unsure)) from None
    finally:
        if out:
            remember(Path(out))
    remember(outcome.folder)
    try:
        _print(outcome, form)
    except OutputLost as lost:
        raise OutputLost(lost.problem, hint=f"records and reports are in {outcome.folder}") from None
    return outcome.exit_code


def _print(outcome: RunOutcome, form: str) -> None:
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
                "missing": lacks(outcome.records),
                "same": all_alike(outcome.table),
                "reservations": reservations(outcome.table),
                "files": files,
            }
        )
        return
    if sys.stdout.isatty():
        from rich.console import Console

        from orchestrator.report.text import renderable

        Console().print(renderable(outcome.table, width()))
    else:
        say(render("text", outcome.table))
    for words in lacks(outcome.records):  # whole: the report breaks lines, and this one is to be typed
        say(f"\nskipped: {words}")
    say(f"\nreport:  {outcome.folder / 'report.html'}\nrecords: {outcome.folder / 'records.jsonl'}")
