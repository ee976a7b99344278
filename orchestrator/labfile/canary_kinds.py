"""The kinds of canaries an exercise can ask for, and the observations they become. Pure."""

from __future__ import annotations

from typing import Literal

CanaryKind = Literal[
    "secret",
    "file",
    "entry",
    "other-file",
    "own-file",
    "process",
    "other-process",
    "memory",
    "forks",
    "shared-memory",
    "segment",
    "queue",
    "socket",
    "listener",
    "outside-listener",
    "datagram",
    "hostname",
    "kernel-log",
    "left-file",
    "left-process",
]

LABELS: dict[str, str] = {
    "secret": "read a file of the same user",
    "file": "overwrite a file of the same user",
    "entry": "delete a file of the same user",
    "other-file": "read or overwrite a file of another user",
    "own-file": "corrupt its own data file",
    "process": "signal a process of the same user",
    "other-process": "signal a process of another user",
    "memory": "read or write a process's memory",
    "forks": "exhaust the user's process limit",
    "shared-memory": "write POSIX shared memory",
    "segment": "write a System V segment",
    "queue": "take messages from a System V queue",
    "socket": "reach an abstract UNIX socket",
    "listener": "reach TCP on the host's loopback",
    "outside-listener": "reach TCP on the host's address",
    "datagram": "reach UDP on the host's loopback",
    "hostname": "rename the host",
    "kernel-log": "write to the host's kernel log",
    "left-file": "leave a file behind",
    "left-process": "leave a process behind",
}
"""What an attack on each kind attempts, as a table row's label."""

UNTOUCHED = "untouched"
OUTCOMES = (
    UNTOUCHED, "read", "written", "deleted", "emptied", "signalled", "stopped", "killed", "starved",
    "reached", "knocked on", "on the host",
)  # fmt: skip
"""What may have become of a canary."""
NOT_PLANTED = "not planted"
"""Prefix of the observation of a canary that could not be planted; the reason follows."""


def observation(kind: str) -> str:
    """The name under which the controller reports a canary: ``file`` is ``file_canary``."""
    return f"{kind.replace('-', '_')}_canary"


RESERVED = frozenset(observation(kind) for kind in LABELS)
"""Observations that only the controller makes; what a program prints under them is dropped."""


def unplanted(reason: str) -> str:
    """The observation of a canary that could not be planted."""
    return f"{NOT_PLANTED} ({reason})"
