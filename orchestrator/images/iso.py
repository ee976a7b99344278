"""Make ISO 9660 file systems with xorriso. Source: xorrisofs(1)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process

MAKER = "xorrisofs"


def render_argv(volume: str, tree: Path, target: Path, further: Sequence[str] = ()) -> list[str]:
    """The command that makes ``target`` from the files in ``tree``, following links. Pure."""
    argv = [MAKER, "-quiet", "-follow-links", "-output", str(target), "-volid", volume, "-rational-rock"]
    return [*argv, *further, str(tree)]


def make(volume: str, tree: Path, target: Path, deadline: Deadline, further: Sequence[str] = ()) -> None:
    """Make the file system; ``further`` are options of xorrisofs.

    Raises Unavailable if xorriso is missing, ProcessFailed, TimedOut, Interrupted.
    """
    if shutil.which(MAKER) is None:
        raise Unavailable(
            "cannot make an ISO image: xorriso is not installed", hint="install the package xorriso"
        )
    process.run(render_argv(volume, tree, target, further), deadline=deadline)
