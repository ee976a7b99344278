"""The open descriptors of an emulator that stands still: which of them a thawed one is given anew, and
which it makes itself. One that is neither is a reason not to freeze.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.drivers.qemu.thaw.image_file import Counter
from orchestrator.errors import BootError

STANDARD = 2
"""Up to this number each process has its own: nothing to read, its log to write to."""
TCP = "tcp"
CONSOLE = "console.log"
MEMORY = "memory"
_EVENT, _SIGNAL = "anon_inode:[eventfd]", "anon_inode:[signalfd]"
_LISTENS = 0x10000
"""/proc/net/unix, flags: SO_ACCEPTCON."""
_TCP_LISTEN = "0A"
_CONNECTED = "connected"


@dataclass(frozen=True)
class Given:
    """A descriptor that the controller gives a thawed emulator: its number, and open(2)'s flags."""

    number: int
    flags: int


@dataclass(frozen=True)
class Descriptors:
    """``given`` by what they are: a socket's or file's name, or TCP; what the loader makes; and what is left,
    in words, ``settling`` if it goes away by itself."""

    given: Mapping[str, Given]
    counters: tuple[Counter, ...] = ()
    signals: int = 0
    signal_fd: int = -1
    left: tuple[str, ...] = ()
    settling: bool = False


@dataclass
class _Found:
    given: dict[str, Given] = field(default_factory=dict)
    counters: list[Counter] = field(default_factory=list)
    signals: int = 0
    signal_fd: int = -1
    left: list[str] = field(default_factory=list)
    settling: bool = False


def read(pid: int, sockets: tuple[str, ...], memory: Path) -> Descriptors:
    """Return the descriptors of a process that listens on UNIX sockets of these names and has a template's
    memory file. Raises OSError when it is gone."""
    found = _Found()
    unix, tcp = _unix_sockets(Path("/proc/net/unix").read_text()), _tcp_listeners(pid)
    places = _Places(sockets, memory, unix, tcp)
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        number = int(entry.name)
        if number <= STANDARD:
            continue
        try:
            target = str(entry.readlink())
            about = Path(f"/proc/{pid}/fdinfo/{number}").read_text()
        except FileNotFoundError:  # closed just now
            continue
        _sort(number, target, about, found, places)
    return Descriptors(
        found.given, tuple(found.counters), found.signals, found.signal_fd, tuple(found.left), found.settling
    )


@dataclass(frozen=True)
class _Places:
    sockets: tuple[str, ...]
    memory: Path
    unix: Mapping[str, str]
    tcp: frozenset[str]


def _sort(number: int, target: str, about: str, found: _Found, places: _Places) -> None:
    """Add one descriptor to what was found."""
    flags = int(_field(about, "flags"), 8)
    if target == _EVENT:
        kept = flags & (os.O_NONBLOCK | os.O_CLOEXEC)
        found.counters.append(Counter(number, kept, int(_field(about, "eventfd-count"), 16)))
    elif target == _SIGNAL and found.signal_fd < 0:
        found.signal_fd, found.signals = number, int(_field(about, "sigmask"), 16)
    else:
        name = _name(target, places)
        if name == _CONNECTED:
            found.settling = True
        elif name and name not in found.given:
            found.given[name] = Given(number, flags)
        else:
            found.left.append(f"{number}: {target}")


def _name(target: str, places: _Places) -> str:
    """Return what a descriptor is that is given anew; "" if it is none of them."""
    if match := re.fullmatch(r"socket:\[(\d+)\]", target):
        if match[1] in places.tcp:
            return TCP
        listens, _, path = places.unix.get(match[1], "").partition(" ")
        name = Path(path).name
        if name not in places.sockets:
            return ""
        return name if listens == "listens" else _CONNECTED
    if target == str(places.memory):
        return MEMORY
    return CONSOLE if Path(target).name == CONSOLE else ""


def _unix_sockets(text: str) -> dict[str, str]:
    """Return "listens PATH" or "connected PATH" of each UNIX socket with a path, by its inode. Pure."""
    found = {}
    for line in text.splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) == 8:
            state = "listens" if int(words[3], 16) & _LISTENS else _CONNECTED
            found[words[6]] = f"{state} {words[7]}"
    return found


def _tcp_listeners(pid: int) -> frozenset[str]:
    rows = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    return frozenset(words[9] for words in rows if words[3] == _TCP_LISTEN)


def _field(about: str, name: str) -> str:
    """Return a field of /proc/PID/fdinfo. Raises BootError if there is none."""
    match = re.search(rf"^{name}:\s*(\S+)", about, re.MULTILINE)
    if match is None:
        raise BootError(f"this kernel does not tell {name} of a descriptor")
    return match[1]
