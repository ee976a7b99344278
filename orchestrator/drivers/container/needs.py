"""Host packages that containers need: an engine, and its own dependencies."""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
from pathlib import Path

from orchestrator.drivers.container.engine import docker_answers, legacy_cgroups
from orchestrator.errors import HostLacks
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


def require_user_ids(subuid: Path = Path("/etc/subuid")) -> None:
    """Check that rootless Podman has user ids to give to a container's users (subuid(5)).

    Raises HostLacks with the command that adds them. Ids from a directory service are not looked up.
    """
    if os.getuid() == 0 or re.search(r"^\s*subid:", _text(Path("/etc/nsswitch.conf")), re.MULTILINE):
        return
    name, text = _user_name(), _text(subuid)
    ranges = [line.split(":") for line in text.splitlines() if line.count(":") == 2]
    if any(owner in (name, str(os.getuid())) for owner, _, _ in ranges):
        return
    ends = [int(first) + int(size) for _, first, size in ranges if first.isdigit() and size.isdigit()]
    first = max([100000, *ends])
    span = f"{first}-{first + 65535}"
    raise HostLacks(
        f"this host lacks user ids for the containers of {name}: {subuid} has none",
        hint=f"run: sudo usermod --add-subuids {span} --add-subgids {span} {name}",
    )


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _engine_answers() -> bool:
    """Checked each time: an installation changes the answer."""
    return bool(shutil.which("podman") or (shutil.which("docker") and docker_answers()))


def _either_runtime() -> bool:
    return bool(shutil.which("crun") or shutil.which("runc"))
