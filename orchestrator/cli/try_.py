"""try: one C program on every boundary and architecture, and where the answers differ."""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json, table
from orchestrator.cli.signals import stop_signals
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import printable
from orchestrator.host.tempdirs import working_folder
from orchestrator.machines.journal import Journal
from orchestrator.progress import shown
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id
from orchestrator.run.adhoc import Answer, ending, fold, lab_of
from orchestrator.run.run import Choice, results
from orchestrator.units import parse_duration

SHOWN_LINES = 60


def attempt(
    path: str, arguments: tuple[str, ...], on: str, stdin: str, command: str, timeout: str, form: str
) -> Exit:
    """Compile, run everywhere, show the differences. Exit 1 when machines differ or a program
    does not compile, 3 when a machine could not do its part."""
    check_format(form)
    given = Path(stdin) if stdin else None
    lab = lab_of(Path(path), arguments, on=on, stdin=given, command=command, timeout=seconds(timeout))
    begun = time.monotonic()
    with working_folder("try") as logs:
        try:
            with stop_signals(), shown() as progress:
                found = results(lab, new_run_id(), Choice(), logs, Journal(), progress)
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
    """A ``--timeout``. Raises SpecError."""
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise SpecError(f"--timeout {text}: {problem}") from None


def _exit(records: Sequence[Record], answers: Sequence[Answer]) -> Exit:
    ours = [r for r in records if r.status is Status.ERROR and "does not compile" not in r.reason]
    if ours:
        return Exit.INFRASTRUCTURE
    return Exit.PASSED if len(answers) == 1 and records[0].status is not Status.ERROR else Exit.FAILED


def _render(name: str, records: Sequence[Record], answers: Sequence[Answer], spent: float) -> str:
    rows = [
        (
            r.machine,
            r.boundary,
            r.arch,
            r.start or "-",
            ending(r).splitlines()[0][:40],
            f"{r.guest_seconds * 1000:.1f}",
        )
        for r in records
    ]
    parts = [table(("MACHINE", "BOUNDARY", "ARCH", "START", "ENDED", "MS"), rows), ""]
    first = answers[0]
    if len(answers) == 1:
        parts.append(f"{name}: the same on all {len(records)} machines: {first.ending}")
    else:
        parts.append(
            f"{name}: {len(answers)} different answers; the most common, on {_names(first)}: {first.ending}"
        )
    parts.append(_indented(first.stdout, first.stderr))
    for other in answers[1:]:
        parts.append(f"different on {_names(other)}: {_safe(other.ending)}")
        parts.append(_difference(first, other))
    parts.append(f"{spent:.1f} s")
    return "\n".join(parts)


def _names(answer: Answer) -> str:
    return ", ".join(answer.machines)


def _indented(stdout: str, stderr: str) -> str:
    lines = [f"  | {_safe(line)}" for line in stdout.splitlines()[:SHOWN_LINES]]
    lines += [f"  ! {_safe(line)}" for line in stderr.splitlines()[:SHOWN_LINES]]
    return "\n".join(lines) + "\n" if lines else ""


def _difference(first: Answer, other: Answer) -> str:
    """The lines that differ from the most common answer; all of them where that is shorter."""
    if not first.stdout or not other.stdout:
        return _indented(other.stdout, other.stderr)
    lines = list(difflib.unified_diff(first.stdout.splitlines(), other.stdout.splitlines(), n=0, lineterm=""))
    changed = [f"  {_safe(line)}" for line in lines[2:] if not line.startswith("@@")]
    return "\n".join([*changed[:SHOWN_LINES], _indented("", other.stderr)])


def _safe(text: str) -> str:
    """Programs may print anything; a terminal must not obey it."""
    return "\n".join(printable(line) for line in text.splitlines())


def _print_json(records: Sequence[Record], answers: Sequence[Answer], spent: float) -> None:
    groups = [
        {"machines": a.machines, "ending": a.ending, "stdout": a.stdout, "stderr": a.stderr} for a in answers
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
