"""Ordinary users for tests: each with a name and a number that nobody else on this host has.

The numbers that useradd(8) would choose are those of containers' students (``orchestrator/images/micro.py``),
whose programs are processes of this host: whoever ended all processes of such a user would end theirs.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from collections.abc import Iterator, Sequence
from pathlib import Path

from habitat import host_lock

from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table

PREFIX = "isolab-"
"""Of their names; whoever compares accounts before and after something leaves these out."""
FIRST, LAST = 50_000, 59_999
SECONDS = 120.0


@contextlib.contextmanager
def account(*options: str | Path) -> Iterator[pwd.struct_passwd]:
    """Have an ordinary user for a ``with`` block, made with these options of useradd(8). In the end its
    processes are ended; a home folder stays."""
    made = _add(options)
    try:
        yield made
    finally:
        for pid in processes(made):
            process_table.end(pid, patience=5.0)
        with host_lock("accounts"):
            process.run(["userdel", made.pw_name], deadline=Deadline.after(SECONDS))


def processes(account: pwd.struct_passwd) -> list[int]:
    """What runs as this user; the dead that nobody has waited for do not count."""
    return list(process_table.find(lambda pid: _is_of(account.pw_uid, pid)))


def _is_of(user: int, pid: int) -> bool:
    return Path(f"/proc/{pid}").stat().st_uid == user and bool(process_table.arguments(pid))


def _add(options: Sequence[str | Path]) -> pwd.struct_passwd:
    with host_lock("accounts"):
        taken = {one.pw_uid for one in pwd.getpwall()} | {one.gr_gid for one in grp.getgrall()}
        # Others' numbers, in an /etc of their own, are not seen here: begin elsewhere than they do.
        numbers = range(FIRST, LAST + 1)
        begin = os.getpid() % len(numbers)
        number = next(n for n in (*numbers[begin:], *numbers[:begin]) if n not in taken)
        name = f"{PREFIX}{number}"
        words = ["useradd", "--uid", str(number), "--user-group", *options, name]
        process.run(words, deadline=Deadline.after(SECONDS))
        return pwd.getpwnam(name)
