"""Derive verdicts again from what was kept: the same files, the same lab, fresh machines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.exercises.parameters import values, with_parameters
from orchestrator.formatting import counted
from orchestrator.grading.about import About, read_about
from orchestrator.grading.differences import differences, same_verdict
from orchestrator.grading.grade import Choice, grade_works
from orchestrator.grading.receipts import Graded, Receipt, Receipts
from orchestrator.grading.store import Verdicted, sealed_verdicts
from orchestrator.grading.work import Work, WorkStore
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.progress import Progress
from orchestrator.submissions.model import Intake, Student, Submission


@dataclass(frozen=True)
class Derived:
    """A verdict that was derived again. ``same``: it gives the same points for the same reasons; ``words`` say
    what differs, or why it could not be derived."""

    graded: Graded
    same: bool
    words: tuple[str, ...]
