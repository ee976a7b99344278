"""A class made up of what the workshop's exercises bring: who hands in what, as Canvas's zip or Moodle's."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path

from orchestrator.labfile.check_submission import SKELETON, SOLUTION, WRONG
from orchestrator.paths import EXERCISES

WORKS = {
    "work/close-the-ends": ("pair.c", "gives-up-when-interrupted", "whole-records-only"),
    "work/wire-protocol": ("wire.c", "host-order", "one-read"),
    "work/signal-safe-logger": ("logger.c", "one-buffer", "one-write"),
}
"""Exercises that take seconds: the student's file, and two wrong solutions that do not wait for what never
comes."""
BROKEN = b"int main(void) { return zero; }\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
COPIED = "copied"
"""The kind of those who hand in the same bytes as each other."""
TEAM = "team"
"""The kind of those who hand in together."""
KINDS = (
    "right",
    "wrong in one way",
    "skeleton",
    "nothing",
    "does not compile",
    COPIED,
    COPIED,
    "wrong in another",
    "files missing",
    TEAM,
    TEAM,
)


@dataclass(frozen=True)
class Member:
    """One of the class: ``files`` are what is handed in, by path; a team's are those of its group."""

    id: str
    name: str
    kind: str
    group: str = ""
    late: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)


def made_up_class(number: int) -> list[Member]:
    """A class of this many: kinds take turns, the first of each turn is late. Whatever is not copied is
    told apart by a comment."""
    found = [_member(place, name) for place, name in enumerate(islice(_names(), number))]
    assert {member.kind for member in found} == set(KINDS), "too few for one of each kind"
    return found


def write_roster(members: list[Member], path: Path) -> Path:
    """The class as ``roster.csv``."""
    rows = [f"{one.id};{one.name};{one.id}@uni.example;{one.group}\n" for one in members]
    path.write_text("id;name;email;group\n" + "".join(rows), encoding="utf-8-sig")
    return path


def as_canvas(members: list[Member], path: Path) -> Path:
    """What they handed in, as Canvas packs it: an archive of each, a team's once, under its group's name."""
    teams = {one.group: one for one in members if one.group}
    with zipfile.ZipFile(path, "w") as file:
        for place, one in enumerate(members):
            if one.group and teams[one.group] != one:
                continue
            who = "".join((one.group or one.name).lower().split()) + "_LATE" * one.late
            if one.files:
                info = zipfile.ZipInfo(f"{who}_{100 + place}_{5000 + place}_work.zip", EPOCH)
                file.writestr(info, _archive(one.files))
    return path


def as_moodle(members: list[Member], path: Path) -> Path:
    """The same, as Moodle packs it: a folder for each."""
    with zipfile.ZipFile(path, "w") as file:
        for place, one in enumerate(members):
            for name, data in one.files.items():
                folder = f"{one.name}_{100 + place}_assignsubmission_file"
                file.writestr(zipfile.ZipInfo(f"{folder}/{name}", EPOCH), data)
    return path


def _archive(files: Mapping[str, bytes]) -> bytes:
    with io.BytesIO() as data:
        with zipfile.ZipFile(data, "w") as file:
            for name, content in files.items():
                file.writestr(zipfile.ZipInfo(name, EPOCH), content)
        return data.getvalue()


def _names() -> Iterator[str]:
    """Names of letters only: Canvas leaves out whatever else is in one."""
    for family, given in product("BCDFGKLMNP", ("Ada", "Ben", "Cyd", "Dan", "Eva", "Fay", "Gus", "Hal")):
        yield f"{given} {family}oyd"


def _member(place: int, name: str) -> Member:
    turn, at = divmod(place, len(KINDS))
    kind = KINDS[at]
    group = f"Team {'ABCDEFGH'[turn]}" if kind == TEAM else ""
    mark = "" if kind == COPIED else group or name
    return Member(f"s{place:03}", name, kind, group, late=at == 0, files=_files(kind, mark))


def _files(kind: str, mark: str) -> dict[str, bytes]:
    found = {}
    for number, (exercise, (name, *wrong)) in enumerate(WORKS.items()):
        place = f"{exercise}/{name}"
        if kind == "nothing" or (kind == "files missing" and number > 0):
            continue
        if kind == "does not compile":
            found[place] = BROKEN
            continue
        folders = {
            "skeleton": SKELETON,
            "wrong in one way": f"{WRONG}/{wrong[0]}",
            "wrong in another": f"{WRONG}/{wrong[1]}",
        }
        data = (EXERCISES / exercise / folders.get(kind, SOLUTION) / name).read_bytes()
        found[place] = data + (f"/* {mark} */\n".encode() if mark else b"")
    return found
