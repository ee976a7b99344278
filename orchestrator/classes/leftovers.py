"""What a killed command left of a class: machines that did not come up, and folders with copies of files."""

from __future__ import annotations

from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.run.gc import reclaim_killed


def remove_leftovers(progress: Progress) -> None:
    """Remove the machines of killed commands, which are told of, and working folders whose owner is gone:
    most hold copies of students' files."""
    reclaim_killed(Journal(), progress)
    for folder in abandoned():
        remove(folder)
