"""Which entries of a home folder are taken: plain files under plain names, within limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.classes.work.listing import Item
from orchestrator.formatting import size_words
from orchestrator.submissions.entries import LINK, SPECIAL, named

_LINK_KIND = 0o120000
LINE_BREAK = "\x01"
"""What stands for a line break in a name that is sent to a machine, where each name is a line."""


@dataclass(frozen=True)
class Limits:
    """What is taken of one home folder: ``total`` bytes, ``files`` of them and folders as many. With
    ``holes`` only data counts for ``total``, and of holes so many bytes are taken besides. ``any_name``:
    also files with line breaks in their names."""

    total: int
    files: int = 100_000
    holes: int = 0
    any_name: bool = False


@dataclass(frozen=True)
class Chosen:
    """What is taken: ``files``, and ``folders`` by path, those above first. ``skipped`` says of each other
    entry what it is and why it is not taken, printable. ``missed`` are those of them that are files or
    folders: not links, sockets, FIFOs and devices, which are never taken."""

    files: tuple[Item, ...]
    folders: tuple[str, ...]
    skipped: tuple[str, ...]
    missed: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(one.stored for one in self.files)


def chosen(items: Iterable[Item], limits: Limits, first: Sequence[str]) -> Chosen:
    """Choose what is taken. Where not all can be, what is in the folders ``first`` goes before the rest, and
    there what is small before what is large."""
    never: list[str] = []
    missed: list[str] = []
    files: list[Item] = []
    folders: list[str] = []
    for item in items:
        entry = named(item.path, folder=item.is_folder)
        if why := entry.refused or _unfit(item, entry.path, limits):
            (missed if item.is_file or item.is_folder else never).append(f"{entry.shown}: {why}")
        elif item.is_folder:
            folders.append(item.path)
        else:
            files.append(item)
    taken: list[Item] = []
    size = holes = 0
    data_of = {one.path: one.stored if limits.holes else one.size for one in files}
    for item in sorted(files, key=lambda one: (not _is_in(one.path, first), data_of[one.path], one.path)):
        data = data_of[item.path]
        hole = item.size - data
        if size + data > limits.total:
            words = f"{size_words(data)}, and {size_words(limits.total)} are taken in all"
            missed.append(f"{named(item.path).shown}: {words}")
        elif holes + hole > limits.holes:
            words = f"{size_words(hole)} of holes, and {size_words(limits.holes)} are taken in all"
            missed.append(f"{named(item.path).shown}: {words}")
        elif len(taken) == limits.files:
            missed.append(f"{named(item.path).shown}: {limits.files} files are taken in all")
        else:
            taken.append(item)
            size += data
            holes += hole
    folders.sort()
    most = f"{limits.files} folders are taken in all"
    missed += [f"{named(path).shown}: {most}" for path in folders[limits.files :]]
    kept = tuple(sorted(taken, key=lambda one: one.path))
    return Chosen(kept, tuple(folders[: limits.files]), (*missed, *never), tuple(missed))


def _unfit(item: Item, plain: str, limits: Limits) -> str:
    if plain != item.path:  # such as "a//b", which no find prints
        return "its path is not plain"
    if "\n" in item.path and not limits.any_name:
        return "there is a line break in its name"
    if LINE_BREAK in item.path:
        return "there is a control character (U+0001) in its name"
    if item.is_file or item.is_folder:
        return ""
    return LINK if item.mode & 0o170000 == _LINK_KIND else SPECIAL


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in folders)
