"""Send images and toolchains that this machine's cache has to hosts that lack them: then a host needs neither
the internet nor the time to build them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, Arch
from orchestrator.cluster.install.pack import Packed, pack
from orchestrator.cluster.install.parts import Part
from orchestrator.cluster.install.version import Installed
from orchestrator.cluster.reach.connection import HostConnection
from orchestrator.compile import cplusplus, toolchain
from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.formatting import bounded, printable, size_words
from orchestrator.host.process import Conversation
from orchestrator.labfile.image_recipe import Recipe

STALL_SECONDS = 120.0
PIECE = 256 * 2**10
_MOST_SAID = 2**16
_PROGRAM = "orchestrator.cluster.warm.take_in"

Say = Callable[[str], None]
Folder = tuple[str, Path]
"""A kind of the cache's and one of its folders, whose name is the key."""


def worth_sending(wanted: Sequence[tuple[Recipe, Arch]], own: str) -> list[Folder]:
    """Return the folders of this machine's cache that machines of these images need on a host: the images,
    the toolchains of their architectures and of the host's ``own``, with each C library. What is not here is
    left out: the host makes it itself."""
    found: list[Folder] = []
    for recipe, arch in wanted:
        image = images.find(recipe, arch)
        if image is not None:
            found.append(("images", image.folder))
    native = [ARCHITECTURES[own]] if own in ARCHITECTURES else []
    for arch in dict.fromkeys([*(arch for _, arch in wanted), *native]):
        found += [*toolchain_folders(arch), *toolchain_folders(arch.linked_with("glibc"))]
    return list(dict.fromkeys(found))


def toolchain_folders(arch: Arch) -> list[Folder]:
    """Return the folders of this machine's cache from which programs of an architecture are linked; none
    before the toolchain's first use."""
    folder = toolchain.in_cache(arch)
    cxx = cplusplus.in_cache(arch, folder) if folder is not None else None
    return [(toolchain.KIND, one) for one in (folder, cxx) if one is not None]


def send(
    connection: HostConnection,
    there: Installed,
    folders: Sequence[Folder],
    deadline: Deadline,
    say: Say,
) -> int:
    """Send those of these folders that a host lacks; returns how many there were.

    Raises TransportError if the connection breaks or the host cannot take them, TimedOut, Interrupted.
    """
    if not folders:
        return 0
    conversation = connection.start(there.python("-m", _PROGRAM))
    name = connection.host.name
    try:
        asked = [[kind, path.name] for kind, path in folders]
        _put(conversation, json.dumps(asked).encode() + b"\n", deadline)
        lacking = _lacking(name, _line(conversation, deadline), asked)
        packed = [
            (kind, _packed(kind, path, deadline)) for kind, path in folders if [kind, path.name] in lacking
        ]
        if packed:
            size = size_words(sum(one.size for _, one in packed))
            say(f"{name}: sending images and toolchains ({len(packed)}), {size}")
        for kind, one in packed:
            _put_folder(conversation, kind, one, deadline)
        conversation.end_input()
        if problem := _problem(_line(conversation, deadline)):
            raise TransportError(f"{name}: it did not take what it lacks: {problem}")
    except TransportError as broken:
        if connection.is_open():
            raise
        raise connection.broken() from broken
    finally:
        conversation.close()
    return len(packed)


def _packed(kind: str, folder: Path, deadline: Deadline) -> Packed:
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return pack(Part(folder.name, kind, f"{kind}-{folder.name}", files), deadline)


def _put_folder(conversation: Conversation, kind: str, one: Packed, deadline: Deadline) -> None:
    about = {"kind": kind, "key": one.key.removeprefix(f"{kind}-"), "size": one.size, "sha256": one.sha256}
    _put(conversation, json.dumps(about).encode() + b"\n", deadline)
    with one.path.open("rb") as file:
        while piece := file.read(PIECE):
            _put(conversation, piece, deadline)


def _put(conversation: Conversation, data: bytes, deadline: Deadline) -> None:
    conversation.send(data, deadline.within(STALL_SECONDS))


def _line(conversation: Conversation, deadline: Deadline) -> str:
    """Return the next line, which comes alone: each is asked for before the next one is written."""
    said = b""
    while not said.endswith(b"\n") and len(said) < _MOST_SAID:
        piece = conversation.receive(deadline.within(STALL_SECONDS))
        if not piece:
            break
        said += piece
    return said.decode(errors="replace") or conversation.complaints()


def _lacking(host: str, line: str, asked: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return what a host says that it lacks; what it was not asked for is not sent. Raises TransportError."""
    try:
        found = json.loads(line)
        return [[kind, key] for kind, key in found if [kind, key] in asked]
    except (ValueError, TypeError):
        said = bounded(printable(line.strip()), 200)
        raise TransportError(f"{host}: it does not say what it lacks: {said}") from None


def _problem(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        found = line or "it ended without a word"
    return bounded(printable(str(found).strip()), 300)
