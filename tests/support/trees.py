"""Folders in which others work while a test looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def below(folder: Path) -> Iterator[Path]:
    """All that is beneath a folder; what goes meanwhile is left out. (Path.glob and Path.rglob raise where a
    folder goes between being listed and being looked into.)"""
    for above, folders, files in os.walk(folder):
        yield from (Path(above, name) for name in (*folders, *files))
