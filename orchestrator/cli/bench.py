"""bench: measure isolab itself, as a table and as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.arch import ARCHITECTURES
from orchestrator.bench import baseline, class_, grading, measure, neighbour
from orchestrator.cli.output import JSON, check_format, say, say_json, table
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Exit, LabError, SpecError
from orchestrator.host import process
from orchestrator.host.packages import SSH
from orchestrator.host.tempdirs import working_folder
from orchestrator.machines import host_packages
from orchestrator.machines.context import MachineContext
from orchestrator.machines.journal import Journal
from orchestrator.paths import IN_CHECKOUT, LABS, ROOT, scratch_dir
from orchestrator.progress import Progress, shown
from orchestrator.results.store import new_run_id

GRADE, CLASS, CLUSTER = "grade", "class", "cluster"
"""What is measured apart from the rest."""
CLASS_IMAGES = ("micro", "debian")
FIRST = ("arm64", "s390x", "armhf", "amd64")
"""The architectures the targets refer to, measured first; the others follow."""


@dataclass(frozen=True)
class Faulty:
    """Which cluster is measured: that of this hosts file, with so many faults, whose numbers begin with
    ``seed``."""

    hosts: str = ""
    faults: int = 200
    seed: int = 1


def bench(
    what: str,
    submissions: int,
    machines: tuple[int, int, bool],
    out: str,
    form: str,
    faulty: Faulty = Faulty(),
) -> Exit:
    """Measure and print; with ``out``, also write the results as JSON. ``what`` is "", GRADE, CLASS or
    CLUSTER.

    ``submissions`` are how many to grade; ``machines`` how often each start is measured, how many clones
    start at once (and how many students a class has), and whether a stock distribution is compared with.
    Raises SpecError.
    """
    check_format(form)
    if what not in ("", GRADE, CLASS, CLUSTER):
        raise SpecError(
            f"bench: nothing called {what} is measured",
            hint=f"isolab bench, or bench {GRADE}, or bench {CLASS}, or bench {CLUSTER}",
        )
    if submissions < 1:
        raise SpecError(f"--submissions {submissions}: expected a number of at least 1")
    if faulty.faults < 0:
        raise SpecError(f"--faults {faulty.faults}: expected a number of at least 0")
    if what == GRADE:
        rows = _watched(lambda progress: _grading(submissions, progress))
    elif what == CLASS:
        rows = _watched(lambda progress: class_.class_rows(machines[1], CLASS_IMAGES, _command, progress))
    elif what == CLUSTER:
        rows = _cluster(faulty)
    else:
        rows = _machines(*machines)
    data = [asdict(row) | {"met": row.met} for row in rows]
    if out:
        Path(out).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if form == JSON:
        say_json(data)
    else:
        say(_table(rows))
    return Exit.PASSED


def _grading(submissions: int, progress: Progress) -> Iterator[measure.BenchResult]:
    yield from grading.grading_rows(submissions, _command, progress)
    yield from neighbour.neighbour_rows(_grade_command, progress)


def _cluster(faulty: Faulty) -> list[measure.BenchResult]:
    if not faulty.hosts:
        raise SpecError(
            f"bench {CLUSTER}: which hosts?", hint=f"isolab bench {CLUSTER} --cluster HOSTS, a hosts file"
        )
    from orchestrator.bench.cluster.rows import WantedRows, cluster_rows
    from orchestrator.cli.cluster.options import open_hosts

    cluster, wanted = open_hosts(faulty.hosts), WantedRows(faulty.faults, faulty.seed)
    return _watched(lambda progress: cluster_rows(cluster, wanted, isolab_command, progress))


def _watched(
    measured: Callable[[Progress], Iterator[measure.BenchResult]],
) -> list[measure.BenchResult]:
    """Return these rows, each told as it is there."""
    rows = []
    with shown() as progress:
        _prepare(progress, Cancellation())
        for row in measured(progress):
            rows.append(row)
            progress.tell(_line(row))
    return rows


def _machines(rounds: int, crowd: int, stock: bool) -> list[measure.BenchResult]:
    run, cancellation = new_run_id(), Cancellation()
    rows: list[measure.BenchResult] = []
    with working_folder("bench") as logs, shown() as progress:
        try:
            _prepare(progress, cancellation)
            slots = threading.Semaphore(os.cpu_count() or 1)
            machines = MachineContext(Journal(), progress, cancellation, slots)
            lab = measure.Bench(run, logs, machines, max(5, rounds))
            for row in _measure(lab, crowd, stock):
                rows.append(row)
                progress.tell(_line(row))
        finally:
            cancellation.cancel()
            with contextlib.suppress(OSError):
                (scratch_dir() / run).rmdir()
    return rows


def _prepare(progress: Progress, cancellation: Cancellation) -> None:
    host_packages.ensure([*host_packages.usual_needs(), SSH], progress, cancellation.deadline())


def _measure(lab: measure.Bench, crowd: int, stock: bool) -> Iterator[measure.BenchResult]:
    seconds = None
    if stock:
        try:
            seconds = baseline.stock_seconds(lab)
            yield measure.BenchResult(
                "stock Debian (systemd, OpenSSH), amd64, cold boot to the first response", seconds, "s"
            )
        except LabError as problem:
            note = problem.first_line
            yield measure.BenchResult(
                "stock Debian, cold boot", float("nan"), "s", note=f"not measured: {note}"
            )
    others = [name for name in ARCHITECTURES if name not in FIRST]
    yield from measure.start_rows(lab, [*FIRST, *others], seconds)
    for what in measure.CROWD_TARGETS:
        yield from measure.crowd_rows(lab, "arm64", crowd, what)
    yield from measure.overhead_rows(lab, "arm64", baseline.ssh_seconds)
    yield from _command_rows(lab.progress)


def _command_rows(progress: Progress) -> Iterator[measure.BenchResult]:
    """Time whole commands as a user would, with everything cached."""
    with working_folder("bench") as folder:
        hello = folder / "hello.c"
        hello.write_text('#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
        commands = (
            ("isolab --help", ["--help"], 0.3, 5),
            ("isolab try hello.c --on all", ["try", str(hello)], 5.0, 3),
            (
                "isolab run labs/separation",
                ["run", str(LABS / "separation"), "--out", f"{folder}/out"],
                15.0,
                3,
            ),
        )
        for what, arguments, target, rounds in commands:
            progress.doing("bench", what)
            _command(arguments)  # once, so that everything is cached
            seconds = [_command(arguments) for _ in range(rounds)]
            yield measure.BenchResult(what, statistics.median(seconds), "s", target)


def _grade_command(arguments: list[str]) -> float:
    """Run a command that may end with 1, as some work does not get all points."""
    return isolab_command(arguments, (Exit.PASSED, Exit.FAILED))


def _command(arguments: list[str]) -> float:
    return isolab_command(arguments, (Exit.PASSED,))


def isolab_command(arguments: list[str], codes: Sequence[Exit]) -> float:
    """Run this isolab as a command; returns the seconds it took. Raises LabError, with its last words, if it
    ends with another status than these."""
    command = ROOT / "isolab" if IN_CHECKOUT else Path(sys.executable).with_name("isolab")
    begun = time.monotonic()
    done = process.run([command, *arguments], deadline=Deadline.after(900), cwd=ROOT, check=False)
    if done.code not in codes:
        words = done.stderr.decode(errors="replace").strip()[-300:]
        raise LabError(f"`isolab {' '.join(arguments)}` ended with {done.code}: {words}")
    return time.monotonic() - begun


def _line(row: measure.BenchResult) -> str:
    return f"{row.what}: {_value(row)}" + (f" ({row.note})" if row.note else "")


def _value(row: measure.BenchResult) -> str:
    if row.unit == "ratio":
        return f"{row.value:.3f}" + (f" (1/{1 / row.value:.1f})" if 0 < row.value < 0.5 else "")
    return f"{row.value:.2f} {row.unit}".rstrip()


def _target(row: measure.BenchResult) -> str:
    if row.target is None:
        return ""
    return f"at least {row.target:.3g}" if row.least else f"{row.target:.3g}"


def _table(rows: list[measure.BenchResult]) -> str:
    words = {True: "met", False: "MISSED", None: ""}
    cells = [
        (
            row.what,
            _value(row),
            _target(row),
            words[row.met],
            row.note[:60],
        )
        for row in rows
    ]
    return table(("MEASUREMENT", "VALUE", "TARGET", "", ""), cells)
