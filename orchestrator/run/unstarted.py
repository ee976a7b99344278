"""What is known of a record before its machine runs: where it was to run, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from orchestrator.arch import Arch
from orchestrator.driver_traits import TRAITS
from orchestrator.errors import HostLacks
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Machine, boundary_of
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.record import Record, Status


def unstarted_record(lab: LoadedLab, job: Job, host: str, host_arch: Arch | None) -> Record:
    """Return the record of a job without its exercise, with status *error*.

    ``host`` is empty if no host had the job; ``host_arch`` is the architecture of that host, None if it is
    not known here.
    """
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
        accel=_accel(wanted, host_arch),
        exercise="",
        status=Status.ERROR,
    )


def lost_record(lab: LoadedLab, job: Job, exercise: str, host: str, reason: str) -> Record:
    """Return the record of an exercise whose result no host could give; ``host`` as for
    ``unstarted_record``."""
    return replace(unstarted_record(lab, job, host, None), exercise=exercise, reason=reason)


def skipped(exercises: Iterable[str], blank: Record, lack: HostLacks) -> Iterator[Record]:
    """Yield the records of these exercises on a machine that a host lacks something for, with what to type;
    ``blank`` is the machine's ``unstarted_record``."""
    reason = f"{lack.message}; {lack.hint}" if lack.hint else lack.message
    for exercise in exercises:
        yield replace(blank, exercise=exercise, status=Status.SKIP, reason=reason)


def _accel(wanted: Machine, host_arch: Arch | None) -> str:
    """What is certain whatever the host offers; KVM never is."""
    traits = TRAITS[wanted.driver]
    if traits.hardware_only:
        return wanted.driver
    foreign = host_arch is not None and arch_of(wanted) != host_arch
    return "tcg" if traits.accelerated and foreign else "none"
