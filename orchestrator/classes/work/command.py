"""Run a command as the student on each machine of a class, side by side, and put equal answers together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import drivers
from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.work.one_line import one_line
from orchestrator.classes.work.seat_machines import home_of
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, from_os
from orchestrator.formatting import printable
from orchestrator.labfile.models import User
from orchestrator.progress import Progress
from orchestrator.sessions.lifecycle import side_by_side
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.transport.runner import ProcessResult, run_program

SECONDS = 60.0
"""How long a command may take, on each machine."""
MOST_BYTES = 2**16
"""Of its output and of its error output that are kept; one that writes more is stopped."""
CONNECT_SECONDS = 60.0
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Ran:
    """What a command did on one machine. ``ending`` says how it ended: "exit 0", a signal, or what it was
    stopped for. ``stdout`` and ``stderr`` are printable but for line ends and tabs; ``cut``: there was more.
    ``problem`` says why there is no answer, "" if there is one."""

    seat: str
    machine: str
    ending: str = ""
    stdout: str = ""
    stderr: str = ""
    cut: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        """Where it ran: SEAT/MACHINE."""
        return f"{self.seat}/{self.machine}"

    @property
    def succeeded(self) -> bool:
        return self.ending == "exit 0" and not self.problem


def run_everywhere(
    found: LoadedClass,
    seats: Sequence[Seat],
    words: Sequence[str],
    progress: Progress,
    cancellation: Cancellation,
) -> list[Ran]:
    """Run a command in the home folder of each machine of these seats that is up, as the student, within
    limits of time and output; returns one for each. One word is a line for the shell, several are a command
    and its arguments. Raises Interrupted."""

    def one(machine: SessionMachine) -> Ran:
        progress.doing(machine.name, "running the command")
        try:
            return _ran(found, machine, _argv(words), cancellation)
        except OSError as problem:
            raise from_os(problem) from None
        finally:
            progress.done(machine.name)

    there = [machine for machine in machines_of(found, seats) if not machine.coming]
    results = side_by_side(one, there, cancellation)
    cancellation.check()
    return [
        Ran(found.seat_of(machine.session), machine.machine, problem=one_line(done))
        if isinstance(done, LabError)
        else done
        for machine, done in results
    ]


def alike(answers: Sequence[Ran]) -> list[list[Ran]]:
    """Return the answers in groups of equal ones, the largest first, then in their order."""
    groups: dict[tuple[str, str, str, str], list[Ran]] = {}
    for one in answers:
        groups.setdefault((one.ending, one.stdout, one.stderr, one.problem), []).append(one)
    return sorted(groups.values(), key=len, reverse=True)


def _argv(words: Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", words[0]] if len(words) == 1 else ["/bin/sh", "-c", 'exec "$@"', "sh", *words]


def _ran(found: LoadedClass, machine: SessionMachine, argv: Sequence[str], cancellation: Cancellation) -> Ran:
    handle, home = machine.handle, home_of(machine)
    name = User.STUDENT.value
    with drivers.load(handle.driver).connect(handle, cancellation.deadline(CONNECT_SECONDS)) as transport:
        result = run_program(
            transport,
            handle.site,
            argv,
            user=User.STUDENT,
            folder=home,
            timeout=SECONDS,
            output_limit=MOST_BYTES,
            env={"HOME": home, "USER": name, "LOGNAME": name, "PATH": PATH},
            deadline=cancellation.deadline(),
        )
    return Ran(
        found.seat_of(machine.session),
        machine.machine,
        _ending(result),
        printable(result.stdout, keep="\n\t"),
        printable(result.stderr, keep="\n\t"),
        result.cut,
        printable(result.start_error),
    )


def _ending(result: ProcessResult) -> str:
    if result.killed_for:
        return printable(f"stopped: {result.killed_for}")
    return printable(result.signal) if result.signal else f"exit {result.exit_code}"
