"""report: an earlier run in any of the formats."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import Exit, SpecError
from orchestrator.load import load_exercise
from orchestrator.paths import EXERCISES
from orchestrator.record import Record
from orchestrator.report import FORMATS, render
from orchestrator.spec import Exercise
from orchestrator.store import load_run, machine_order
from orchestrator.verbs.output import check_format, say


def report(run: str, form: str, out: str) -> Exit:
    """Print a run, or write it to a file."""
    check_format(form, tuple(FORMATS))
    records = load_run(Path(run))
    text = render(form, records, _specs(records), machine_order(Path(run), records))
    if not out:
        say(text)
        return Exit.PASSED
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise SpecError(f"cannot write {out}: {problem.strerror}") from None
    return Exit.PASSED


def _specs(records: list[Record]) -> dict[str, Exercise]:
    """Titles, row labels and explanations, for the exercises that are still there."""
    found = {}
    for name in dict.fromkeys(record.exercise for record in records):
        folder = EXERCISES / name
        if not name.startswith("./") and (folder / "exercise.yaml").is_file():
            found[name] = load_exercise(folder, name).spec
    return found
