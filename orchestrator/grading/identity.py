"""What the answers of a machine may depend on besides the programs: its image or template, its emulator."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator import drivers
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Cloning
from orchestrator.grading.digests import qemu_identity
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines import templates
from orchestrator.machines.provision import LabContext, order_of

_ENTRY = " lab:"
"""What separates the digest of a machine's entry in the lab from what comes before it."""


@dataclass(frozen=True)
class MachineIdentity:
    """``template`` is the content key of the template it is cloned from, or of its image, and a digest of the
    machine's entry in the lab; ``qemu`` is the version and SHA-256 of its emulator, "" without one."""

    template: str
    qemu: str = ""

    @property
    def entry(self) -> str:
        """The digest of the machine's entry in the lab; "" if there is none in it."""
        return self.template.rpartition(_ENTRY)[2] if _ENTRY in self.template else ""


def identities_of(names: Iterable[str], run: str, context: LabContext) -> dict[str, MachineIdentity]:
    """Return the identity of each of these machines of the lab, building images as necessary.

    Raises ImageError, Unavailable, TimedOut, Interrupted.
    """
    lab = context.lab.lab
    return {name: _identity(Job(run, lab.lab, name, "", ()), context) for name in names}


def _identity(job: Job, context: LabContext) -> MachineIdentity:
    wanted = context.lab.lab.machines[job.machine]
    driver, order = drivers.load(wanted.driver), order_of(job, context)
    key = (
        templates.key(order, driver)
        if isinstance(driver, Cloning)
        else f"{order.image.name}-{order.image.key}"
    )
    entry = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
    emulated = TRAITS[wanted.driver].accelerated and shutil.which(arch_of(wanted).qemu) is not None
    return MachineIdentity(
        f"{key}{_ENTRY}{entry[:16]}", qemu_identity(arch_of(wanted).qemu) if emulated else ""
    )
