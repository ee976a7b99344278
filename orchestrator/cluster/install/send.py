"""Install isolab on a host: send what is missing, have it checked, and try it once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from orchestrator import __version__
from orchestrator.cluster.install.pack import Packed, is_packed, pack
from orchestrator.cluster.install.parts import Part, parts
from orchestrator.cluster.install.probe import HostPython, look, program, require_fitting
from orchestrator.cluster.install.version import Installed, Version, wanted
from orchestrator.cluster.reach.connection import HostConnection
from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError, Unavailable
from orchestrator.formatting import bounded, printable, size_words
from orchestrator.host.process import Conversation

Say = Callable[[str], None]

STALL_SECONDS = 120.0
"""A host that takes or says nothing for so long is given up; what is sent goes in small pieces."""
TRY_SECONDS = 300.0
"""Python compiles every module when it first loads it."""
PIECE = 256 * 2**10
LARGE = 2**26
"""A package of so many bytes takes seconds to pack."""
_MOST_SAID = 2**16
_ALIVE = b"isolab-receiving\n"
"""What the program that receives says while it works."""
_TRIAL = """
import pathlib, sys
import cryptography.x509, distributed, paramiko, pydantic, ziglang
import orchestrator.cli.main, orchestrator.cluster.model, orchestrator.run.job
pathlib.Path(sys.prefix, "tried").touch()
print("isolab-tried", orchestrator.__version__)
"""
"""Loads what is compiled for a platform, and most of isolab. Only then is the version one that counts."""


def install(connection: HostConnection, deadline: Deadline, say: Say) -> Installed:
    """Return the isolab of a host that is this one, installed there unless it was; ``say`` is told what takes
    its time.

    Raises Unavailable (no fitting Python, no space, it does not run there), TransportError, TimedOut,
    Interrupted.
    """
    found = look(connection, deadline)
    own = parts()
    version = _wanted(connection, own, found)
    there = _installed(found, version)
    if version.digest in found.versions:
        return there
    missing = [part for part in own if part.key not in found.parts]
    packed = _pack(missing, deadline, say)
    if packed:
        size = size_words(sum(one.size for one in packed))
        say(f"{connection.host.name}: sending isolab {__version__}: {_parts_words(packed)}, {size}")
    _send(connection, found, packed, version, deadline)
    _try(connection, there, deadline)
    return there


def require(connection: HostConnection, deadline: Deadline) -> Installed:
    """Return the isolab of a host, which must be this one. Raises Unavailable if it is another or none;
    TransportError, TimedOut, Interrupted."""
    found = look(connection, deadline)
    version = _wanted(connection, parts(), found)
    if version.digest not in found.versions:
        what = "another isolab than this one" if found.versions else "no isolab of this cluster"
        raise Unavailable(
            f"{connection.host.name}: it has {what} ({__version__}, {version.digest})",
            hint="run `isolab cluster up` with the same hosts file: it brings all hosts to this version",
        )
    return _installed(found, version)


def _wanted(connection: HostConnection, own: Sequence[Part], found: HostPython) -> Version:
    require_fitting(connection.host.name, found)
    return wanted(own, found, own_cache=connection.host.folder is not None)


def _installed(found: HostPython, version: Version) -> Installed:
    return Installed(version.digest, f"{found.folder}/versions/{version.digest}")


def _pack(missing: Sequence[Part], deadline: Deadline, say: Say) -> list[Packed]:
    packed = []
    for part in missing:
        if not is_packed(part) and sum(path.stat().st_size for path in part.files.values()) > LARGE:
            say(f"packing {part.name} {part.version} for other hosts, once")
        packed.append(pack(part, deadline))
    return packed


def _parts_words(packed: Sequence[Packed]) -> str:
    return f"{len(packed)} of its packages" if len(packed) > 1 else packed[0].key.rpartition("-")[0]


def _send(
    connection: HostConnection,
    found: HostPython,
    packed: Sequence[Packed],
    version: Version,
    deadline: Deadline,
) -> None:
    code = program("receive")
    order = {
        "folder": found.folder,
        "parts": [{"key": one.key, "size": one.size, "sha256": one.sha256} for one in packed],
        "version": version.order(),
    }
    # The program itself comes first, then what it reads: nothing of it is on a command line.
    first = f"import sys; exec(compile(sys.stdin.buffer.read({len(code)}), 'receive', 'exec'))"
    conversation = connection.start([found.python, "-I", "-c", first])
    try:
        try:
            _say(conversation, code + json.dumps(order).encode() + b"\n", deadline)
            for one in packed:
                with one.path.open("rb") as file:
                    while piece := file.read(PIECE):
                        _say(conversation, piece, deadline)
            conversation.end_input()
        except TransportError:
            pass  # it ended in the middle: what it said tells why
        answer = _answer(conversation, deadline)
    finally:
        conversation.close()
    _require_received(connection, answer)


def _say(conversation: Conversation, data: bytes, deadline: Deadline) -> None:
    conversation.send(data, deadline.within(STALL_SECONDS))


def _answer(conversation: Conversation, deadline: Deadline) -> str:
    """Return what it said until its end, and what it complained of if it said nothing."""
    said = b""
    while len(said) < _MOST_SAID and (piece := conversation.receive(deadline.within(STALL_SECONDS))):
        said += piece
    return said.replace(_ALIVE, b"").decode(errors="replace") or conversation.complaints()


def _require_received(connection: HostConnection, answer: str) -> None:
    name = connection.host.name
    _, mark, line = answer.rpartition("isolab-received ")
    try:
        problem = str(json.loads(line)["problem"]) if mark else ""
    except (ValueError, KeyError, TypeError):
        mark = ""
    if mark and not problem:
        return
    if not mark and not connection.is_open():
        raise connection.broken()
    said = bounded(printable((problem if mark else answer).strip()), 300) or "it ended without a word"
    raise Unavailable(
        f"{name}: isolab cannot be installed there: {said}",
        hint="free space there, or name a folder on another disk (folder:)"
        if "space" in said
        else "check the folder there (folder:), which has to be writable",
    )


def _try(connection: HostConnection, there: Installed, deadline: Deadline) -> None:
    trial = there.python("-c", _TRIAL)
    done = connection.run(trial, deadline=deadline.within(TRY_SECONDS), check=False)
    if f"isolab-tried {__version__}" not in done.stdout.decode(errors="replace"):
        said = bounded(printable(done.tail(1)), 300) or f"status {done.code}"
        raise Unavailable(
            f"{connection.host.name}: isolab was installed there but does not run: {said}",
            hint="its C library may be older than the packages of this controller need: see docs/cluster.md",
        )
