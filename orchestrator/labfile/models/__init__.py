"""Frozen models of lab files, exercise files and image recipes; no I/O.

Unknown keys are errors everywhere: a misspelt ``boundary:`` must not silently run another
experiment. Sizes and durations carry their unit in the file (``256MiB``, ``5s``) and are
bytes and seconds here.
"""

from __future__ import annotations

from orchestrator.driver_traits import Boundary
from orchestrator.labfile.models.base import (
    EXERCISE_PATTERN,
    NAME_PATTERN,
    ArchName,
    ExercisePath,
    Fact,
    Feature,
    MachineName,
    Spec,
    User,
)
from orchestrator.labfile.models.exercise import (
    ANSWERS,
    COMPARISONS,
    KERNEL_PATTERN,
    PROGRAM_PATTERN,
    Build,
    Check,
    Exercise,
    Hidden,
    Libc,
    Needs,
    Plot,
    Step,
    Student,
    Where,
)
from orchestrator.labfile.models.lab import (
    FOLDER_PATTERN,
    Accel,
    DriverName,
    Lab,
    Machine,
    MachineDefaults,
    Network,
    boundary_of,
)
from orchestrator.labfile.models.parameter import PARAMETER_PATTERN, Parameter

__all__ = [
    "ANSWERS",
    "COMPARISONS",
    "EXERCISE_PATTERN",
    "FOLDER_PATTERN",
    "KERNEL_PATTERN",
    "NAME_PATTERN",
    "PARAMETER_PATTERN",
    "PROGRAM_PATTERN",
    "Accel",
    "ArchName",
    "Boundary",
    "Build",
    "Check",
    "DriverName",
    "Exercise",
    "ExercisePath",
    "Fact",
    "Feature",
    "Hidden",
    "Lab",
    "Libc",
    "Machine",
    "MachineDefaults",
    "MachineName",
    "Needs",
    "Network",
    "Parameter",
    "Plot",
    "Spec",
    "Step",
    "Student",
    "User",
    "Where",
    "boundary_of",
]
