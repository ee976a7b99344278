"""SSH: a machine that already exists elsewhere: a board, a cloud server, a VMware guest.

Only one folder is created on that machine, for the runner and the programs; ``down`` removes it with
every process that runs in it. A note in the state folder records that the folder may exist; it is
written before the folder is created and removed after it.
"""

from __future__ import annotations

import base64
import getpass
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.arch import ARCHITECTURES, Arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import TAG, UNUSED_IDS, Handle, Order
from orchestrator.errors import (
    BootError,
    TeardownError,
    TimedOut,
    TransportError,
    Unavailable,
    Unreachable,
)
from orchestrator.labfile.models import Machine
from orchestrator.labfile.ssh_endpoint import parse_address, parse_host_key, parse_jump
from orchestrator.paths import scratch_dir, state_dir
from orchestrator.progress import Progress
from orchestrator.transport import known_hosts
from orchestrator.transport.base import InteractiveTransport, Site, Transport
from orchestrator.transport.ssh import Address, connected

DOWN_SECONDS = 90.0
_MARK = "isolab-probe"


def render_address(
    machine: Machine, me: str, keys: tuple[bytes, ...], jump_keys: tuple[bytes, ...]
) -> Address:
    """Return how to reach the machine; ``me`` is the user who runs isolab. Pure."""
    assert machine.address is not None
    server, user = parse_address(machine.address), machine.user or me
    client_key = Path(machine.key) if machine.key else None
    jump = None
    if machine.jump:
        jump_user, gate = parse_jump(machine.jump)
        jump = Address(
            gate.host, gate.port, jump_user or user, client_key, jump_keys[0], jump_keys[1:], foreign=True
        )
    return Address(server.host, server.port, user, client_key, keys[0], keys[1:], jump, foreign=True)


def render_site(folder: str, uid: int | None, disposable: bool, login: str = "") -> Site:
    """Return where things are on the machine, for a user id there (None: not known yet). Pure.

    Root runs programs as two user ids no account has; exercises get root itself only on disposable
    machines. Other users run programs as themselves.
    """
    if uid == 0:
        users = {**UNUSED_IDS, **({"root": 0} if disposable else {})}
    else:
        users = {} if uid is None else {"student": uid}
    homes = {name: "/root" if number == 0 else f"{folder}/home/{name}" for name, number in users.items()}
    return Site((f"{folder}/bin/run",), f"{folder}/work", users, switch=uid == 0, homes=homes, login=login)


def render_removal(folder: str) -> bytes:
    """Return a shell script that kills what runs in the folder, and removes it. Pure.

    POSIX, except for the link targets in ``ls -l``, which every Linux shows. A folder that is a link or
    belongs to another user is left alone.
    """
    pattern = folder.replace(".", "\\.")
    return f"""\
folder={folder}
[ -n "$(find "$folder" -prune -type d -user "$(id -u)" 2>/dev/null)" ] || exit 0
for round in 1 2 3 4 5 6 7 8 9 10; do
  found=$(ls -l /proc/[0-9]*/exe /proc/[0-9]*/cwd 2>/dev/null | sed -n \\
    -e 's#.* /proc/\\([0-9]*\\)/[a-z]* -> {pattern}/.*#\\1#p' \\
    -e 's#.* /proc/\\([0-9]*\\)/[a-z]* -> {pattern}$#\\1#p')
  [ -n "$found" ] || break
  kill -9 $found 2>/dev/null
  sleep 0.2 2>/dev/null || sleep 1
done
[ "$(id -u)" = 0 ] || chmod -R u+rwx "$folder" 2>/dev/null
rm -rf "$folder"
[ ! -e "$folder" ]
""".encode()


@dataclass(frozen=True)
class RemoteFacts:
    """Facts a machine reports: system and architecture as in uname(1), the user's id, tar."""

    system: str
    machine: str
    uid: int
    tar: bool


