"""Gateways that should not run any more: of a class that is gone, or that was taken down."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator import ownership
from orchestrator.classes.gateway import sandbox
from orchestrator.classes.gateway.folder import Folder
from orchestrator.classes.paths import GATEWAY
from orchestrator.deadline import Deadline
from orchestrator.errors import TeardownError
from orchestrator.host import process_table
from orchestrator.host.cache import digest, locked
from orchestrator.paths import state_dir

LOCK_SECONDS = 60.0


def reclaim_gateways() -> Iterator[str]:
    """End the gateways of this state folder that nobody wants, yielding the name of each.

    One is wanted from its start until it is stopped, for as long as its class file is there. Raises
    TeardownError for one that does not end.
    """
    classes = state_dir() / "classes"
    for config in _configurations(classes):
        folder = Folder(config.parents[2], ownership.token(state_dir()))
        with locked("gateway", digest(str(folder.root)), Deadline.after(LOCK_SECONDS)):
            if _is_wanted(folder) or not sandbox.running(config):
                continue
            if not sandbox.end(config):
                raise TeardownError(
                    f"the gateway of {folder.root} does not end", hint="run `isolab gc` again"
                )
            folder.wanted.unlink(missing_ok=True)
        yield f"gateway of the class {folder.root.parent.name.rpartition('-')[0]}"


def _configurations(classes: Path) -> set[Path]:
    """Return the configurations of this state folder's gateways that run, whether or not they exist."""
    name = Folder(classes, ownership.token(classes.parent)).config.name
    pattern = re.compile(rf"{re.escape(str(classes))}/[^/]+/{GATEWAY}/[^/]+/[^/]+/{re.escape(name)}")
    # A word of its own, or within the title that sshd gives itself.
    return {
        Path(match[0])
        for _, words in process_table.read(process_table.arguments)
        for match in map(pattern.search, words)
        if match
    }


def _is_wanted(folder: Folder) -> bool:
    with contextlib.suppress(OSError):
        return Path(folder.wanted.read_text().strip()).is_file()
    return False
