"""What is in a home folder: one walk by the machine's own find and stat, read here as untrusted bytes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lookup import SessionMachine

LEFT_OUT = (".ssh", ".cache", "lost+found")
"""At the top of a home folder, and never taken: keys, what programs can make again, and the file system's."""
MOST_BYTES = 12 * 2**20
"""Of a list: some hundred thousand names. The rest is not seen; a transport accepts 16 MiB."""
LIST_SECONDS = 180.0
NO_HOME = 44
BLOCK = 512
"""Bytes: the unit of ``%b`` of stat(1)."""

_START = b"//"
"""Before each entry: no path that find prints has it."""
_ENTRY = re.compile(
    rb"([0-9a-f]{1,8}) (\d{1,19}) (\d{1,19}|\D\S*) (-?\d{1,19}) (-?\d{1,19}) (\d{1,20}) (.+)\n", re.DOTALL
)


@dataclass(frozen=True)
class Item:
    """A file, folder or other entry of a home folder, as the machine says. ``path`` is relative to the home
    folder, and not checked; bytes that are no UTF-8 are halves of surrogate pairs. ``size`` is in bytes;
    ``modified`` and ``changed`` are mtime and ctime in seconds; ``blocks`` are those of 512 bytes that it
    takes on the machine's disk, None if the machine cannot say."""

    path: str
    mode: int
    size: int
    modified: int
    changed: int
    inode: int
    blocks: int | None = None

    @property
    def stored(self) -> int:
        """How many of its bytes are data: the rest are holes."""
        return self.size if self.blocks is None else min(self.size, self.blocks * BLOCK)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True)
class Listing:
    """The entries of a home folder. ``complete`` is False where there are more than can be listed. ``clock``
    is the machine's, when the walk began, in seconds."""

    items: tuple[Item, ...]
    clock: int
    complete: bool = True


def list_home(
    machine: SessionMachine,
    connections: Connections,
    home: str,
    first: Sequence[str],
    deadline: Deadline,
    *,
    only: bool = False,
) -> Listing:
    """List a home folder. The folders ``first`` (plain names or paths) come first, so that they are seen
    whatever else there is; with ``only`` nothing else is listed.

    Raises TransportError, TimedOut, Unavailable, Interrupted.
    """
    argv = ["/bin/sh", "-c", render_script(first, only=only), "sh", home]
    limit = deadline.within(LIST_SECONDS)
    with connections.to(machine, limit) as transport:
        done = transport.run(argv, deadline=limit)
    if done.code == NO_HOME:
        raise TransportError(f"{machine.name} has no folder {home}", hint=f"`isolab reset {machine.name}`")
    if done.code != 0:
        raise TransportError(f"{machine.name} cannot list {home}: status {done.code}")
    return parse_listing(done.stdout)


def render_script(first: Sequence[str], *, only: bool = False) -> str:
    """Return the script for sh that prints the clock, then the entries. Pure."""
    show = f"-exec stat -c '{_START.decode()}%f %s %b %Y %Z %i %n' {{}} +"
    walks = [f'[ -d "./{name}" ] && find "./{name}" -xdev {show}' for name in first]
    if not only:
        apart = " -o ".join(f'-path "./{name}"' for name in (*first, *LEFT_OUT))
        walks.append(f"find . -xdev \\( {apart} \\) -prune -o {show}")
    body = "; ".join(walks) or ":"
    # A file may go while it is looked at: then there are complaints, and a status that says nothing.
    return f'cd "$1" || exit {NO_HOME}\ndate +%s\n{{ {body}; }} 2>/dev/null | head -c {MOST_BYTES}\nexit 0\n'


def parse_listing(raw: bytes) -> Listing:
    """Parse what the script printed; what it cannot have printed is left out. Raises TransportError without
    the clock. Pure."""
    head, _, body = raw.partition(b"\n")
    if not re.fullmatch(rb"\d{1,12}", head):
        raise TransportError(f"a machine sent an invalid list of files: {head[:100]!r}")
    pieces = body.split(_START)[1:]
    complete = len(body) < MOST_BYTES
    items: dict[str, Item] = {}
    for piece in pieces if complete else pieces[:-1]:
        if found := _ENTRY.fullmatch(piece):
            mode, size, modified, changed, inode = int(found[1], 16), *map(int, found.group(2, 4, 5, 6))
            blocks = int(found[3]) if found[3].isdigit() else None
            path = os.fsdecode(found[7]).removeprefix("./")
            items.setdefault(path, Item(path, mode, size, modified, changed, inode, blocks))
    items.pop(".", None)
    return Listing(tuple(items.values()), int(head), complete)
