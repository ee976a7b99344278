"""A seat's machines from the web server: log in on a terminal, list, send and fetch files.

Guests are hostile: what a machine says is bounded and made printable, what it sends passes the rules of
``sessions/transfer``, and no name from a browser or a machine becomes a path on this host.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.web.plainly import NotNow, plainly
from orchestrator.classes.web.ports import FileView
from orchestrator.deadline import Deadline
from orchestrator.errors import SpecError, TransportError
from orchestrator.formatting import printable
from orchestrator.host import process
from orchestrator.labfile.models import User
from orchestrator.sessions.exec_command import entry
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.sessions.outgoing import Outgoing
from orchestrator.sessions.transfer import TooMuch, receive, render_pack, send
from orchestrator.units import size_text

MOST_BYTES = 64 * 2**20
"""Of a file or folder that goes in or out by the browser; `isolab pull` and scp know no such limit."""
LIST_SECONDS = 20.0
MOST_FILES = 500
"""Of one folder that are listed."""
_LISTED = 2**18
"""Bytes of a machine's listing that are read."""
# Sizes are asked of the file system: to count the bytes of a sparse file takes hours.
_LIST = f"""\
cd -- "$1" || exit 44
count=0
for name in * .[!.]*; do
  [ -e "$name" ] || continue
  count=$((count + 1)); [ $count -le {MOST_FILES} ] || break
  if [ -d "$name" ]; then printf 'd 0 %s\\0' "$name"
  elif [ -f "$name" ]; then printf 'f %s %s\\0' "$(stat -L -c %s -- "$name" 2>/dev/null || echo 0)" "$name"
  fi
done
"""


def machine_of(found: LoadedClass, seat: Seat, name: str) -> SessionMachine:
    """Return one of a seat's machines. Raises SpecError for another, NotNow while it is not up."""
    if name not in found.machines.lab.machines:
        raise SpecError(f"you have no machine {printable(name)[:40]!r}")
    for machine in machines_of(found, [seat]):
        if machine.machine == name and not machine.coming:
            return machine
    raise NotNow(f"{name} is not up", hint="wait a minute; if it stays so, tell your lecturer")


def log_in(machine: SessionMachine, columns: int, rows: int) -> process.OnTerminal:
    """Log in to a machine as the student, on a terminal of this size. Raises SpecError, NotNow."""
    with plainly(machine.machine):
        argv = entry(machine, User.STUDENT.value, (), tty=True).argv
    # Without this `~C` and the like would be commands to our client, on this host.
    argv = (argv[0], "-e", "none", *argv[1:])
    environment = {**os.environ, "TERM": "xterm-256color"}
    return process.OnTerminal(argv, columns, rows, environment)


def plain_path(text: str) -> PurePosixPath:
    """Return a path below a home folder, as a browser names it. Raises SpecError for any other."""
    path = PurePosixPath(text)
    odd = "\0" in text or len(text) > 1024 or path.is_absolute() or ".." in path.parts
    if odd or any(len(part.encode(errors="surrogatepass")) > 255 for part in path.parts):
        raise SpecError(f"{printable(text)[:80]!r} is no path below the home folder")
    return path


def plain_name(text: str) -> str:
    """Return the name of a file, as a browser gives it. Raises SpecError for what is no plain name."""
    path = plain_path(text)
    if len(path.parts) != 1 or text != path.name or not text.isprintable():
        raise SpecError(f"{printable(text)[:80]!r} is no name for a file", hint="rename it, and try again")
    return text


def list_files(machine: SessionMachine, folder: str) -> list[FileView]:
    """List a folder below the student's home folder, folders first. Raises SpecError, NotNow."""
    where = str(plain_path(folder))
    with plainly(machine.machine):
        way = entry(machine, User.STUDENT.value, ["/bin/sh", "-c", _LIST, "sh", f"./{where}"])
        done = process.run(way.argv, deadline=Deadline.after(LIST_SECONDS), check=False, limit=_LISTED)
        if done.code == 44:
            raise SpecError(f"{printable(where)}: no such folder on {machine.machine}")
        if done.code not in (0, None):
            raise TransportError(f"cannot list {printable(where)}: status {done.code}")
    found = [view for item in done.stdout.split(b"\0")[:-1] if (view := _view(item)) is not None]
    return sorted(found, key=lambda one: (not one.folder, one.name))


def _view(item: bytes) -> FileView | None:
    """Return what a line of the machine's listing says; None for a name that no browser could give back."""
    kind, _, rest = item.partition(b" ")
    size, _, raw = rest.strip().partition(b" ")
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return None
    if kind not in (b"d", b"f") or not name.isprintable() or "/" in name or name in ("", ".", ".."):
        return None
    return FileView(name, kind == b"d", int(size) if size.isdigit() and len(size) < 16 else 0)


def send_file(machine: SessionMachine, folder: str, name: str, content: Path) -> None:
    """Write a file into a folder below the student's home folder. Raises SpecError, NotNow."""
    where = str(plain_path(folder))
    what = Outgoing(members=[(content, plain_name(name))], size=content.stat().st_size)
    uid = machine.handle.site.users[User.STUDENT.value]

    def way(argv: Sequence[str]) -> tuple[str, ...]:
        return entry(machine, User.STUDENT.value, argv).argv

    with plainly(machine.machine):
        send(way, f"./{where}", what, uid, lambda _: None)


def fetch_file(machine: SessionMachine, path: str, into: Path) -> Path:
    """Fetch a file from below the student's home folder into a folder of this host, or a folder as a ZIP
    archive; returns where it is. Raises SpecError when it is not there, or too big, NotNow."""
    where = plain_path(path)
    if not where.parts:
        where = PurePosixPath(".")
    target = into / "fetched"
    with plainly(machine.machine):
        way = entry(machine, User.STUDENT.value, render_pack(f"./{where}"))
        try:
            got = receive(way.argv, target, MOST_BYTES, lambda _: None, str(where))
        except TooMuch:
            raise too_big() from None
    files = [target.joinpath(*PurePosixPath(name).parts) for name in got.files]
    if len(files) == 1 and PurePosixPath(got.files[0]) == PurePosixPath(where.name):
        return files[0]
    if not files:
        raise SpecError(f"{printable(str(where))} has no files that can be sent")
    archive = into / "archive.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
        for file, name in zip(files, got.files, strict=True):
            packed.write(file, name)
    return archive


def too_big() -> SpecError:
    """Return the error for a file that is larger than what goes by the browser."""
    return SpecError(f"more than {size_text(MOST_BYTES)} do not go by the browser: use scp")
