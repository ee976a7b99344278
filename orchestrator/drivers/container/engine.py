"""Podman or Docker: which is installed, how to call it, and which limits it can enforce.

An engine is the first words of a command line. Sources: podman(1), podman-info(1), the Docker
Engine API (``GET /info``), cgroups(7).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from functools import cache as remember
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process

NAMES = ("podman", "docker")
LIMITS = ("memory", "cpus", "pids")
_CONTROLLERS = {"memory": "memory", "cpus": "cpu", "pids": "pids"}
_DOCKER_INFO = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota", "pids": "PidsLimit"}


def engine_command(wanted: str) -> tuple[str, ...]:
    """Return the container engine to use, as the first words of a command line. Raises Unavailable."""
    for name in NAMES if wanted == "auto" else (wanted,):
        if shutil.which(name) is None:
            continue
        if name == "podman" or docker_answers():
            return command(name)
    if wanted == "docker" or (wanted == "auto" and shutil.which("docker")):
        raise Unavailable(
            "the docker daemon does not answer" if shutil.which("docker") else "docker is not installed",
            hint="start dockerd (package docker.io), set DOCKER_HOST to its socket, or use podman",
        )
    raise Unavailable(f"no container engine ({wanted}) is installed", hint="install the package podman")


def command(name: str) -> tuple[str, ...]:
    """Return how to call this engine on this host."""
    if name == "docker":
        # The process that tears the machine down later may have another environment.
        host = os.environ.get("DOCKER_HOST")
        return ("docker", "--host", host) if host else ("docker",)
    if not legacy_cgroups():
        return ("podman",)
    # crun refuses a hierarchy that mixes cgroups v1 and v2, and without systemd nothing
    # manages cgroups here; runc with plain cgroupfs works there.
    runtime = ("--runtime", "runc") if shutil.which("runc") else ()
    return ("podman", *runtime, "--cgroup-manager", "cgroupfs")


def legacy_cgroups() -> bool:
    """Return whether /sys/fs/cgroup is not the pure version 2 hierarchy (cgroups(7))."""
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()


def docker_answers() -> bool:
    """Return whether the docker daemon answers its client."""
    return process.run(["docker", "version"], deadline=Deadline.after(10), check=False).code == 0


@remember
def unenforced(engine: tuple[str, ...]) -> Mapping[str, str]:
    """Return the limits this engine cannot set here, with reasons. Queried once per process."""
    if engine[0] == "podman" and os.getuid() == 0:
        return kernel_cannot()  # root can set what the kernel has, and asking would take longer than a start
    done = process.run([*engine, "info", "--format", "{{json .}}"], deadline=Deadline.after(60), check=False)
    try:
        about = json.loads(done.stdout)
        return podman_cannot(about) if engine[0] == "podman" else docker_cannot(about)
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f"`{engine[0]} info` does not report support for it: {done.tail(2)}"
        return dict.fromkeys(LIMITS, reason)


def kernel_cannot(root: Path = Path("/sys/fs/cgroup")) -> dict[str, str]:
    """Return the limits that nobody can set here: a hierarchy of cgroups v2 lacks their controllers, because
    the kernel has none or a version 1 hierarchy holds them. A runtime would fail to write them."""
    for place in (root, root / "unified"):
        try:
            there = (place / "cgroup.controllers").read_text().split()
        except OSError:
            continue
        return {
            limit: f"this host's cgroups have no controller {controller!r}"
            for limit, controller in _CONTROLLERS.items()
            if controller not in there and not (root / controller / "cgroup.procs").exists()
        }
    return {}


def podman_cannot(about: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits a rootless podman cannot set, from ``podman info``. Pure."""
    host = about["host"]
    if host["cgroupVersion"] == "v1":
        return dict.fromkeys(LIMITS, "rootless podman cannot set limits with cgroups v1; run isolab as root")
    mine = host.get("cgroupControllers") or ()
    return {
        limit: f"the controller {controller!r} is not delegated to this user (systemd: Delegate= of user@)"
        for limit, controller in _CONTROLLERS.items()
        if controller not in mine
    }


def docker_cannot(about: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits a docker daemon cannot set, from ``docker info``. Pure."""
    where = f"cgroups v{about.get('CgroupVersion', '?')}, driver {about.get('CgroupDriver', '?')}"
    return {
        limit: f"the docker daemon cannot set it on this host ({where})"
        for limit, key in _DOCKER_INFO.items()
        if not about[key]
    }
