"""The report as a Gradescope autograder's ``results.json``, for one student's submission."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.errors import SpecError
from orchestrator.formatting import bounded, printable
from orchestrator.record import Record, Status
from orchestrator.report.summary import summarize
from orchestrator.results.comparison import MachineColumn, Table

_OUTPUT_LIMIT = 4000
_STATUS = {Status.PASS: "passed", Status.FAIL: "failed"}
_EXCUSED = {
    Status.ERROR: "This could not be graded. It is not the submission's fault and costs no points.",
    Status.SKIP: "This was not run here and costs no points.",
}


def render(table: Table) -> str:
    """Render the report as JSON. Raises SpecError for records of several students."""
    students = {column.student for column in table.machines}
    if len(students) > 1:
        raise SpecError(
            f"Gradescope accepts the results of one student, but these records are from {len(students)}",
            hint="report each student's records separately",
        )
    total = summarize(table).total
    tests = [
        _test(column, record, alone=len(table.machines) == 1)
        for place, column in enumerate(table.machines)
        for record in table.records(place)
    ]
    results = {"score": total.points, "execution_time": round(total.seconds, 3), "tests": tests}
    return json.dumps(results, indent=2) + "\n"


def _test(column: MachineColumn, record: Record, *, alone: bool) -> dict[str, Any]:
    """Return one test, without ``score`` where the verdict does not depend on the submission."""
    name = printable(record.exercise)
    test: dict[str, Any] = {"name": name if alone else f"{name} on {column.name}"}
    if record.status in _STATUS:
        test |= {"score": record.points, "max_score": record.max_points, "status": _STATUS[record.status]}
    return test | {
        "output": _output(record),
        "output_format": "text",
        "tags": [printable(tag) for tag in (record.boundary, record.arch, str(record.status)) if tag],
        "visibility": "visible",
    }


def _output(record: Record) -> str:
    parts = [_EXCUSED.get(record.status, ""), record.reason]
    parts += [
        f"{name}:\n{text}" for name, text in (("stdout", record.stdout), ("stderr", record.stderr)) if text
    ]
    return "\n".join(bounded(printable(part, keep="\n\t"), _OUTPUT_LIMIT) for part in parts if part)
