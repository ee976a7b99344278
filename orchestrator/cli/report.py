"""report: show a finished run in any format."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.output import check_format, say
from orchestrator.errors import Exit, SpecError
from orchestrator.report import FORMATS, render
from orchestrator.results.comparison import compare
from orchestrator.results.last_run import find_run
from orchestrator.results.snapshot import about_run, specs_of
from orchestrator.results.store import load_run, machine_order


def report(run: str, form: str, out: str) -> Exit:
    """Print a run's report, or write it to a file."""
    check_format(form, tuple(FORMATS))
    path = find_run(run)
    records = load_run(path)
    folder = path if path.is_dir() else path.parent
    machines = machine_order(folder, records)
    table = compare(records, specs_of(folder, records), machines, about_run(folder, records))
    text = render(form, table)
    if not out:
        say(text)
        return Exit.PASSED
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise SpecError(f"cannot write {out}: {problem.strerror}") from None
    return Exit.PASSED
