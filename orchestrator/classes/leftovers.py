"""What a killed command left of a class: machines that did not come up, and folders with copies of files."""

from __future__ import annotations

from orchestrator.errors import Unreachable
from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.run.gc import reclaim


def remove_leftovers(progress: Progress) -> None:
    """Remove the machines of killed commands, which are told of, and working folders whose owner is gone:
    most hold copies of students' files."""
    try:
        for gone in reclaim(Journal(), only_dead_owners=True):
            progress.tell(f"removed what an earlier command left behind: {gone}")
    except Unreachable as later:  # on a machine that the class does not need
        progress.tell(later.describe())
    for folder in abandoned():
        remove(folder)
