"""Host packages that containers need: an engine, and its own dependencies."""

from __future__ import annotations

import os
import platform
import shutil

from orchestrator.drivers.container.engine import docker_answers, legacy_cgroups
from orchestrator.host.packages import Need, program


def _docker_is_here() -> bool:
    """A client with a daemon that answers, or could be started."""
    return bool(shutil.which("docker") and (docker_answers() or shutil.which("dockerd")))


DOCKER = Need("docker", _docker_is_here, ("docker.io",))
UIDMAP = Need("newuidmap", program("newuidmap"), ("uidmap",))
IP = Need("ip", program("ip"), ("iproute2",))
"""Needed for networks between containers."""


def engine_needs(engine: str = "auto") -> list[Need]:
    """Return the need for a container engine, with the low-level runtime for the host's cgroups.

    Podman as an ordinary user also needs the program that maps user ids (newuidmap(1)).
    """
    if engine == "docker":
        return [DOCKER]
    answers = program("podman") if engine == "podman" else _engine_answers
    needs = [Need("podman", answers, ("podman",))]
    if shutil.which("podman") or not answers():
        legacy = legacy_cgroups()
        present = program("runc") if legacy else _either_runtime
        runtime = "runc" if legacy else "crun"
        needs.append(Need(runtime, present, (runtime,)))
        if os.getuid() != 0 and platform.system() == "Linux":
            needs.append(UIDMAP)
    return needs


def _engine_answers() -> bool:
    """Checked each time: an installation changes the answer."""
    return bool(shutil.which("podman") or (shutil.which("docker") and docker_answers()))


def _either_runtime() -> bool:
    return bool(shutil.which("crun") or shutil.which("runc"))
