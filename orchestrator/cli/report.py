"""report: show a finished run in any format."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.output import check_format, say
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.report import FORMATS, render
from orchestrator.results.comparison import compare
from orchestrator.results.for_student import for_student
from orchestrator.results.snapshot import about_run, specs_of
from orchestrator.results.store import load_run, machine_order

STUDENT, LECTURER = READERS = ("student", "lecturer")
OF_THE_STUDENT = ("gradescope",)
"""Formats that are always the student's, and say of themselves which parts only lecturers see."""


def report(run: str, form: str, out: str, reader: str = "") -> Exit:
    """Print a run's report, or write it to a file; ``reader`` is whose it is."""
    check_format(form, tuple(FORMATS))
    hidden_shown = _is_for_lecturer(form, reader)
    records = load_run(Path(run))
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    if not hidden_shown and form not in OF_THE_STUDENT:
        records = [for_student(record) for record in records]
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


def _is_for_lecturer(form: str, reader: str) -> bool:
    """Return whether hidden tests are shown. Raises SpecError for an unknown reader, or one that the format
    is not for."""
    if reader not in ("", *READERS):
        hint = did_you_mean(reader, READERS) or f"readers: {', '.join(READERS)}"
        raise SpecError(f"unknown reader {reader!r} for --for", hint=hint)
    if form in OF_THE_STUDENT and reader == LECTURER:
        raise SpecError(
            f"a {form} report is the student's: it marks hidden tests, and says nothing about them",
            hint="leave out --for, or choose another format",
        )
    return reader != STUDENT
