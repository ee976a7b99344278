"""What a killed command left of a class: machines that did not come up, and folders with copies of files."""

from __future__ import annotations

from orchestrator.classes.warm import WARMING
from orchestrator.classes.work import check, hand_in, start
from orchestrator.errors import Unreachable
from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.run.gc import reclaim

_PURPOSES = (start.WORKING, check.WORKING, hand_in.WORKING, WARMING)


def remove_leftovers(progress: Progress) -> None:
    """Remove the machines of killed commands, which are told of, and the folders whose owner is gone."""
    try:
        for gone in reclaim(Journal(), only_dead_owners=True):
            progress.tell(f"removed what an earlier command left behind: {gone}")
    except Unreachable as later:  # on a machine that the class does not need
        progress.tell(later.describe())
    for folder in abandoned():
        if folder.name.startswith(tuple(f"{purpose}-" for purpose in _PURPOSES)):
            remove(folder)
