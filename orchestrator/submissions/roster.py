"""The roster: who is in the class, from a CSV file as spreadsheets and GitHub Classroom write it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import Problem, SpecError
from orchestrator.formatting import counted, printable
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.submissions.model import Student
from orchestrator.submissions.roster_keys import KEY_COLUMN, KeyReader

_COLUMNS = {
    "id": ("id", "identifier"),
    "name": ("name",),
    "email": ("email",),
    "group": ("group", "group_name"),
    "github": ("github", "github_username"),
    "moodle": ("moodle",),
    "canvas": ("canvas",),
}
NUMBERED = ("moodle", "canvas")
"""Columns of the platforms' own numbers, by the keys of the layouts."""
_TOLERATED = ("ssh_key", "github_id")
_KEYS = ("ssh_key", "ssh_keys", "ssh_key_2")
"""Columns of keys as they are suggested."""
_MOST_BYTES = 2**24
_DELIMITERS = ",;\t"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HINT = (
    "a roster is a CSV file with the columns id, name, email, group, ssh_key, github, moodle, "
    "canvas; only id is required"
)


@dataclass(frozen=True)
class Roster:
    """The students of a class in the file's order. ``github`` maps ids to user names at GitHub, ``keys`` to
    public SSH keys, each a line of authorized_keys without options, ``lines`` to lines of the file;
    ``numbers`` maps layouts' keys to ids to the platform's own numbers."""

    students: tuple[Student, ...]
    github: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    numbers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_roster(path: Path, *, keys: bool = False) -> Roster:
    """Read a roster: a header, then a line for each student.

    The header has ``id`` and any of ``name``, ``email``, ``group``, ``github``, ``moodle``, ``canvas`` in any
    order and case; other columns are ignored. Cells are separated by commas, semicolons or tabs; the text is
    UTF-8, or UTF-16 with its mark. With ``keys`` the columns ``ssh_key``, ``ssh_key_2`` … are read too, and
    the files of keys that ``roster_keys`` describes; without, what is in them does not matter. Raises
    SpecError with every mistake and its line.
    """
    text = _text(path)
    file, problems = str(path), list[Problem]()
    rows = _rows(text, file, problems)
    header = next(rows, None)
    if header is None:
        raise SpecError(f"{path} is empty", hint=_HINT)
    columns = _columns(header[1], Problem(file, header[0], 1, ""), problems, keys=keys)
    of_keys = [name for name in columns if keys and KEY_COLUMN.fullmatch(name)]
    reader = KeyReader(path.parent, problems)
    found: list[Student] = []
    others: dict[str, dict[str, str]] = {column: {} for column in ("github", *NUMBERED)}
    public: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    own: dict[str, int] = {}
    for line, cells in rows if "id" in columns else ():
        if len(cells) > len(header[1]):
            words = f"{counted(len(cells), 'cell')}, but the header has {len(header[1])}"
            problems.append(Problem(file, line, 1, words, "put a cell that holds the separator in quotes"))
            continue
        values = {name: cells[at].strip() if at < len(cells) else "" for name, at in columns.items()}
        problems += _wrong_id(values["id"], lines, Problem(file, line, 1, ""))
        lines.setdefault(values["id"].casefold(), line)
        key, at = values["id"], Problem(file, line, 1, "")
        own.setdefault(key, line)
        cells_of_keys = {name: values.pop(name) for name in of_keys}
        for column, those in others.items():
            if written := values.pop(column, ""):
                those[key] = written
        if keys:
            public[key] = reader.keys_of(key, cells_of_keys, others["github"].get(key, ""), at)
        found.append(Student(**values))
    if problems:
        many = counted(len(problems), "mistake")
        raise SpecError(f"{path}: {many} in the roster", problems=tuple(sorted(problems)), hint=_HINT)
    github = others.pop("github")
    held = {key: lines for key, lines in public.items() if lines}
    return Roster(
        tuple(found), github, held, own, {column: those for column, those in others.items() if those}
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as problem:
        raise SpecError(f"the roster {path} cannot be read: {problem.strerror}", hint=_HINT) from None
    if len(data) > _MOST_BYTES:
        raise SpecError(f"the roster {path} is larger than {_MOST_BYTES // 2**20} MiB", hint=_HINT)
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        wrong = Problem(str(path), line, 1, f"not {encoding.removesuffix('-sig').upper()}")
        hint = "save it as CSV UTF-8, which spreadsheets offer in the dialogue that saves"
        raise SpecError(f"the roster {path} cannot be read", problems=(wrong,), hint=hint) from None


def _rows(text: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, with their numbers."""
    head = text.partition("\n")[0].rstrip("\r")
    named = head[4:] if head.lower().startswith("sep=") and len(head) == 5 else ""
    delimiter = named or max(_DELIMITERS, key=head.count)
    # csv wants line ends as they are written.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if any(cell.strip() for cell in cells) and not (named and line == 1):
                yield line, cells
    except csv.Error as problem:
        problems.append(Problem(file, before + 1, 1, f"not CSV: {problem}"))


def _columns(header: Sequence[str], at: Problem, problems: list[Problem], *, keys: bool) -> dict[str, int]:
    """Return where each known column is, with ``keys`` those of keys too."""
    names = [name.strip().lower().replace(" ", "_") for name in header]
    known = {alias: column for column, aliases in _COLUMNS.items() for alias in aliases}
    if keys:
        known |= {name: name for name in names if KEY_COLUMN.fullmatch(name)}
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        column = known.get(name, "")
        if column and column in places:
            problems.append(_problem(at, f"the column {column} is there twice"))
        elif column:
            places[column] = place
    for name, written in zip(names, header, strict=True):
        missing = [alias for column in _COLUMNS if column not in places for alias in _COLUMNS[column]]
        missing += [column for column in _KEYS if keys and column not in places]
        if name and name not in known and name not in _TOLERATED and (guess := did_you_mean(name, missing)):
            problems.append(_problem(at, f"unknown column {quote(written.strip())}", guess))
    if "id" not in places:
        shown = ", ".join(printable(name.strip()) for name in header)
        problems.append(_problem(at, f"there is no column id in the header: {shown}"))
    return places


def _wrong_id(key: str, lines: Mapping[str, int], at: Problem) -> Iterator[Problem]:
    if not key:
        yield _problem(at, "the id is empty")
    elif not key.isprintable():
        yield _problem(at, f"the id {quote(key)} has characters that cannot be printed")
    elif key.casefold() in lines:
        yield _problem(at, f"the id {quote(key)} is already in line {lines[key.casefold()]}")


def _problem(at: Problem, message: str, suggestion: str = "") -> Problem:
    return Problem(at.file, at.line, at.column, message, suggestion)
