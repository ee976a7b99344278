"""Paths that must stay inside a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath


def confined(folder: Path, relative: str) -> Path:
    """Resolve ``folder/relative``, following symbolic links.

    Raises ValueError if it is not inside ``folder``, FileNotFoundError if it does not exist or
    cannot be accessed.
    """
    written = PurePosixPath(relative)
    if written.is_absolute() or ".." in written.parts:
        raise ValueError("points outside its folder")
    try:
        root = folder.resolve(strict=True)
        real = (root / written).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        # RuntimeError: a loop of links (before Python 3.13); ValueError: a NUL in the name.
        raise FileNotFoundError(relative) from None
    if not real.is_relative_to(root):
        raise ValueError("points outside its folder")
    return real
