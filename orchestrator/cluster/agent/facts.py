"""What an agent says of its host."""

from __future__ import annotations

import os
import platform
import shutil
import threading
import time

from orchestrator import __version__, images
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.cluster.model import HostFacts
from orchestrator.compile.toolchain import in_cache
from orchestrator.deadline import Deadline
from orchestrator.drivers.qemu import accel
from orchestrator.errors import LabError
from orchestrator.host import cache
from orchestrator.host.resources import this_host
from orchestrator.labfile.image_catalog import recipes
from orchestrator.machines.journal import Journal
from orchestrator.paths import cache_dir

_PROVED = threading.Event()
"""A guest booted under KVM since this process started: that is asked every few seconds."""
PROBE_SECONDS = 60.0
"""For the guest that proves KVM, once for each start of the host."""


def host_facts(host: str, public_key: str) -> HostFacts:
    """Return this host's facts; ``host`` is what the controller calls it ("": its own name). Raises
    Unavailable."""
    here = this_host()
    guests = [e for e in Journal().entries() if (e.owner_alive or e.kept) and not e.handle.is_network]
    return HostFacts(
        name=host or here.name,
        version=__version__,
        python=platform.python_version(),
        arch=host_arch().name,
        cpus=here.cpus,
        memory=here.memory,
        kvm=_kvm_works(),
        clock=time.time(),
        public_key=public_key,
        emulates=tuple(name for name, arch in ARCHITECTURES.items() if shutil.which(arch.qemu)),
        templates=tuple(_templates()),
        guests=len(guests),
        load=round(os.getloadavg()[0], 2),
        glibc=tuple(name for name, arch in ARCHITECTURES.items() if in_cache(arch.linked_with("glibc"))),
    )


def _kvm_works() -> bool:
    """Return whether a guest booted under KVM here. Without an image to boot it is not proved."""
    arch = host_arch()
    if _PROVED.is_set():
        return True
    if not accel.KVM.exists() or not shutil.which(arch.qemu):
        return False
    image = images.find(recipes()["micro"], arch)
    try:
        chosen = accel.choose(arch, "auto", image, Deadline.after(PROBE_SECONDS)) if image else None
    except LabError:
        return False
    if chosen is not None and chosen.accel == "kvm":
        _PROVED.set()
    return _PROVED.is_set()


def _templates() -> list[str]:
    """Return the keys of templates that machines can be cloned from here."""
    found = []
    for file in sorted((cache_dir() / "templates").glob(f"*/{cache.META}")):
        try:
            usable = not cache.meta(file.parent)["reason"]
        except (OSError, ValueError, KeyError):
            continue  # being removed, or of another version
        if usable:
            found.append(file.parent.name)
    return found
