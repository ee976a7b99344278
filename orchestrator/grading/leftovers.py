"""What a killed `grade` leaves: machines, and folders with copies of what students handed in."""

from __future__ import annotations

from orchestrator.errors import Unreachable
from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.run.gc import reclaim
from orchestrator.submissions.intake import WORKING as UNPACKING

GRADING, DERIVING, TESTING, COMPARING = "grading", "derive", "selftest", "similarity"
"""Purposes of the working folders that hold files of students: grading, deriving a verdict again, grading a
lab's solutions, comparing submissions."""
_PURPOSES = (GRADING, DERIVING, TESTING, COMPARING, UNPACKING)


def remove_leftovers(progress: Progress) -> None:
    """Remove the machines of killed commands, which are told of, and the folders whose owner is gone."""
    try:
        for gone in reclaim(Journal(), only_dead_owners=True):
            progress.tell(f"removed what an earlier run left behind: {gone}")
    except Unreachable as later:  # on a machine that grading may not need
        progress.tell(later.describe())
    for folder in abandoned():
        if folder.name.startswith(tuple(f"{purpose}-" for purpose in _PURPOSES)):
            remove(folder)
