"""What each host said last of its part of a class, on disk: machines are found by it without asking."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.classes.hosts.answer import HostAnswer, HostHome, checked
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import class_state
from orchestrator.errors import TransportError
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder

FOLDER, SAID = "hosts", "said.json"


def hosts_folder(found: LoadedClass) -> Path:
    """Return the folder for what is known of hosts, made if necessary, mode 0700. Raises Unavailable."""
    folder = class_state(found) / FOLDER
    make_folder(folder, 0o700, exist_ok=True)
    return folder


def machine_folder(found: LoadedClass, host: str, seat: str, machine: str) -> Path:
    """Return the folder with the keys of one machine of a host."""
    return hosts_folder(found) / host / f"{seat}.{machine}"


def keep(found: LoadedClass, host: str, answer: HostAnswer) -> None:
    """Keep what a host said. Raises Unavailable, OSError."""
    folder = hosts_folder(found) / host
    make_folder(folder, 0o700, exist_ok=True)
    for one in answer.machines:
        place = machine_folder(found, host, one.seat, one.machine)
        make_folder(place, 0o700, exist_ok=True)
        key = place / "client_key"
        if not key.is_file() or key.read_text() != one.client_key:
            write_atomically(key, one.client_key.encode())
    there = {f"{one.seat}.{one.machine}" for one in answer.machines}
    for place in folder.iterdir():
        if place.is_dir() and place.name not in there:
            shutil.rmtree(place, ignore_errors=True)
    write_atomically(folder / SAID, json.dumps(_lasting(answer)).encode())


def _lasting(answer: HostAnswer) -> dict[str, Any]:
    """What of an answer is about the host, not about one request."""
    return {**answer.to_data(), "came": [], "stayed": [], "failed": []}


def said(found: LoadedClass) -> dict[str, HostAnswer]:
    """Return what each host said last; one that never said anything is not there."""
    known = {}
    for file in sorted(hosts_folder(found).glob(f"*/{SAID}")):
        try:
            known[file.parent.name] = checked(json.loads(file.read_bytes()), found, file.parent.name)
        except (OSError, ValueError, TransportError):
            continue  # of a class file that had other machines, or half gone: it is asked anew
    return known


def home_on_host(found: LoadedClass, seat: str, machine: str) -> tuple[str, HostHome] | None:
    """Return the home folder of a seat's machine, and its host; None if no host has it."""
    for host, answer in said(found).items():
        for home in answer.homes:
            if (home.seat, home.machine) == (seat, machine):
                return host, home
    return None


def forget(found: LoadedClass, hosts: Mapping[str, object]) -> None:
    """Forget what these hosts said."""
    for host in hosts:
        shutil.rmtree(hosts_folder(found) / host, ignore_errors=True)
