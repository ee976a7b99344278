"""Programs that could not be started because their user has no processes left: nobody's wrong answer. Pure.

The kernel counts a user's processes on the whole host (getrlimit(2), RLIMIT_NPROC), so what another machine's
program leaves room for decides whether this one can be started. A guest has a kernel of its own: there, the
student's program itself left no room.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import TransportError
from orchestrator.exercises.checks import observations
from orchestrator.labfile.models import Boundary, Exercise, Step
from orchestrator.transport.runner import ProcessResult

OBSERVATION = "tester_error"
"""What a tester (labs/exercises/work/support/report.c) says with ``STATUS`` when it could not do its job."""
STATUS = 125
_OWN_KERNEL = (Boundary.VM, Boundary.EMULATED)
_ADVICE = "others of that user are running: try again when they have ended, `isolab gc` ends forgotten ones"


def require_room(result: ProcessResult) -> None:
    """Raise TransportError if a program could not be started for want of processes."""
    if result.crowded:
        raise TransportError(f"cannot start the program: {result.start_error}; {_ADVICE}")


def require_well_tested(spec: Exercise, results: Sequence[ProcessResult], boundary: Boundary) -> None:
    """Raise TransportError if the last step, or what a tester tests, could not be started for want of
    processes. A student's program that claims to be such a tester is judged as any other, and so is what
    runs out of processes on a kernel of its own."""
    last = results[-1]
    if spec.student is not None and boundary in _OWN_KERNEL:
        return
    require_room(last)
    if spec.student is None or last.exit_code != STATUS or _is_students(spec, spec.run[len(results) - 1]):
        return
    words = observations(last.stdout).get(OBSERVATION)
    if isinstance(words, str):
        raise TransportError(f"the tester {words[:200]}; {_ADVICE}")


def _is_students(spec: Exercise, step: Step) -> bool:
    """Whether a step runs a student's program, and not a tester."""
    program = step.argv[0].removeprefix("./")
    return any(spec.is_students(build) for build in spec.build if build.program == program)
