"""Start the gateway, tell it where machines stand now, and stop it."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.classes.gateway import sandbox
from orchestrator.classes.gateway.accounts import render_etc
from orchestrator.classes.gateway.added_keys import AddedKeys, every_key
from orchestrator.classes.gateway.authorized_keys import render_authorized_keys
from orchestrator.classes.gateway.client_config import (
    CONFIG,
    KNOWN_HOSTS,
    render_config,
    render_known_hosts,
)
from orchestrator.classes.gateway.endpoint import endpoint
from orchestrator.classes.gateway.enter import SLOTS, render_enter
from orchestrator.classes.gateway.folder import Folder, folder_of, gateway_id
from orchestrator.classes.gateway.keys import host_key, seat_key
from orchestrator.classes.gateway.logins import record_logins, secret
from orchestrator.classes.gateway.sandbox import Sandbox
from orchestrator.classes.gateway.server_config import render_server_config
from orchestrator.classes.gateway.sockets import require_free
from orchestrator.classes.gateway.standing import LAB, login_names, standing, within_reach
from orchestrator.classes.model import LoadedClass
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.host.cache import digest, locked
from orchestrator.paths import make_folder

LOCK_SECONDS = 300.0
START_SECONDS = 30.0
INSIDE = Path(__file__).with_name("inside")
_LISTENS = b"Server listening on "


def start(found: LoadedClass) -> str:
    """Start the gateway, unless it runs as the class file wants it: then only ``refresh``. Returns a sentence
    about what is less than usual on this host, "" if nothing is.

    Raises SpecError for an address or keys that cannot be, HostLacks without sshd, Unavailable where
    it cannot start.
    """
    deadline = Deadline.after(START_SECONDS)
    chosen = sandbox.choose()
    with _held(found) as folder:
        text = _config(found, folder, chosen, deadline)
        as_wanted = folder.config.is_file() and folder.config.read_text() == text
        if sandbox.running(folder.config) and not as_wanted:
            sandbox.end(folder.config)  # before the file says otherwise: we may be killed in between
        _write(found, folder, chosen)
        folder.write(folder.config, text)
        _refresh(found, folder, chosen)
        runs = bool(sandbox.running(folder.config))
        if not runs:
            require_free(endpoint(found))
        # Before there is one: who finds a gateway nobody wants any more ends it.
        folder.write(folder.wanted, f"{found.file.resolve()}\n")
        if not runs:
            _launch(found, folder, chosen, deadline)
        return _degraded(chosen)


def alive(found: LoadedClass) -> bool:
    """Return whether the class's gateway runs."""
    return bool(sandbox.running(folder_of(found).config))


def wanted(found: LoadedClass) -> bool:
    """Return whether the gateway was started and not stopped since: it should run."""
    return folder_of(found).wanted.exists()


def login_name() -> str:
    """Return the name students log in with for the class's first machine, on this host. Raises HostLacks,
    Unavailable."""
    return LAB if sandbox.choose().apart else _own_name()


def refresh(found: LoadedClass) -> None:
    """Tell the gateway where machines stand now, and which keys open them; cheap, and right at any time.

    sshd reads it at each login: nobody who is in is touched.
    """
    with _held(found) as folder:
        _refresh(found, folder, sandbox.choose())


def stop(found: LoadedClass) -> None:
    """End the gateway and everybody's sessions in it. Raises Unavailable if it does not end."""
    with _held(found) as folder:
        folder.wanted.unlink(missing_ok=True)
        if not sandbox.end(folder.config):
            pids = ", ".join(map(str, sandbox.running(folder.config)))
            raise Unavailable("the gateway does not end", hint=f"its processes: {pids}")
    record_logins(found)  # all of them left


@contextlib.contextmanager
def _held(found: LoadedClass) -> Iterator[Folder]:
    folder = folder_of(found)
    with locked("gateway", digest(str(folder.root)), Deadline.after(LOCK_SECONDS)):
        yield folder


def _config(found: LoadedClass, folder: Folder, chosen: Sandbox, deadline: Deadline) -> str:
    version = sandbox.version_of(chosen.sshd, deadline)
    return render_server_config(
        endpoint(found), _names(found, chosen), folder, str(chosen.inside(folder)), version
    )


