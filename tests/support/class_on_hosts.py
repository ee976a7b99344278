"""A class over two hosts on disk, and what such hosts say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from made_up_term import write_class
from public_keys import ED25519

from orchestrator.classes.hosts.answer import HostAnswer, HostMachine
from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass

GIB = 2**30
HOSTS = "hosts:\n  - {name: alder, memory: 4GiB}\n  - {name: birch}\n"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
KEY = ED25519.split()[1]
SITE = {
    "runner": ["/run"],
    "work": "/work",
    "users": {"root": 0, "student": 1000},
    "switch": True,
    "homes": {"student": "/home/student"},
}


def machine(seat: str, name: str = "desk", port: int = 40000, memory: int = 50 * 2**20) -> HostMachine:
    """A machine as its host says it is."""
    since = "2027-03-01T09:00:00+0800"
    run = f"20270301-090000-{seat}"
    return HostMachine(
        seat, name, run, "amd64", "vm", "tcg", since, False, memory, port, KEY, PRIVATE if port else "", SITE
    )


def said(*machines: HostMachine, **more: Any) -> dict[str, Any]:
    """What a host says, as it arrives."""
    data: dict[str, Any] = json.loads(json.dumps(HostAnswer(machines=machines, **more).to_data()))
    return data


def class_on_hosts(folder: Path, students: int, *lines: str) -> LoadedClass:
    """Write a class whose machines are spread over two hosts, and load it; ``lines`` are more of its file."""
    write_class(folder, students, "hosts: hosts.yaml", *lines)
    (folder / "hosts.yaml").write_text(HOSTS)
    return load_class(folder)
