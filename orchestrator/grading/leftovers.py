"""What a killed `grade` leaves: machines, and folders with copies of what students handed in."""

from __future__ import annotations

from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.run.gc import reclaim_killed
from orchestrator.submissions.intake import WORKING as UNPACKING

GRADING, DERIVING, TESTING, COMPARING = "grading", "derive", "selftest", "similarity"
"""Purposes of the working folders that hold files of students: grading, deriving a verdict again, grading a
lab's solutions, comparing submissions."""
_PURPOSES = (GRADING, DERIVING, TESTING, COMPARING, UNPACKING)


def remove_leftovers(progress: Progress) -> None:
    """Remove the machines of killed commands, which are told of, and the folders whose owner is gone."""
    reclaim_killed(Journal(), progress)
    for folder in abandoned():
        if folder.name.startswith(tuple(f"{purpose}-" for purpose in _PURPOSES)):
            remove(folder)
