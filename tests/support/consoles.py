"""The consoles of the machines of a test: printed when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = pytest.StashKey[list[Path]]()
"""Folders beneath which the consoles of a test's machines are; fixtures append to it."""


def keep_consoles(session: pytest.Session, folder: Path) -> None:
    """Print the consoles beneath ``folder`` should a test fail from now on."""
    session.stash.setdefault(FOLDERS, []).append(folder)


def kept_consoles(session: pytest.Session) -> Iterator[Path]:
    """Every console there is now beneath those folders."""
    for folder in session.stash.get(FOLDERS, []):
        yield from sorted(folder.rglob("console.log"))
