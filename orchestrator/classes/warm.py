"""Make what the class's labs need before the first student checks: images and templates of their machines."""

from __future__ import annotations

import os
from collections.abc import Callable

from orchestrator.classes.model import LoadedClass
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, SpecError
from orchestrator.exercises.submission import machines_for_students
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines.journal import Journal
from orchestrator.machines.provision import lab_context, make_ready
from orchestrator.progress import SilentProgress
from orchestrator.results.store import new_run_id

WARMING = "warm"
"""Purpose of the working folders."""
NICENESS = 10
"""Students who log in go first."""


def warm(found: LoadedClass, say: Callable[[str], None], cancellation: Cancellation) -> None:
    """Make the images and templates of the open labs' machines; what cannot be made is said. Lowers the
    priority of the calling thread, and of all that it starts (setpriority(2): threads have their own)."""
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    for lab in found.open_labs():
        try:
            _warm(lab.lab, say, cancellation)
        except Interrupted:
            return
        except LabError as problem:
            say(f"{lab.name}: its machines cannot be prepared: {problem.first_line}")


def _warm(lab: LoadedLab, say: Callable[[str], None], cancellation: Cancellation) -> None:
    try:
        names, _ = machines_for_students(lab, ())
    except SpecError:
        return  # a lab without machines for students
    with (
        working_folder(WARMING) as logs,
        lab_context(lab, names, logs, Journal(), SilentProgress(), cold=False) as context,
    ):
        for job in plan_jobs(lab, new_run_id(), machines=names):
            cancellation.check()
            try:
                make_ready(job, context)
            except Interrupted:
                raise
            except LabError as problem:
                say(f"{lab.lab.lab}: {job.machine} cannot be prepared: {problem.first_line}")
