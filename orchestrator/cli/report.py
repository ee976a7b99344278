"""report: show a finished run in any format, or as a page to teach from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.cli.output import check_format, say
from orchestrator.errors import Exit, SpecError, Unavailable
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.report import FORMATS, render, render_lab_page
from orchestrator.results.comparison import Table, compare
from orchestrator.results.for_student import for_student
from orchestrator.results.lab_page import page_of, read_page
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
    table = _table_of(run, public=not hidden_shown and form not in OF_THE_STUDENT)
    return _hand_over(render(form, table), out)


def lab_page(run: str, page: str, form: str, out: str, reader: str = "") -> Exit:
    """Print the lab's page with what a run found, or write it to a file; ``page`` is the lab's own page, ""
    for that of a built-in lab. Students look on: nothing of hidden tests is on it."""
    if form not in ("text", "html"):
        raise SpecError(f"a lab page is HTML, not {form}", hint="leave out --format")
    if reader == LECTURER:
        raise SpecError(
            "a lab page is projected for students: nothing of hidden tests is on it", hint="leave out --for"
        )
    _is_for_lecturer("html", reader)
    table = _table_of(run, public=True)
    return _hand_over(render_lab_page(table, read_page(Path(page) if page else page_of(table.labs))), out)


def _table_of(run: str, *, public: bool) -> Table:
    """Return the comparison of a run; ``public``: without anything of hidden tests."""
    path = find_run(run)
    records = load_run(path)
    folder = path if path.is_dir() else path.parent
    if public:
        records = [for_student(record) for record in records]
    machines = machine_order(folder, records)
    table = compare(records, specs_of(folder, records), machines, about_run(folder, records))
    if not records:  # which would name their run
        return replace(table, runs=(folder.resolve().name,))
    return table


def _hand_over(text: str, out: str) -> Exit:
    if out:
        _write(Path(out), text)
    else:
        say(text)
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
