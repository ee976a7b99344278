"""What is wrong with machines in a class though a lab could have them: driver, name, quota, network."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.classes.classfile.machines import INTERNET, OWN, SHARED, Images, Sections
from orchestrator.classes.spec import DRIVER, ClassSpec
from orchestrator.driver_traits import TRAITS
from orchestrator.errors import Problem
from orchestrator.labfile.check_machine import memory_needed, memory_user
from orchestrator.labfile.suggest import quote
from orchestrator.labfile.yaml_document import Path
from orchestrator.units import size_text

RESERVED = {
    "lab": "students log in as lab to get to their first machine",
    "root": "nobody logs in to the gateway as root",
    "shared": "it is the name of the machines for everybody",
}
"""Names that no machine of a class can have, each with the reason."""
_MIB = 2**20
_LEAST_DISK = 16 * _MIB
"""An ext4 file system with its journal needs some."""


def driver_problems(found: Sections) -> Iterator[Problem]:
    """Report machines of other drivers, by their names as written."""
    document = found.whole.document
    for section, name, machine in _written(found):
        driver = machine.get("driver") if isinstance(machine, dict) else None
        if driver in TRAITS and driver != DRIVER:
            why = f"machines of a class are virtual machines of driver {DRIVER}, not {driver}"
            advice = f"use driver: {DRIVER}: students' home folders are disks that it keeps"
            yield document.problem((*found.written(section, name), "driver"), why, advice)


def name_problems(found: Sections) -> Iterator[Problem]:
    """Report names that are taken: by isolab, or by another machine."""
    document = found.whole.document
    first: dict[str, Path] = {}
    for section, name, _ in _written(found):
        path = found.written(section, name)
        if name in RESERVED:
            yield document.problem(
                path, f"no machine can be called {name}: {RESERVED[name]}", "choose another name", key=True
            )
        elif name in first:
            line = document.place(first[name], key=True)[0]
            words = f"there is a machine {quote(name)} on line {line} already: students log in by these names"
            yield document.problem(path, words, "choose another name", key=True)
        first.setdefault(name, path)


def quota_problems(found: Sections, spec: ClassSpec, images: Images) -> Iterator[Problem]:
    """Report quotas that a machine passes, or that are too little for it. ``spec`` is what of the file is
    right by itself."""
    document, quota = found.whole.document, spec.quota
    if quota.disk < _LEAST_DISK:
        few = f"{size_text(quota.disk)} is too little for a home folder"
        yield document.problem(("quota", "disk"), few, f"use at least {size_text(_LEAST_DISK)}")
    for name, machine in spec.machines.items():
        here = found.written(OWN, name)
        least = memory_needed(machine, images.host, images.least)
        own = found.says(OWN, name, "memory")
        if quota.memory and own and machine.memory > quota.memory >= least:
            most = f"{name} has {size_text(machine.memory)} of memory, the quota is {size_text(quota.memory)}"
            yield document.problem((*here, "memory"), most, "lower it, or raise `quota: {memory: …}`")
        if quota.memory and quota.memory < least:
            who = memory_user(machine, images.host, images.least)
            few = f"{size_text(quota.memory)} of memory is too little for {name}: {who}"
            yield document.problem(("quota", "memory"), few, f"use at least {least // _MIB}MiB")
        if quota.cpus and found.says(OWN, name, "cpus") and machine.cpus > quota.cpus:
            most = f"{name} has {machine.cpus} processors, the quota is {quota.cpus}"
            yield document.problem((*here, "cpus"), most, "lower it, or raise `quota: {cpus: …}`")


def reach_problems(found: Sections, spec: ClassSpec) -> Iterator[Problem]:
    """Report networks that machines may not have, and an examination with any."""
    document, wanted = found.whole.document, spec.quota.network
    for name, machine in spec.shared.items():
        if machine.networks:
            why = f"{name} cannot join a network: networks connect the machines of one student or group"
            advice = "leave it out; students reach the machines for everybody through the gateway"
            yield document.problem((*found.written(SHARED, name), "networks"), why, advice)
    if spec.exam and wanted == "internet":
        yield document.problem(("quota", "network"), "an examination has no way out", "use network: off")
        return
    if spec.exam and wanted == "lab" and ("quota", "network") in document.places:
        why = "machines of an examination reach nothing"
        yield document.problem(("quota", "network"), why, "use network: off, or leave it out")
    off = "an examination" if spec.exam else "`network: off` in the quota" if wanted == "off" else ""
    for name, machine in spec.machines.items():
        if off and machine.networks:
            why = f"{name} cannot join a network: {off} means none"
            advice = "leave `networks` out" + ("" if spec.exam else ", or use network: lab")
            yield document.problem((*found.written(OWN, name), "networks"), why, advice)
    for name, network in spec.networks.items():
        if network.internet and wanted != "internet":
            why = f"network {name} has `internet: true`, but the quota has network: {wanted}"
            yield document.problem(("networks", name, "internet"), why, "use `quota: {network: internet}`")
    if (
        wanted == "internet"
        and INTERNET in spec.networks
        and not all(machine.networks for machine in spec.machines.values())
    ):
        why = f"{INTERNET} is the network of machines that are on no other"
        yield document.problem(("networks", INTERNET), why, "choose another name", key=True)


def _written(found: Sections) -> Iterator[tuple[str, str, object]]:
    """Each machine with its section and name, however wrong it is."""
    data = found.whole.data
    for section in (OWN, SHARED):
        listed = data.get(section) if isinstance(data, dict) else None
        for name, machine in listed.items() if isinstance(listed, dict) else ():
            yield section, name, machine
