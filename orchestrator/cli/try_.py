"""try: run a C program on every boundary and architecture and show where results differ."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from orchestrator.cli.cluster.source import source_of
from orchestrator.cli.options import require_thawing
from orchestrator.cli.output import JSON, check_format, say, say_json, table
from orchestrator.cli.signals import stop_signals
from orchestrator.cli.swapped import require_program
from orchestrator.cli.try_build import build_data, failures_text, say_build
from orchestrator.errors import Exit, Interrupted, SpecError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.journal import Journal
from orchestrator.machines.shortfall import lacks
from orchestrator.progress import shown
from orchestrator.record import Record, Status
from orchestrator.report.answers import as_data, render
from orchestrator.results.answers import Answers, answers_of
from orchestrator.results.ending import ending_of
from orchestrator.results.platform import LIBRARY_MARK, by_kind, in_words, libraries
from orchestrator.results.store import new_run_id
from orchestrator.run.adhoc import lab_of
from orchestrator.run.by_library import named_by_library, places
from orchestrator.run.prebuild import Prebuilt, prebuilt
from orchestrator.run.run import Selection, Source, results
from orchestrator.units import parse_duration

_RESULT_WIDTH = 60


def try_everywhere(
    path: str,
    arguments: tuple[str, ...],
    on: str,
    stdin: str,
    command: str,
    timeout: str,
    form: str,
    program: str = "",
    warnings: bool = False,
    cluster: str = "",
    thaw: bool = False,
    libc: str = "musl",
) -> Exit:
    """Compile, run everywhere, show the differences. Returns 1 unless all machines gave the same, complete
    answer, 3 on an infrastructure error."""
    check_format(form)
    require_thawing(thaw, cluster=cluster)
    require_program(path, arguments)
    source = source_of(cluster) or results
    given = Path(stdin) if stdin else None
    limit = seconds(timeout)
    lab = lab_of(Path(path), arguments, on=on, stdin=given, command=command, timeout=limit, libc=libc)
    begun = time.monotonic()
    with working_folder("try") as logs:
        ready, records = _run(lab, arguments, program, logs, source, Selection(thaw=thaw))
    absent = lacks(records)
    records = named_by_library(lab, records)
    order = places(lab)
    records.sort(key=lambda record: order.index(record.machine))
    spent = time.monotonic() - begun
    skipped = {record.machine for record in records if record.status is Status.SKIP}
    records = [record for record in records if record.machine not in skipped]
    if not records:
        raise Unavailable("the program ran nowhere", hint="\n".join(absent))
    answers = answers_of(records, [name for name in order if name not in skipped])
    ending = _exit(records, answers)
    if form == JSON:
        _print_json(records, answers, absent, spent, build_data(ready))
        return ending
    file = Path(path).name
    if ready.lab is None:
        say(failures_text(file, ready))
        return ending
    say(_render(file, records, answers, spent))
    for words in absent:
        say(f"not run on {words}")
    say_build(file, ready, warnings=warnings or ending is Exit.FAILED)
    return ending


def _run(
    lab: LoadedLab,
    arguments: tuple[str, ...],
    program: str,
    logs: Path,
    source: Source,
    choice: Selection,
) -> tuple[Prebuilt, list[Record]]:
    """Compile and run; returns what was built, and a record of each machine. Raises Interrupted."""
    try:
        with stop_signals(), shown() as progress:
            ready = prebuilt(lab, arguments, program, progress)
            records = list(ready.absent)
            if ready.lab is not None:
                found = source(ready.lab, new_run_id(), choice, logs, Journal(), progress)
                with closing(found):
                    records += found
    except KeyboardInterrupt:
        raise Interrupted() from None
    return ready, records


def seconds(text: str) -> float:
    """Parse a ``--timeout``, in seconds. Raises SpecError."""
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise SpecError(f"--timeout {text}: {problem}") from None


def _exit(records: Sequence[Record], answers: Answers) -> Exit:
    ours = [r for r in records if r.status is Status.ERROR and "does not compile" not in r.reason]
    if ours:
        return Exit.INFRASTRUCTURE
    return Exit.PASSED if answers.same else Exit.FAILED


def _render(name: str, records: Sequence[Record], answers: Answers, spent: float) -> str:
    rows = [
        (
            r.machine,
            r.boundary,
            r.arch,
            r.start or "-",
            bounded(printable(ending_of(r).words.partition("\n")[0]), _RESULT_WIDTH),
            f"{r.guest_seconds * 1000:.1f}",
        )
        for r in records
    ]
    grid = table(("MACHINE", "BOUNDARY", "ARCH", "START", "RESULT", "MS IN MACHINE"), rows)
    library = in_words(libraries(records))
    if any(LIBRARY_MARK in record.machine for record in records):
        library = by_kind(libraries(records))
    ends = [f"wall time: {spent:.1f} s", *([printable(library)] if library else [])]
    return "\n".join([f"{grid}\n\n{render(name, answers)}", *ends])


def _print_json(
    records: Sequence[Record],
    answers: Answers,
    absent: Sequence[str],
    spent: float,
    build: Mapping[str, object],
) -> None:
    machines = [
        {
            "machine": r.machine,
            "boundary": r.boundary,
            "arch": r.arch,
            "libc": r.platform.get("libc", ""),
            "start": r.start,
            "status": r.status,
            "reason": r.reason,
            "exit_code": r.exit_code,
            "signal": r.signal,
            "killed_for": r.killed_for,
            "guest_seconds": r.guest_seconds,
            "platform": r.platform,
        }
        for r in records
    ]
    about: dict[str, object] = {"exit_code": int(_exit(records, answers)), "seconds": round(spent, 3)}
    about |= {"missing": absent, "build": build}
    say_json(as_data(answers) | about | {"machines": machines})
