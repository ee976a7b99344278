"""Copy folders and files so that the copy is writable, whatever the original's permissions.

What a link leads to is copied, since that is the file the user meant. Holes of sparse files stay holes.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.host.sparse import copy_data

Ignore = Callable[[str, list[str]], Iterable[str]]
"""As for ``shutil.copytree``: a folder and the names in it -> the names to leave out."""
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_LOCK = ".#"
"""How editors name the dangling links by which they lock a file."""


@dataclass(frozen=True)
class FolderEntry:
    """One entry of a folder, however deep. ``path`` is relative to the folder. ``left_out`` says why it
    cannot be copied: it is no file and no folder, or a link that leads nowhere; "" if it can."""

    path: str
    folder: bool = False
    left_out: str = ""

    @property
    def is_lock(self) -> bool:
        """Whether it is an editor's lock, which means nothing to anyone else."""
        return self.left_out != "" and self.path.rsplit("/", 1)[-1].startswith(_LOCK)


def entries(folder: Path, ignore: Ignore | None = None) -> Iterator[FolderEntry]:
    """Yield what is in a folder, each folder before its content, sorted by name; links are followed.
    Raises OSError for a folder that cannot be read."""
    yield from _entries(folder, "", (folder.resolve(),), ignore)


def _entries(
    folder: Path, prefix: str, above: tuple[Path, ...], ignore: Ignore | None
) -> Iterator[FolderEntry]:
    names = sorted(path.name for path in folder.iterdir())
    ignored = set(ignore(str(folder), names)) if ignore else set()
    for name in names:
        if name in ignored:
            continue
        place, path = folder / name, prefix + name
        try:
            mode = place.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            yield FolderEntry(path, left_out=f"a link to {place.readlink()}, which is not there")
        except OSError as problem:
            if not place.is_symlink():
                raise
            yield FolderEntry(path, left_out=f"a link that cannot be followed: {problem.strerror}")
        else:
            if stat.S_ISDIR(mode):
                yield from _deeper(place, path, above, ignore)
            else:
                yield FolderEntry(path, left_out=_KINDS.get(stat.S_IFMT(mode), ""))


def _deeper(place: Path, path: str, above: tuple[Path, ...], ignore: Ignore | None) -> Iterator[FolderEntry]:
    real = place.resolve()
    if real in above:
        yield FolderEntry(path, left_out="a link to a folder that it is in")
        return
    yield FolderEntry(path, folder=True)
    yield from _entries(place, f"{path}/", (*above, real), ignore)


def writable_copy(source: Path, target: Path, ignore: Ignore | None = None) -> tuple[FolderEntry, ...]:
    """Copy the folder ``source`` to ``target``, writable for its owner; returns what cannot be copied.

    The original may be read-only, as installed packages are on some systems. Existing files in
    ``target`` are kept or replaced; ``ignore`` is as for ``shutil.copytree``. Raises OSError.
    """
    target.mkdir(parents=True, exist_ok=True)
    _take_after(source, target)
    left_out, folders = [], []
    for entry in entries(source, ignore):
        if entry.left_out:
            left_out.append(entry)
        elif entry.folder:
            (target / entry.path).mkdir(exist_ok=True)
            _take_after(source / entry.path, target / entry.path)
            folders.append(entry.path)
        else:
            writable_file(source / entry.path, target / entry.path)
    for folder in reversed(folders):  # writing into them has changed their times
        _take_after(source / folder, target / folder)
    return tuple(left_out)


def writable_file(source: str | Path, target: str | Path) -> None:
    """Copy one file with its permissions and times. Raises OSError."""
    copy_data(Path(source), Path(target))
    _take_after(Path(source), Path(target))


def _take_after(source: Path, target: Path) -> None:
    shutil.copystat(source, target)
    more = stat.S_IRWXU if target.is_dir() else stat.S_IWUSR
    target.chmod(stat.S_IMODE(target.stat().st_mode) | more)
