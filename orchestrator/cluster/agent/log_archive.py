"""The logs of a run's machines as one tar of bounded size."""

from __future__ import annotations

import contextlib
import stat
import tarfile
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from orchestrator.cluster.agent.incoming import encoded
from orchestrator.cluster.agent.protocol import PART
from orchestrator.errors import SpecError
from orchestrator.host.tempdirs import RUN_FOLDER

MOST_LIMIT = 2**30


def log_parts(folder: Path, run: str, limit: int) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Yield the parts of a tar (gzip) with the plain files of a run's logs, the smallest first, at most
    ``limit`` bytes of them; returns the names of those that were left out. Raises SpecError for what is no
    run, OSError."""
    if not RUN_FOLDER.fullmatch(run):
        raise SpecError(f"{run!r} is no run")
    with tempfile.TemporaryFile() as spool:
        with tarfile.open(fileobj=spool, mode="w:gz", compresslevel=1) as archive:
            left_out = _add(archive, folder / run, min(max(0, limit), MOST_LIMIT))
        spool.seek(0)
        while part := spool.read(PART):
            yield {"part": encoded(part)}
    return {"left_out": left_out}


def _add(archive: tarfile.TarFile, folder: Path, limit: int) -> list[str]:
    files = [(path.lstat(), path) for path in folder.rglob("*") if not path.is_symlink()]
    plain = [(about.st_size, path) for about, path in files if stat.S_ISREG(about.st_mode)]
    left, left_out = limit, []
    for size, path in sorted(plain):
        name = str(path.relative_to(folder))
        if size > left:
            left_out.append(name)
            continue
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            about = tarfile.TarInfo(name)
            about.size, about.mtime = size, int(path.stat().st_mtime)
            archive.addfile(about, file)  # what a machine wrote to it meanwhile is not taken
            left -= size
    return left_out
