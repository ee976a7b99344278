"""doctor: show what this host can run, and what is missing for the rest."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass

from orchestrator import drivers, images
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.cli.output import JSON, check_format, mib, say, say_json, table
from orchestrator.cli.readiness import usual_packages
from orchestrator.compile.glibc import download_bytes
from orchestrator.compile.toolchain import in_cache
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import NeedsPackages
from orchestrator.drivers.qemu import accel
from orchestrator.errors import Exit, LabError
from orchestrator.formatting import size_words
from orchestrator.host.resources import this_host
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.models import Machine
from orchestrator.machines import host_packages
from orchestrator.machines.shortfall import LACKS
from orchestrator.progress import shown


@dataclass(frozen=True)
class Finding:
    """The result of one check: whether it works, and details."""

    what: str
    works: bool
    detail: str


def doctor(form: str) -> Exit:
    """Print what works; the exit code is 0 even if something is missing."""
    check_format(form)
    host = this_host()
    found = [*_drivers(), *_architectures(), _glibc(), _accelerator()]
    packages = usual_packages()
    absent = list(dict.fromkeys(name for names in packages.lacking.values() for name in names))
    if form == JSON:
        data = {"host": asdict(host), "arch": host_arch().name, "findings": [asdict(f) for f in found]}
        say_json({**data, "missing": absent, "install": packages.line})
        return Exit.PASSED
    say(f"{host.name}: {host_arch().name}, {host.cpus} processors, {mib(host.memory)} of free memory\n")
    say(table(("WORKS", "CHECK", "DETAILS"), [("yes" if f.works else "no", f.what, f.detail) for f in found]))
    if absent:
        say(f"\nmissing for the built-in labs: {', '.join(absent)}")
        say(f"to install: {packages.line or packages.advice}")
        if packages.line:
            say("(`isolab run` installs what a lab needs, if run as root or with passwordless sudo)")
    return Exit.PASSED


def _drivers() -> list[Finding]:
    found = []
    for name in TRAITS:
        machine = Machine(driver=name)
        try:
            driver = drivers.load(name)
            driver.check(machine, host_arch())
            needs = driver.needs(machine) if isinstance(driver, NeedsPackages) else ()
            absent = ", ".join(need.what for need in host_packages.missing(needs))
            found.append(Finding(f"driver {name}", not absent, absent and f"{LACKS} {absent}"))
        except LabError as problem:
            words = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
            found.append(Finding(f"driver {name}", False, words))
    return found


def _architectures() -> list[Finding]:
    found = []
    for arch in ARCHITECTURES.values():
        path = shutil.which(arch.qemu)
        built = any(images.find(recipe, arch) for recipe in recipes().values())
        detail = (
            f"{path}, image {'ready' if built else 'built on first use'}"
            if path
            else f"{arch.qemu} is missing"
        )
        older = images.substitutions([(recipe, arch) for recipe in recipes().values()])
        detail = "; ".join([detail, *older]) if path else detail
        found.append(Finding(f"{arch.name} machines", path is not None, detail))
    return found


def _glibc() -> Finding:
    """musl comes with the first machine; glibc is for whoever asks for it, so that it works without."""
    arches = [arch.linked_with("glibc") for arch in ARCHITECTURES.values()]
    absent = [arch for arch in arches if in_cache(arch) is None]
    if not absent:
        return Finding("glibc", True, "ready for all architectures")
    size, names = size_words(sum(map(download_bytes, absent))), ", ".join(arch.name for arch in absent)
    return Finding("glibc", True, f"downloaded on first use for {names}: about {size} in all")


def _accelerator() -> Finding:
    arch = host_arch()
    if shutil.which(arch.qemu) is None:
        return Finding("KVM", False, f"not checked: {arch.qemu} is missing")
    try:
        with shown() as progress:
            host_packages.ensure([host_packages.GPGV, host_packages.KEYS], progress, Deadline.never())
            deadline = Deadline.after(600)
            image = images.obtain(recipes()["micro"], arch, Archives(deadline), progress, deadline)
            progress.doing("KVM", "booting a probe guest", accel.PROBE_SECONDS)
            choice = accel.choose(arch, "auto", image, Deadline.after(60))
            progress.done("KVM")
    except LabError as problem:
        return Finding("KVM", False, problem.message)
    return Finding("KVM", choice.accel == "kvm", choice.reason)
