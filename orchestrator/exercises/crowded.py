"""Programs that could not be started because their user has no processes left: nobody's wrong answer. Pure.

The kernel counts a user's processes on the whole host (getrlimit(2), RLIMIT_NPROC), so what another machine's
program leaves room for decides whether this one can be started.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import TransportError
from orchestrator.exercises.checks import observations
from orchestrator.labfile.models import Exercise
from orchestrator.transport.runner import ProcessResult

OBSERVATION = "tester_error"
"""What a tester (labs/exercises/work/support/report.c) says with ``STATUS`` when it could not do its job."""
STATUS = 125
_ADVICE = "others of that user are running: try again when they have ended, `isolab gc` ends forgotten ones"


def require_room(result: ProcessResult) -> None:
    """Raise TransportError if a program could not be started for want of processes."""
    if result.crowded:
        raise TransportError(f"cannot start the program: {result.start_error}; {_ADVICE}")


def require_well_tested(spec: Exercise, results: Sequence[ProcessResult]) -> None:
    """Raise TransportError if the last step, or what a tester tests, could not be started for want of
    processes. A program that only says so, without the status, is judged as any other."""
    last = results[-1]
    require_room(last)
    if spec.student is None or last.exit_code != STATUS:
        return
    words = observations(last.stdout).get(OBSERVATION)
    if isinstance(words, str):
        raise TransportError(f"the tester {words[:200]}; {_ADVICE}")
