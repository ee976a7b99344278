"""Bring files of a home folder here, by their names: nothing else a machine sends is kept."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from orchestrator.classes.work.chosen import LINE_BREAK, Chosen, Limits, chosen
from orchestrator.classes.work.listing import Item, list_home
from orchestrator.classes.work.seat_machines import home_of
from orchestrator.deadline import Deadline
from orchestrator.errors import TimedOut
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.sessions.transfer import receive_from
from orchestrator.submissions.entries import shown_name

WENT_AWAY = "it went away, or did not come in time"
LEAST_SECONDS, LEAST_RATE = 300.0, 2**20
"""A machine has so many seconds to send its files, and one more for each so many bytes."""
LARGE_HOLES = 2**26
"""Bytes of holes from which a file is copied by itself."""
HOLES_SECONDS = 600.0
"""A machine has so many seconds to send all such files."""
AT_ONCE = 20_000
"""Files asked for by one command."""
_OURS = stat.S_IRUSR | stat.S_IWUSR
_SLACK = 2**26
"""Bytes by which files may grow, all together, while they are copied."""

_PACK = """\
cd "$1" || exit 44
plain=
tar --version 2>/dev/null | grep -q GNU && plain=--no-unquote
names=$(cat)
printf '%s\\n' "$names" | tr '\\n\\001' '\\000\\n' | xargs -0 tar $plain -c -f -
exit 0
"""
"""All names are read before the first file is sent: both ends would wait for each other. xargs may run tar
several times. GNU's would take a backslash in a name for an escape. A line break in a name is sent as
``LINE_BREAK``. What has gone or changed meanwhile makes tar complain; who asked sees what came."""


def take_files(
    machine: SessionMachine,
    connections: Connections,
    home: str,
    files: Sequence[Item],
    target: Path,
    deadline: Deadline,
) -> set[str]:
    """Copy these files of a home folder into the folder ``target``; returns the paths of those that came.

    Large holes come as zeros, after the rest: what does not come in time keeps nothing else from coming.
    Raises TransportError, TimedOut, Interrupted, LabError where this host cannot write them.
    """
    hollow = [one for one in files if one.size - one.stored >= LARGE_HOLES]
    rest = [one for one in files if one.size - one.stored < LARGE_HOLES]
    enough = deadline.within(LEAST_SECONDS + sum(one.size for one in rest) / LEAST_RATE)
    came = _taken(machine, connections, home, rest, target, enough)
    limit_of_time = deadline.within(HOLES_SECONDS)
    for one in hollow:
        try:
            came |= _taken(machine, connections, home, [one], target, limit_of_time)
        except TimedOut:
            (target / one.path).unlink(missing_ok=True)
    return came


def _taken(
    machine: SessionMachine,
    connections: Connections,
    home: str,
    files: Sequence[Item],
    target: Path,
    limit_of_time: Deadline,
) -> set[str]:
    came: set[str] = set()

    def on_progress(_size: int) -> None:  # a machine that sends a byte a minute never stalls
        limit_of_time.check(f"copying files from {machine.name}")

    for start in range(0, len(files), AT_ONCE):
        some = files[start : start + AT_ONCE]
        wanted = {one.path for one in some}
        names = os.fsencode("".join(f"./{_as_line(one.path)}\n" for one in some))
        limit, most = (sum(sizes) + _SLACK for sizes in zip(*((i.size, i.stored) for i in some), strict=True))
        with connections.to(machine, limit_of_time) as transport:
            command = transport.open(["/bin/sh", "-c", _PACK, "sh", home], limit_of_time)
            got = receive_from(command, target, limit, on_progress, home, names=names, most_data=most)
        for path in got.files:
            if path in wanted:
                came.add(path)
                _let_us_read(target / path)
            else:  # nobody asked for it
                (target / path).unlink(missing_ok=True)
    return came


def take_folders(
    machine: SessionMachine, folders: Sequence[str], target: Path, limits: Limits, deadline: Deadline
) -> Chosen:
    """Copy these folders of a home folder (plain paths) into ``target``, under the same paths; returns what
    was taken and what not. A folder that is not there is not made. Raises as ``list_home``
    and ``take_files``."""
    home = home_of(machine)
    with Connections() as connections:
        found = list_home(machine, connections, home, folders, deadline, only=True)
        picked = chosen(found.items, limits, ())
        for path in picked.folders:
            (target / path).mkdir(parents=True, exist_ok=True)
        came = take_files(machine, connections, home, picked.files, target, deadline)
    lost = [one for one in picked.files if one.path not in came]
    words = [f"{shown_name(one.path)}: {WENT_AWAY}" for one in lost]
    left = tuple(one for one in picked.files if one.path in came)
    return Chosen(left, picked.folders, (*picked.skipped, *words), (*picked.missed, *words))


def _as_line(path: str) -> str:
    return path.replace("\n", LINE_BREAK)


def _let_us_read(path: Path) -> None:
    """A student may have closed a file to everybody, and we need not be root."""
    mode = path.stat().st_mode
    if mode & _OURS != _OURS:
        path.chmod(stat.S_IMODE(mode) | _OURS)


def discard(folder: Path) -> None:
    """Remove a folder of copies, read-only ones included, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