class Ssh:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if machine.address is not None:  # None: `isolab doctor` checks the driver without a machine
            _address(machine)

    def prepare(self, order: Order) -> Handle:
        folder = f"{order.machine.folder}/{TAG}-{order.run}-{order.name}"
        return Handle(
            driver="ssh",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel="none",
            scratch=str(order.scratch),
            site=render_site(folder, None, order.machine.disposable),
            data={"folder": folder, "address": _to_data(_address(order.machine))},
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        address = _from_data(handle.data["address"])
        progress.doing(order.name, f"connecting to {address}")
        try:
            order.scratch.mkdir(parents=True)  # for what people's SSH client must know
            with connected(address, order.name, deadline) as transport:
                about = _ask(transport, order.name, deadline)
                _require(about, order)
                progress.doing(order.name, "copying the runner")
                _write_note(handle)
                site = render_site(handle.data["folder"], about.uid, order.machine.disposable, address.user)
                handle = replace(handle, site=site)
                _settle_in(transport, handle, order.image.runner.read_bytes(), deadline)
        except BaseException:
            self.down(handle)
            raise
        return handle

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        return _from_data(handle.data["address"])

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        with connected(self.address(handle, deadline), handle.machine, deadline) as transport:
            yield transport

    def down(self, handle: Handle) -> None:
        if _note(handle).exists():
            _remove(handle)
            _note(handle).unlink(missing_ok=True)
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        """Yield what the notes record: leftovers are on other machines."""
        for note in sorted(_notes().glob(f"{TAG}-*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                noted = Handle.from_json(note.read_text())
                # The notes are in our state folder; another's scratch folder has nothing to do with them.
                if scratch == scratch_dir():
                    yield noted

    def forget(self, handle: Handle) -> None:
        _note(handle).unlink(missing_ok=True)


def _address(machine: Machine) -> Address:
    """Return the machine's address. Raises Unavailable for an unknown host key or a missing private key."""
    assert machine.address is not None
    if machine.key and not Path(machine.key).is_file():
        raise Unavailable(
            f"no private key {machine.key}",
            hint="correct `key:` in the lab (relative paths begin at the lab file), or omit it to "
            "use your agent and usual keys",
        )
    jump_keys = known_hosts.trusted(parse_jump(machine.jump)[1]) if machine.jump else ()
    if machine.host_key:
        keys: tuple[bytes, ...] = (parse_host_key(machine.host_key),)
    else:
        keys = known_hosts.trusted(parse_address(machine.address), machine.jump or "")
    return render_address(machine, getpass.getuser(), keys, jump_keys)


def _to_data(address: Address) -> dict[str, Any]:
    return {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "key": str(address.client_key or ""),
        "host_keys": [base64.b64encode(key).decode() for key in address.host_keys],
        "jump": _to_data(address.jump) if address.jump else None,
        "foreign": address.foreign,
    }


def _from_data(data: Mapping[str, Any]) -> Address:
    first, *more = (base64.b64decode(key) for key in data["host_keys"])
    return Address(
        host=data["host"],
        port=data["port"],
        user=data["user"],
        client_key=Path(data["key"]) if data["key"] else None,
        host_key=first,
        more_host_keys=tuple(more),
        jump=_from_data(data["jump"]) if data["jump"] else None,
        foreign=data.get("foreign", True),  # a guest of ours on another host is not
    )


def _ask(transport: Transport, name: str, deadline: Deadline) -> RemoteFacts:
    """Query the machine. Raises BootError for an account whose shell does not answer cleanly."""
    script = f"echo {_MARK}; uname -s; uname -m; id -u; test -x /bin/tar && echo tar"
    done = transport.run(["sh"], deadline=deadline, stdin=script.encode())
    lines = done.stdout.decode(errors="replace").splitlines()
    if len(lines) >= 4 and lines[0] == _MARK and lines[3].isdigit():
        return RemoteFacts(lines[1][:40], lines[2][:40], int(lines[3]), lines[4:] == ["tar"])
    if _MARK in lines:
        reason = f"its login shell prints text in non-interactive sessions: {lines[0][:80]!r}"
        hint = "make .bashrc and the like print only in interactive shells"
    else:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()[:200]
        reason, hint = (
            f"its shell does not run commands: {words!r}",
            "check that the account's login shell is /bin/sh",
        )
    raise BootError(f"{name}: cannot run programs there: {reason}", hint=hint)


def _require(about: RemoteFacts, order: Order) -> None:
    """Check that programs can run there. Raises BootError."""
    if about.system != "Linux":
        raise BootError(f"{order.name}: runs {about.system}, but exercises need Linux")
    if about.machine not in order.arch.uname:
        right = next((a.name for a in ARCHITECTURES.values() if about.machine in a.uname), "")
        hint = f"write `arch: {right}` in the lab" if right else "isolab does not support that architecture"
        raise BootError(
            f"{order.name}: its processor is {about.machine}, but programs are built for {order.arch.name}",
            hint=hint,
        )
    if not about.tar:
        raise BootError(
            f"{order.name}: no /bin/tar there, which pushing files needs", hint="install tar there"
        )


def _settle_in(transport: Transport, handle: Handle, runner: bytes, deadline: Deadline) -> None:
    """Create the folder and copy the runner into it. Raises BootError."""
    folder, program = handle.data["folder"], handle.site.runner[0]
    make = f"umask 022; mkdir -m 711 {folder} && mkdir -m 711 {folder}/bin {folder}/work {folder}/home"
    for name, home in handle.site.homes.items():
        if home.startswith(f"{folder}/"):
            make += f" && mkdir -m 700 {home}"
            make += f" && chown {handle.site.users[name]} {home}" if handle.site.switch else ""
    copy = f"cat > {program} && chmod 755 {program}"
    done = transport.run(["sh", "-c", f"{make} && {copy}"], deadline=deadline, stdin=runner)
    if done.code != 0:
        raise BootError(
            f"{handle.machine}: cannot create {folder} there: {_words(done.stderr)}",
            hint="set `folder:` in the lab to another place, such as /var/tmp",
        )
    done = transport.run([program, "--facts"], deadline=deadline)
    if done.code != 0:
        raise BootError(
            f"{handle.machine}: cannot run programs from {folder} there: {_words(done.stderr)}",
            hint="if it is mounted noexec, set `folder:` in the lab to another place, such as /var/tmp",
        )


def _remove(handle: Handle) -> None:
    """Remove the folder. Raises Unreachable, or TeardownError when the machine refuses."""
    folder, address = handle.data["folder"], _from_data(handle.data["address"])
    deadline = Deadline.after(DOWN_SECONDS)
    try:
        with connected(address, handle.machine, deadline) as transport:
            done = transport.run(["sh"], deadline=deadline, stdin=render_removal(folder))
    except (TransportError, TimedOut, Unavailable) as problem:
        raise Unreachable(
            f"{handle.machine}: {folder} may remain on {address}: {problem.message}",
            hint="run `isolab gc` to try again, or `isolab gc --forget` if that machine is gone for good",
        ) from None
    if done.code != 0:
        raise TeardownError(
            f"{handle.machine}: cannot remove {folder} on {address}: {_words(done.stderr)}",
            hint="remove it there, then run `isolab gc`",
        )


def _words(text: bytes) -> str:
    return text.decode(errors="replace").strip()[-300:] or "no message"


def _notes() -> Path:
    return state_dir() / "remote"


def _note(handle: Handle) -> Path:
    return _notes() / f"{handle.tag}.json"


def _write_note(handle: Handle) -> None:
    _notes().mkdir(mode=0o700, exist_ok=True)
    _note(handle).write_text(handle.to_json())


DRIVER = Ssh()