def _names(found: LoadedClass, chosen: Sandbox) -> list[str]:
    return login_names(found) if chosen.apart else [_own_name()]


def _write(found: LoadedClass, folder: Folder, chosen: Sandbox) -> None:
    """Write all that does not change while the gateway runs, besides sshd's configuration."""
    host_key(found)
    uid = gateway_id()
    for name, text in render_etc(_names(found, chosen), uid, uid).items():
        folder.write(folder.etc / name, text)
        (folder.etc / name).chmod(0o644)
    with contextlib.suppress(OSError):  # where the libraries are, on hosts that have it
        shutil.copyfile("/etc/ld.so.cache", folder.etc / "ld.so.cache")
    for script in sorted(INSIDE.glob("[!_]*.py")):
        folder.write(folder.files / script.name, script.read_text())
    folder.write(folder.files / "enter", _enter(found, chosen, chosen.inside(folder)))


def _refresh(found: LoadedClass, folder: Folder, chosen: Sandbox) -> None:
    keys = every_key(found, AddedKeys(found))
    reach = within_reach(found, standing(found, folder))
    inside = chosen.inside(folder)
    dial = [_python(), "-I", "-S", str(inside / "dial.py")]
    for seat, names in reach.items():
        seat_key(folder, seat)
        _make_slots(folder, seat)
        # Known before it is named: a machine that replaces another has another alias.
        folder.write(folder.seat(seat) / KNOWN_HOSTS, render_known_hosts(names))
        folder.write(folder.seat(seat) / CONFIG, render_config(names, inside / "seats" / seat, dial))
    for gone in (folder.files / "seats").iterdir():
        if gone.name not in reach:
            (gone / CONFIG).unlink(missing_ok=True)  # its key is what opens its machines, once it is back
    ports = {seat: sorted({place.port for place in names.values()}) for seat, names in reach.items()}
    if found.spec.exam:
        ports = {}
    text = render_authorized_keys(keys, ports, inside / "enter", secret(folder))
    folder.write(folder.authorized_keys, text)


def _enter(found: LoadedClass, chosen: Sandbox, inside: Path) -> str:
    login = "" if chosen.apart else LAB
    return render_enter(inside, _python(), login_names(found), login_name=login, through=not found.spec.exam)


def _make_slots(folder: Folder, seat: str) -> None:
    slots = folder.files / "slots" / seat
    make_folder(slots, 0o755, exist_ok=True)
    for number in range(SLOTS):
        if not (slots / str(number)).exists():
            folder.write(slots / str(number), "")


def _launch(found: LoadedClass, folder: Folder, chosen: Sandbox, deadline: Deadline) -> None:
    most = 1024 + 40 * len(found.seats)
    begun = folder.log.stat().st_size if folder.log.exists() else 0
    process.detach(chosen.argv(folder, most), folder.log, deadline)

    def answered() -> str | None:
        with folder.log.open("rb") as log:
            log.seek(begun)
            told = log.read(65536)
        if _LISTENS in told:
            return "listens"
        return None if sandbox.running(folder.config) or not told else told.decode(errors="replace")

    try:
        told = poll(answered, deadline, "waiting for the gateway's sshd to listen", interval=0.02)
    except BaseException:
        sandbox.end(folder.config)
        raise
    if told != "listens":
        words = told.strip().splitlines()[-1]
        raise Unavailable(f"the gateway's sshd did not start: {words}", hint=f"its log is {folder.log}")


def _degraded(chosen: Sandbox) -> str:
    if chosen.apart:
        return ""
    return (
        f"this host does not allow user namespaces: students log in as {_own_name()}, not as {LAB}, and "
        "reach other machines than the first one by `isolab connect MACHINE`"
    )


@functools.cache
def _python() -> str:
    """Return an interpreter that the gateway's user may run: ours may be in a home of root's. Raises
    Unavailable."""
    system = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")
    for python in filter(None, (system, sys.executable)):
        if os.getuid() != 0 or _is_everybodys(Path(python).resolve()):
            return python
    raise Unavailable(
        f"the gateway's user may not run {sys.executable}, and there is no other Python 3",
        hint="install python3 for everybody: the package python3",
    )


def _is_everybodys(program: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def _own_name() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
