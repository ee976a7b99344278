"""What an earlier build left in a folder: objects, libraries and programs of this host, and whatever else
``make`` would make again."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.compile.elf import Binary, binary
from orchestrator.deadline import Deadline
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.host import process

CMAKE_FOLDER = "CMakeFiles"
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which make looks for them."""
_HISTORY = frozenset({".git", ".hg", ".svn", ".bzr"})
_CACHES = frozenset({"CMakeCache.txt", CMAKE_FOLDER, "config.cache"})
"""What CMake and configure remember of this host."""
_DRY_SECONDS = 30.0
_ENTERS = re.compile(r"^make(?:\[\d+\])?: Entering directory '(.*)'$")
_LEAVES = re.compile(r"^make(?:\[\d+\])?: Leaving directory '.*'$")


@dataclass(frozen=True)
class FoundBinary:
    """A binary that was in the folder, by its path there."""

    path: str
    what: Binary


@dataclass(frozen=True)
class BuiltBefore:
    """What is left out of a copy of a folder. ``keeps`` names the architecture whose objects and libraries
    stay; ``removed`` are other files that make would make."""

    keeps: str = ""
    binaries: list[FoundBinary] = field(default_factory=list)
    removed: tuple[str, ...] = ()
    marks: list[str] = field(default_factory=list)

    @property
    def configured(self) -> bool:
        """Whether ``configure`` was run in the folder, for this host."""
        return "config.status" in self.marks

    def ignored(self, folder: str, names: list[str]) -> set[str]:
        """The names of a folder to leave out of the copy; remembers the binaries among them."""
        out = {name for name in names if name in _HISTORY or name in _CACHES}
        self.marks.extend(name for name in names if name == "config.status")
        for name in names:
            path = Path(folder, name)
            what = binary(path) if name not in out and path.is_file() else None
            if what is not None and not (what.arch == self.keeps and what.kind != "program"):
                self.binaries.append(FoundBinary(name, what))
                out.add(name)
        return out

    def with_removed(self, paths: Sequence[str]) -> BuiltBefore:
        return replace(self, removed=tuple(paths))

    def fits(self, arch: str) -> list[str]:
        """What could be used for an architecture as it is, if nothing makes it anew."""
        fitting = [b.path for b in self.binaries if b.what.kind != "program" and b.what.arch == arch]
        return [*fitting, *self.removed]


def remove_what_make_makes(
    folder: Path, copy: Path, environment: Mapping[str, str], deadline: Deadline
) -> list[str]:
    """Remove from the ``copy`` of a folder what ``make clean`` would remove, read off ``make -n clean``
    without running it, and targets of the makefile that git ignores; returns the paths."""
    if not any((copy / name).is_file() for name in MAKEFILES):
        return []
    cleaned = _said(["make", "-n", "-w", "clean"], copy, environment, deadline)
    found = _removals(cleaned, copy)
    if ignored := _ignored_by_git(folder, environment, deadline):
        targets = _targets(_said(["make", "-np"], copy, environment, deadline))
        found += [copy / name for name in sorted(ignored & targets) if (copy / name).is_file()]
    removed = []
    for path in dict.fromkeys(found):
        removed.append(str(path.relative_to(copy)))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return removed


def _said(command: list[str], place: Path, environment: Mapping[str, str], deadline: Deadline) -> str:
    """What a program says; "" if it fails, is not there, or takes too long."""
    limit = deadline.within(_DRY_SECONDS)
    try:
        done = process.run(command, deadline=limit, cwd=place, env=environment, check=False)
    except (TimedOut, Unavailable):
        deadline.check(" ".join(command))
        return ""
    return done.stdout.decode(errors="surrogateescape") if done.code == 0 else ""


def _ignored_by_git(folder: Path, environment: Mapping[str, str], deadline: Deadline) -> set[str]:
    """The files of a folder that git ignores; none if it is not in a repository."""
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "-z"]
    return {name for name in _said(command, folder, environment, deadline).split("\0") if name}


def _targets(database: str) -> set[str]:
    """The files that a makefile has recipes for, by make's own database (``make -p``)."""
    found: set[str] = set()
    for rule in re.split(r"\n\n+", database):
        lines = rule.splitlines()
        if (
            lines
            and not lines[0].startswith("# Not a target")
            and any(line.startswith("\t") for line in lines)
        ):
            named = re.match(r"([^#\s:=%][^:=%]*):", lines[0])
            found |= set(named[1].split()) if named else set()
    return found


def _removals(said: str, copy: Path) -> list[Path]:
    """The files and folders inside the copy that the commands of a dry run would remove."""
    places, found = [copy], []
    top = copy.resolve()
    for line in said.replace("\\\n", " ").splitlines():
        if entered := _ENTERS.match(line):
            places.append(Path(entered[1]))
        elif _LEAVES.match(line) and len(places) > 1:
            places.pop()
        for pattern in _removed_by(line):
            if pattern.startswith("/"):
                continue
            for path in places[-1].glob(pattern):
                if path.parent.resolve().is_relative_to(top) and path.resolve() != top:
                    found.append(copy / path.parent.resolve().relative_to(top) / path.name)
    return [path for path in dict.fromkeys(found) if not any(p in found for p in path.parents)]


def _removed_by(line: str) -> list[str]:
    """What the ``rm`` commands of one line name; a bare ``*`` is left alone."""
    patterns: list[str] = []
    for command in re.split(r"&&|\|\||;", line):
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        if words and words[0] in {"rm", "/bin/rm"}:
            patterns += [word for word in words[1:] if not word.startswith("-") and word.strip("*./")]
    return patterns
