"""Which entries of a home folder are taken: plain files under plain names, within limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.classes.work.listing import Item
from orchestrator.formatting import size_words
from orchestrator.submissions.entries import LINK, SPECIAL, named

_LINK_KIND = 0o120000


@dataclass(frozen=True)
class Limits:
    """What is taken of one home folder: ``total`` bytes, ``files`` of them and folders as many."""

    total: int
    files: int = 100_000


@dataclass(frozen=True)
class Chosen:
    """What is taken: ``files``, and ``folders`` by path, those above first. ``skipped`` says of each other
    entry what it is and why it is not taken, printable."""

    files: tuple[Item, ...]
    folders: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)


def chosen(items: Iterable[Item], limits: Limits, first: Sequence[str]) -> Chosen:
    """Choose what is taken. Where not all can be, what is in the folders ``first`` goes before the rest, and
    there what is small before what is large."""
    skipped: list[str] = []
    files: list[Item] = []
    folders: list[str] = []
    for item in items:
        entry = named(item.path, folder=item.is_folder)
        if why := entry.refused or _unfit(item, entry.path):
            skipped.append(f"{entry.shown}: {why}")
        elif item.is_folder:
            folders.append(item.path)
        else:
            files.append(item)
    taken: list[Item] = []
    size = 0
    for item in sorted(files, key=lambda one: (not _is_in(one.path, first), one.size, one.path)):
        if size + item.size > limits.total:
            words = f"{size_words(item.size)}, and {size_words(limits.total)} are taken in all"
            skipped.append(f"{named(item.path).shown}: {words}")
        elif len(taken) == limits.files:
            skipped.append(f"{named(item.path).shown}: {limits.files} files are taken in all")
        else:
            taken.append(item)
            size += item.size
    folders.sort()
    most = f"{limits.files} folders are taken in all"
    skipped += [f"{named(path).shown}: {most}" for path in folders[limits.files :]]
    kept = tuple(sorted(taken, key=lambda one: one.path))
    return Chosen(kept, tuple(folders[: limits.files]), tuple(skipped))


def _unfit(item: Item, plain: str) -> str:
    if plain != item.path:  # such as "a//b", which no find prints
        return "its path is not plain"
    if "\n" in item.path:  # the names go to tar as lines
        return "there is a line break in its name"
    if item.is_file or item.is_folder:
        return ""
    return LINK if item.mode & 0o170000 == _LINK_KIND else SPECIAL


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in folders)
