"""try: run a C program on every boundary and architecture and show where results differ."""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json, table
from orchestrator.cli.signals import stop_signals
from orchestrator.cli.swapped import require_program
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import printable
from orchestrator.host.tempdirs import working_folder
from orchestrator.machines.journal import Journal
from orchestrator.progress import shown
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id
from orchestrator.run.adhoc import ProgramAnswer, fold, lab_of, result
from orchestrator.run.run import Selection, results
from orchestrator.units import parse_duration

SHOWN_LINES = 60


def try_everywhere(
    path: str, arguments: tuple[str, ...], on: str, stdin: str, command: str, timeout: str, form: str
) -> Exit:
    """Compile, run everywhere, show the differences. Returns 1 if machines differ or the program
    does not compile, 3 on an infrastructure error."""
    check_format(form)
    require_program(path, arguments)
    given = Path(stdin) if stdin else None
    lab = lab_of(Path(path), arguments, on=on, stdin=given, command=command, timeout=seconds(timeout))
    begun = time.monotonic()
    with working_folder("try") as logs:
        try:
            with stop_signals(), shown() as progress:
                found = results(lab, new_run_id(), Selection(), logs, Journal(), progress)
                with closing(found):
                    records = list(found)
        except KeyboardInterrupt:
            raise Interrupted() from None
    order = list(lab.lab.machines)
    records.sort(key=lambda record: order.index(record.machine))
    spent = time.monotonic() - begun
    answers = fold(records)
    if form == JSON:
        _print_json(records, answers, spent)
    else:
        say(_render(Path(path).name, records, answers, spent))
    return _exit(records, answers)


def seconds(text: str) -> float:
    """Parse a ``--timeout``, in seconds. Raises SpecError."""
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise SpecError(f"--timeout {text}: {problem}") from None


def _exit(records: Sequence[Record], answers: Sequence[ProgramAnswer]) -> Exit:
    ours = [r for r in records if r.status is Status.ERROR and "does not compile" not in r.reason]
    if ours:
        return Exit.INFRASTRUCTURE
    return Exit.PASSED if len(answers) == 1 and records[0].status is not Status.ERROR else Exit.FAILED


def _render(name: str, records: Sequence[Record], answers: Sequence[ProgramAnswer], spent: float) -> str:
    rows = [
        (
            r.machine,
            r.boundary,
            r.arch,
            r.start or "-",
            result(r).splitlines()[0][:40],
            f"{r.guest_seconds * 1000:.1f}",
        )
        for r in records
    ]
    parts = [table(("MACHINE", "BOUNDARY", "ARCH", "START", "RESULT", "MS IN MACHINE"), rows), ""]
    first = answers[0]
    if len(answers) == 1:
        parts.append(f"{name}: {_agreement(records)}: {first.result}")
    else:
        parts.append(
            f"{name}: {len(answers)} different results; most common, on {_names(first)}: {first.result}"
        )
    parts.append(_indented(first.stdout, first.stderr))
    for other in answers[1:]:
        parts.append(f"different on {_names(other)}: {_safe(other.result)}")
        parts.append(_difference(first, other))
    parts.append(f"wall time: {spent:.1f} s")
    return "\n".join(parts)


def _agreement(records: Sequence[Record]) -> str:
    if len(records) == 1:
        return f"result on {records[0].machine}"
    return f"the same on all {len(records)} machines"


def _names(answer: ProgramAnswer) -> str:
    return ", ".join(answer.machines)


def _indented(stdout: str, stderr: str) -> str:
    lines = [f"  | {_safe(line)}" for line in stdout.splitlines()[:SHOWN_LINES]]
    lines += [f"  ! {_safe(line)}" for line in stderr.splitlines()[:SHOWN_LINES]]
    return "\n".join(lines) + "\n" if lines else ""


def _difference(first: ProgramAnswer, other: ProgramAnswer) -> str:
    """Return the lines that differ from the most common result; all lines if either has no output."""
    if not first.stdout or not other.stdout:
        return _indented(other.stdout, other.stderr)
    lines = list(difflib.unified_diff(first.stdout.splitlines(), other.stdout.splitlines(), n=0, lineterm=""))
    changed = [f"  {_safe(line)}" for line in lines[2:] if not line.startswith("@@")]
    return "\n".join([*changed[:SHOWN_LINES], _indented("", other.stderr)])


def _safe(text: str) -> str:
    """Escape control characters: a program must not control the terminal."""
    return "\n".join(printable(line) for line in text.splitlines())


def _print_json(records: Sequence[Record], answers: Sequence[ProgramAnswer], spent: float) -> None:
    groups = [
        {"machines": a.machines, "ending": a.result, "stdout": a.stdout, "stderr": a.stderr} for a in answers
    ]
    machines = [
        {
            "machine": r.machine,
            "boundary": r.boundary,
            "arch": r.arch,
            "start": r.start,
            "status": r.status,
            "reason": r.reason,
            "exit_code": r.exit_code,
            "signal": r.signal,
            "guest_seconds": r.guest_seconds,
        }
        for r in records
    ]
    say_json({"same": len(answers) == 1, "seconds": round(spent, 3), "answers": groups, "machines": machines})
