"""Check that a machine has the programs that an exercise needs installed.

The check runs just before an exercise with ``needs: {programs: […]}``: other machines do not pay for it,
and it sees what earlier exercises changed.
"""

from __future__ import annotations

from orchestrator.deadline import Cancellation
from orchestrator.exercises.crowded import require_room
from orchestrator.exercises.execute import LEAST_SECONDS, PATH, ExerciseContext, folder_name
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import User
from orchestrator.transport.runner import run_program

_WORDS_LIMIT = 4096
_LOOK = """\
IFS=:
for program; do
    found=
    for folder in $PATH; do
        [ -f "$folder/$program" ] && [ -x "$folder/$program" ] && found=yes
    done
    [ "$found" ] || echo "$program"
done
"""
"""Looks at files, because a shell's `command -v` also finds builtins."""


def missing_programs(exercise: LoadedExercise, place: ExerciseContext, cancellation: Cancellation) -> str:
    """Return which programs this machine lacks for the exercise; "" when none.

    Raises TransportError, TimedOut, Interrupted.
    """
    wanted = exercise.spec.needs.programs
    if not wanted:
        return ""
    result = run_program(
        place.transport,
        place.site,
        ["/bin/sh", "-c", _LOOK, "sh", *wanted],
        user=User.STUDENT,
        folder=f"{place.site.work}/{folder_name(exercise.name)}",
        timeout=LEAST_SECONDS * place.subject.facts.slowness,
        output_limit=_WORDS_LIMIT,
        env={"PATH": PATH},
        deadline=cancellation.deadline(),
    )
    require_room(result)
    if result.exit_code != 0:
        why = result.start_error or result.killed_for or f"its shell exited with {result.exit_code}"
        return f"needs {', '.join(wanted)}: cannot look for programs in this machine ({why})"
    lacking = [name for name in wanted if name in result.stdout.splitlines()]
    return f"needs {', '.join(lacking)}: not installed in this machine" if lacking else ""
