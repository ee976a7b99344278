"""The SSH keys on a roster: in its cells, and those of GitHub's users in files beside it.

GitHub's keys are not fetched: a lab server may have no way there, and nobody wants to depend on it when 60
students arrive. ``https://github.com/NAME.keys``, saved as ``keys/NAME.keys`` beside the roster, is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.labfile.suggest import quote
from orchestrator.submissions.public_key import identity, public_key

KEYS_FOLDER = "keys"
KEY_COLUMN = re.compile(r"ssh_keys?(_\d{1,2})?")
_GITHUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}")
_MOST_BYTES = 2**16
_MOST_KEYS = 20


@dataclass
class KeyReader:
    """Reads the keys of one student after the other, and remembers whose each is: a key that two have would
    not tell them apart. ``folder`` is the roster's. ``problems`` grow."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    _owners: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def keys_of(self, student: str, cells: Mapping[str, str], github: str, at: Problem) -> tuple[str, ...]:
        """Return a student's keys, each once. ``cells`` are those with keys by their columns, ``at`` is the
        student's line."""
        found: dict[str, str] = {}
        for column, cell in cells.items():
            for key in self._read(_parts(cell), f"{column}: ", at):
                found.setdefault(identity(key), key)
        for key in self._of_github(student, github, at) if github else ():
            found.setdefault(identity(key), key)
        for key in found:
            owner = self._owners.setdefault(key, student)
            if owner != student:
                words = f"this SSH key is also that of {quote(owner)}"
                self._complain(at, words, "ask one of them for another key")
        if len(found) > _MOST_KEYS:
            self._complain(at, f"more than {_MOST_KEYS} SSH keys", "leave some out")
        return tuple(found.values())

    def _of_github(self, student: str, name: str, at: Problem) -> Iterator[str]:
        """Yield the keys in the user's file, if there is one."""
        if not _GITHUB_NAME.fullmatch(name):
            self._complain(at, f"github: {quote(name)} is not the name of a user at GitHub")
            return
        owner = self._names.setdefault(name.lower(), student)
        if owner != student:
            self._complain(at, f"github: {quote(name)} is also {quote(owner)} on this roster")
            return
        file = self.folder / KEYS_FOLDER / f"{name}.keys"
        try:
            with file.open("rb") as stream:
                raw = stream.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return
        except OSError as problem:
            self.problems.append(Problem(str(file), 0, 0, f"cannot be read: {problem.strerror}"))
            return
        if len(raw) > _MOST_BYTES:
            self.problems.append(Problem(str(file), 0, 0, f"larger than {_MOST_BYTES // 2**10} KiB"))
            return
        for number, line in enumerate(raw.decode(errors="replace").splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield from self._read([line], "", Problem(str(file), number, 1, ""))

    def _read(self, texts: Iterable[str], prefix: str, at: Problem) -> Iterator[str]:
        for text in texts:
            try:
                yield public_key(text)
            except ValueError as wrong:
                self._complain(at, prefix + wrong.args[0], wrong.args[1])

    def _complain(self, at: Problem, message: str, advice: str = "") -> None:
        self.problems.append(Problem(at.file, at.line, at.column, message, advice))


def _parts(cell: str) -> list[str]:
    """Return the keys in a cell, separated by line ends or semicolons; what spans lines as a whole."""
    if "-----" in cell or "---- " in cell:
        return [cell]
    return [part for part in re.split(r"[;\r\n]+", cell) if part.strip()]
