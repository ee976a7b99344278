"""Limits of containers: as engine options, and as enforced by the kernel.

Engines drop limits they cannot set, some with a warning, so the limits in force are read from the
container's own cgroup. Sources: cgroups(7) and the kernel's Documentation/admin-guide,
cgroup-v1 (memory.rst, pids.rst), scheduler/sched-bwc.rst, cgroup-v2.rst.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Collection, Mapping
from pathlib import Path

from orchestrator.labfile.models import Machine

PIDS = 512
"""Default process limit of a container; a fork bomb stops here."""


MOST = 4096
"""Open files and processes a user in a container may have; engines lower their own limits before
they start a container, so the host's full limit may already be out of reach."""


def hard_limits() -> dict[str, int]:
    """Return the host's hard limits on open files and processes, if it has any and isolab is root.

    An engine's defaults may be above them, and raising a limit takes CAP_SYS_RESOURCE, which
    root lacks in some hosts that are containers themselves.
    """
    if os.getuid() != 0:
        return {}
    hard = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    found = {name: resource.getrlimit(number)[1] for name, number in hard.items()}
    return {name: min(limit, MOST) for name, limit in found.items() if limit != resource.RLIM_INFINITY}


def render_ulimits(hard: Mapping[str, int]) -> list[str]:
    """Return the engine options that keep a container's own limits below those. Pure."""
    pairs = [("--ulimit", f"{name}={min(1024, limit)}:{limit}") for name, limit in hard.items()]
    return [word for pair in pairs for word in pair]


def wanted(machine: Machine) -> dict[str, float]:
    """Return the limits of a machine: bytes, processors, processes."""
    return {"memory": machine.memory, "cpus": machine.cpus, "pids": machine.pids or PIDS}


def render_limits(machine: Machine, without: Collection[str] = ()) -> list[str]:
    """Return the engine options for the limits, except those it cannot set. Pure.

    Without its own limit, swap would double the memory.
    """
    memory, cpus, pids = str(machine.memory), str(machine.cpus), str(machine.pids or PIDS)
    # Without a word podman would set a limit of its own on processes.
    unset = ["--pids-limit", "-1"] if "pids" in without else []
    options = {
        "memory": ["--memory", memory, "--memory-swap", memory],
        "cpus": ["--cpus", cpus],
        "pids": ["--pids-limit", pids],
    }
    return [word for name, words in options.items() if name not in without for word in words] + unset


def in_force(pid: int, container: str, root: Path = Path("/")) -> Mapping[str, float] | None:
    """Return the limits the kernel enforces on a container, by its process and its id; inf for none.

    None when that process is not visible here in a cgroup of that container: the engine runs it on
    another machine. ``root`` is where proc and sys are mounted.
    """
    try:
        lines = (root / f"proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    if not container or not any(container in line for line in lines):
        return None
    groups = {
        name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")
    }
    mounts = root / "sys/fs/cgroup"
    new = mounts / groups.get("", "/").lstrip("/")  # version 2, where the line has no names

    def old(controller: str) -> Path:
        return mounts / controller / groups.get(controller, "none").lstrip("/")

    return {
        "memory": min(_number(old("memory") / "memory.limit_in_bytes"), _number(new / "memory.max")),
        "cpus": min(_old_cpus(old("cpu")), _new_cpus(new)),
        "pids": min(_number(old("pids") / "pids.max"), _number(new / "pids.max")),
    }


def exceeded(wanted: Mapping[str, float], found: Mapping[str, float]) -> dict[str, str]:
    """Return the limits not in force as wanted, with the actual ones. Pure."""
    return {
        name: "the kernel enforces no such limit"
        if found[name] == float("inf")
        else f"the limit in force is {found[name]:g}"
        for name, limit in wanted.items()
        if found[name] > limit
    }


def _number(file: Path) -> float:
    """Parse a limit; infinite for none, written as ``max`` or as a number beyond any memory."""
    try:
        value = float(file.read_text())
    except (OSError, ValueError):
        return float("inf")
    return value if 0 <= value < 2**62 else float("inf")


def _old_cpus(folder: Path) -> float:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota != float("inf") and period not in (0, float("inf")) else float("inf")


def _new_cpus(folder: Path) -> float:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError):
        return float("inf")
