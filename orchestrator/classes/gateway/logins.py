"""Who came and left over SSH, from sshd's log and from who is connected.

Anybody can have sshd log text of theirs, with line ends in it. So only lines are believed that contain a
secret: it is in the forced command of every key, which sshd logs with each session and shows to nobody. And
that somebody left is seen by the connection, not by words.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.gateway.endpoint import endpoint
from orchestrator.classes.gateway.folder import Folder, folder_of
from orchestrator.classes.gateway.sockets import connected
from orchestrator.classes.model import LoadedClass
from orchestrator.deadline import Deadline
from orchestrator.host.cache import digest, locked, write_atomically

MOST_BYTES = 2**20
"""Of the log: when there is more, and all of it was read, it begins anew."""
LOCK_SECONDS = 60.0
_BLOCK = 2**20


@dataclass(frozen=True)
class Login:
    """A session that began: whose, under which login name, and the connection it came over."""

    seat: str
    name: str
    address: str
    port: int

    @property
    def connection(self) -> tuple[str, int]:
        return self.address, self.port


@dataclass
class Seen:
    """How far the log was read, in bytes, and who is in: their seats by connection."""

    offset: int = 0
    present: dict[tuple[str, int], str] = field(default_factory=dict)


def secret(folder: Folder) -> str:
    """Return the word by which lines of the log are known to be about the forced command, made once."""
    path = folder.root / "log-secret"
    if not path.is_file():
        write_atomically(path, secrets.token_hex(16).encode())
    return path.read_text()


def parse_logins(text: str, secret: str) -> Iterator[Login]:
    """Yield the sessions that begin in lines of sshd's log. Pure."""
    pattern = re.compile(
        r"Starting session: forced-command \(key-option\) '.* (?P<seat>[a-z0-9-]+) "
        + re.escape(secret)
        + r"' (?:on \S+ )?for (?P<name>\S+) from (?P<address>[0-9a-fA-F.:]+) port (?P<port>\d{1,5}) id \d+"
    )
    for line in text.splitlines():
        if match := pattern.match(line):
            yield Login(match["seat"], match["name"], match["address"], int(match["port"]))


def record_logins(found: LoadedClass) -> None:
    """Add to the class's log who came and left since the last time: cheap, and right at any time.

    A seat comes with its first connection, and has left when it has none any more.
    """
    folder, port, activity = folder_of(found), endpoint(found).port, Activity(found)
    with locked("gateway-log", digest(str(folder.root)), Deadline.after(LOCK_SECONDS)):
        _record(folder, port, activity)


def present(found: LoadedClass) -> Mapping[str, int]:
    """Return how many connections each seat has now, of those that ``record_logins`` knows."""
    still, count = connected(endpoint(found).port), dict[str, int]()
    for connection, seat in _load(folder_of(found)).present.items():
        if connection in still:
            count[seat] = count.get(seat, 0) + 1
    return count


def _record(folder: Folder, port: int, activity: Activity) -> None:
    seen = _load(folder)
    text = _news(folder, seen)
    for login in parse_logins(text, secret(folder)):
        if login.seat not in seen.present.values():
            activity.add(Event(login.seat, Kind.CAME, detail=f"ssh, {login.name}, from {login.address}"))
        seen.present[login.connection] = login.seat
    still = connected(port)
    for connection in [one for one in seen.present if one not in still]:
        seat = seen.present.pop(connection)
        if seat not in seen.present.values():
            activity.add(Event(seat, Kind.LEFT, detail=f"ssh, from {connection[0]}"))
    _save(folder, seen)


def _news(folder: Folder, seen: Seen) -> str:
    """Return whole lines that were not read before, and keep the log short."""
    if not folder.log.exists():
        return ""
    with folder.log.open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        seen.offset = seen.offset if seen.offset <= size else 0
        log.seek(seen.offset)
        data = b""
        while block := log.read(_BLOCK):
            data += block
    whole = data[: data.rfind(b"\n") + 1]
    seen.offset += len(whole)
    # sshd appends, so it goes on at the beginning. What it writes at this very moment would be lost.
    if seen.offset > MOST_BYTES and folder.log.stat().st_size == seen.offset:
        os.truncate(folder.log, 0)
        seen.offset = 0
    return whole.decode(errors="replace")


def _load(folder: Folder) -> Seen:
    try:
        raw = json.loads((folder.root / "logins.json").read_text())
        present = {(address, port): seat for address, port, seat in raw["present"]}
        return Seen(int(raw["offset"]), present)
    except (OSError, ValueError, TypeError, KeyError):
        return Seen()


def _save(folder: Folder, seen: Seen) -> None:
    rows = [[address, port, seat] for (address, port), seat in seen.present.items()]
    text = json.dumps({"offset": seen.offset, "present": rows})
    write_atomically(folder.root / "logins.json", text.encode())
