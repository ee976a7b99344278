"""The record of an exercise that could not run because hosts failed."""

from __future__ import annotations

from orchestrator.driver_traits import TRAITS
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import boundary_of
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.record import Record, Status


def lost_record(lab: LoadedLab, job: Job, exercise: str, host: str, reason: str) -> Record:
    """Return a record with status *error*; ``host`` is empty if no host had the job."""
    wanted = lab.lab.machines[job.machine]
    return Record(
        run=job.run,
        lab=job.lab,
        host=host,
        machine=job.machine,
        student=job.student,
        driver=wanted.driver,
        boundary=boundary_of(wanted).value,
        arch=arch_of(wanted).name,
        accel=wanted.driver if TRAITS[wanted.driver].hardware_only else "none",
        exercise=exercise,
        status=Status.ERROR,
        reason=reason,
    )
