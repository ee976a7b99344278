"""The logs of a run's machines, as a host sends them: believed as little as anything else from there."""

from __future__ import annotations

import tarfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from orchestrator.errors import TransportError

MOST_FILES = 10_000


def unpack_logs(archive: Path, out: Path, machines: Collection[str], limit: int) -> None:
    """Unpack the logs of these machines into their folders in ``out``; files that are there stay as they are.

    Raises TransportError for an archive with anything else in it or more than ``limit`` bytes, OSError.
    """
    left = limit
    try:
        with tarfile.open(archive, mode="r|gz") as tar:
            for number, member in enumerate(tar):
                left -= max(0, member.size)
                if number >= MOST_FILES or left < 0:
                    raise TransportError("there are more logs than were asked for")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise TransportError(f"the logs have {member.name!r}, which is no file")
                target = _place(member.name, out, machines)
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.write_bytes(content.read())
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as problem:
        raise TransportError(f"the logs are damaged: {problem}") from None


def _place(name: str, out: Path, machines: Collection[str]) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(path.parts) < 2:
        raise TransportError(f"the logs have {name!r}, which leads elsewhere")
    if path.parts[0] not in machines:
        raise TransportError(f"the logs have {name!r}, of a machine that did not run there")
    return out / path
