"""report: show a finished run in any format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.cli.output import check_format, say
from orchestrator.errors import Exit, SpecError, Unavailable
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.report import FORMATS, render
from orchestrator.results.comparison import compare
from orchestrator.results.for_student import for_student
from orchestrator.results.last_run import find_run
from orchestrator.results.snapshot import about_run, specs_of
from orchestrator.results.store import load_run, machine_order

STUDENT, LECTURER = READERS = ("student", "lecturer")
_ELSEWHERE = "name another file with --out"
OF_THE_STUDENT = ("gradescope",)
"""Formats that are always the student's, and say of themselves which parts only lecturers see."""


def report(run: str, form: str, out: str, reader: str = "") -> Exit:
    """Print a run's report, or write it to a file; ``reader`` is whose it is."""
    check_format(form, tuple(FORMATS))
    hidden_shown = _is_for_lecturer(form, reader)
    path = find_run(run)
    records = load_run(path)
    folder = path if path.is_dir() else path.parent
    if not hidden_shown and form not in OF_THE_STUDENT:
        records = [for_student(record) for record in records]
    machines = machine_order(folder, records)
    table = compare(records, specs_of(folder, records), machines, about_run(folder, records))
    if not records:  # which would name their run
        table = replace(table, runs=(folder.resolve().name,))
    text = render(form, table)
    if not out:
        say(text)
        return Exit.PASSED
    _write(Path(out), text)
    return Exit.PASSED


def _write(out: Path, text: str) -> None:
    """Raises SpecError for a path that cannot be a file, Unavailable where the disk cannot take it."""
    try:
        out.write_text(text, encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise SpecError(
            f"cannot write {out}: there is no folder {out.parent}", hint=f"create it: mkdir -p {out.parent}"
        ) from None
    except (IsADirectoryError, PermissionError) as problem:
        raise SpecError(f"cannot write {out}: {problem.strerror}", hint=_ELSEWHERE) from None
    except OSError as problem:
        raise Unavailable(f"cannot write {out}: {problem.strerror or problem}", hint=_ELSEWHERE) from None


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
