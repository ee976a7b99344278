"""What a lab file, an exercise file and an image recipe may say. Frozen models; no I/O.

Unknown keys are errors everywhere: a misspelt ``boundary:`` must not silently run another
experiment. Sizes and durations carry their unit in the file (``256MiB``, ``5s``) and are
bytes and seconds here.
"""

from __future__ import annotations

from orchestrator.spec.base import (
    EXERCISE_PATTERN,
    NAME_PATTERN,
    ArchName,
    Boundary,
    ExercisePath,
    MachineName,
    Spec,
    User,
)
from orchestrator.spec.exercise import (
    COMPARISONS,
    Build,
    Check,
    Exercise,
    Hidden,
    Needs,
    Step,
    Student,
    Where,
)
from orchestrator.spec.lab import FOLDER_PATTERN, Accel, DriverName, Lab, Machine, MachineDefaults, Network

__all__ = [
    "COMPARISONS",
    "EXERCISE_PATTERN",
    "FOLDER_PATTERN",
    "NAME_PATTERN",
    "Accel",
    "ArchName",
    "Boundary",
    "Build",
    "Check",
    "DriverName",
    "Exercise",
    "ExercisePath",
    "Hidden",
    "Lab",
    "Machine",
    "MachineDefaults",
    "MachineName",
    "Needs",
    "Network",
    "Spec",
    "Step",
    "Student",
    "User",
    "Where",
]
