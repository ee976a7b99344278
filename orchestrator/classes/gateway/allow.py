"""Give the keys of a seat to a machine that is up."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import drivers
from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.gateway.standing import class_machines
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.formatting import printable
from orchestrator.sessions.lookup import SessionMachine

SECONDS = 60.0
# The student owns the folder and may have put links anywhere in it: what root writes goes into a folder that
# was at this very path, into a file made anew, and takes its place by rename(2), which follows none.
_SCRIPT = """\
set -eu
umask 022
cd /home/student
[ ! -L .ssh ] || rm -f .ssh
mkdir -p .ssh
cd -P .ssh
[ "$(pwd -P)" = /home/student/.ssh ] || { echo "its folder .ssh is a link" >&2; exit 1; }
rm -rf .isolab-keys
set -C
cat /root/.ssh/authorized_keys - >.isolab-keys
[ ! -d authorized_keys ] || rm -rf authorized_keys
mv -f .isolab-keys authorized_keys
"""


def allow_seat(found: LoadedClass, seat: str) -> None:
    """Give a seat's machines that are up, and those for everybody, the keys that open them now: after a key
    was added or revoked. Raises SpecError, Unavailable and what ``allow`` raises."""
    sessions = {found.session(seat), found.session(SHARED)}
    for machine in class_machines(found):
        if machine.session in sessions:
            allow(machine, student_keys(found, found.seat_of(machine.session)))


def allow(machine: SessionMachine, keys: Sequence[str]) -> None:
    """Let these keys (``keys.student_keys``), and isolab's own, log in as ``student`` on a machine that is
    up; all others there may no more. Raises TransportError, TimedOut and what connecting raises."""
    deadline = Deadline.after(SECONDS)
    with drivers.load(machine.handle.driver).connect(machine.handle, deadline) as transport:
        text = "".join(f"{key}\n" for key in keys)
        done = transport.run(["/bin/sh", "-c", _SCRIPT], deadline=deadline, stdin=text.encode())
    if done.code != 0:
        words = printable(done.stderr.decode(errors="replace").strip()) or f"status {done.code}"
        raise TransportError(
            f"{machine.name}: the keys of its seat cannot be written: {words}",
            hint="`isolab class reset` replaces the machine by a fresh one",
        )
