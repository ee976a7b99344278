"""Copy folders and files so that the copy is writable, whatever the original's permissions."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path


def writable_copy(
    source: Path, target: Path, ignore: Callable[[str, list[str]], Iterable[str]] | None = None
) -> None:
    """Copy the folder ``source`` to ``target``, writable for its owner.

    The original may be read-only, as installed packages are on some systems. Existing files in
    ``target`` are kept or replaced; ``ignore`` is as for ``shutil.copytree``. Raises OSError.
    """
    shutil.copytree(source, target, ignore=ignore, copy_function=writable_file, dirs_exist_ok=True)
    for path in (target, *target.rglob("*")):
        if path.is_dir():
            _make_writable(path)


def writable_file(source: str | Path, target: str | Path) -> None:
    """Copy one file with its permissions and times. Raises OSError."""
    shutil.copy2(source, target)
    _make_writable(Path(target))


def _make_writable(path: Path) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR)
