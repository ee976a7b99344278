"""The consoles of the machines of a test: printed and copied when it fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from trees import below

FOLDERS = pytest.StashKey[list[Path]]()
"""Folders beneath which the consoles of a test's machines are; fixtures append to it."""


def keep_consoles(session: pytest.Session, folder: Path) -> None:
    """Print the consoles beneath ``folder`` should a test fail from now on."""
    session.stash.setdefault(FOLDERS, []).append(folder)


def kept_consoles(session: pytest.Session) -> Iterator[Path]:
    """Every console there is now beneath those folders."""
    for folder in session.stash.get(FOLDERS, []):
        yield from sorted(path for path in below(folder) if path.name == "console.log")


def copied(item: pytest.Item, folder: Path) -> None:
    """Copy every console there is now to ``folder``/TEST/MACHINE.log, for the homes of tests are removed."""
    name = re.sub(r"[^\w.-]+", "_", item.nodeid.removeprefix("tests/"))
    for number, log in enumerate(kept_consoles(item.session)):
        target = folder / name / f"{number}-{log.parent.name}.log"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target)


def unexpected_words(log: str) -> list[str]:
    """The lines of a QEMU's log that are neither about its end, which is ours, nor about a processor without
    vectors, which is what we ask for."""
    expected = re.compile(r"terminating on signal 15|'vxeh' requires 'vx'")
    return [line for line in log.splitlines() if not expected.search(line)]
