"""How much processor time a program may use on a machine, in seconds of that machine's processor. Pure.

A program that never sleeps is over sooner by this than by its time limit, which must leave room for a
loaded host. Programs wait without using any.
"""

from __future__ import annotations

from orchestrator.labfile.models import Exercise
from orchestrator.machines.facts import Facts

STUDENT_SECONDS = 30.0
"""For a step of a student's exercise: testers and all that they start, on any machine."""

LEAST_SECONDS = 10.0


def processor_seconds(spec: Exercise, facts: Facts, slowness: float) -> float:
    """Return the limit for one step of an exercise: whole seconds.

    A student's program has ``STUDENT_SECONDS``. Others have what their ``timeout`` allows on every
    processor of a machine that is ``slowness`` times slower than a native one.
    """
    allowed = max(LEAST_SECONDS, spec.timeout * slowness)
    if spec.student is not None:
        return float(round(min(STUDENT_SECONDS, allowed)))
    return float(round(allowed * max(1, facts.cpus)))
