"""Say in a student's words what went wrong outside the web server: not how this host runs things, nor what to
type on a command line that the student does not have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from orchestrator.errors import Interrupted, LabError, SpecError, TimedOut, TransportError, Unavailable
from orchestrator.formatting import printable
from orchestrator.progress import write_error

FULL = "No space left on device"
TRY_AGAIN = "try again; if it stays so, tell your lecturer, or reset the machine: the home folder stays"


class NotNow(Unavailable):
    """What cannot be done now, in a student's words, hint included."""


@contextlib.contextmanager
def plainly(machine: str) -> Iterator[None]:
    """Turn errors of a ``with`` block that works on this machine into what a student is told: of a broken
    connection, one sentence, and the rest goes to the service's log; of others, no hint. Raises SpecError,
    NotNow, Interrupted."""
    try:
        yield
    except Interrupted:
        raise
    except SpecError as problem:
        raise SpecError(problem.message) from None
    except (TransportError, TimedOut) as problem:
        if FULL in problem.message:
            raise NotNow(f"the disk of {machine} is full", hint="delete what is not needed") from None
        write_error(f"web server: {machine}: {printable(problem.describe())}\n")
        raise NotNow(f"{machine} did not do that, or took too long", hint=TRY_AGAIN) from None
    except LabError as problem:
        raise NotNow(problem.message) from None


def for_students(problem: LabError) -> LabError:
    """Return an error as a student is told: what is meant for them as it is; of others one sentence, and the
    rest goes to the service's log."""
    if isinstance(problem, (SpecError, NotNow)):
        return problem
    write_error(f"web server: {printable(problem.describe())}\n")
    return NotNow("that did not work, or took too long", hint=TRY_AGAIN)
