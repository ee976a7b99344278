"""A class made by hand, for the tests of handouts.

Every word of a hidden test contains ``sesame``, and of a lab that is not open yet ``zebra``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.model import LoadedClass, Member, ScheduledLab, Seat
from orchestrator.classes.spec import ClassLab, ClassSpec
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Exercise, Hidden, Lab, Machine
from orchestrator.submissions.model import Student

NOW = datetime.fromisoformat("2027-03-02T10:00+08:00")
COURSE = bytes(range(32))
SESAME, ZEBRA = "sesame", "zebra"
HOSTILE = "</code><script>alert(1)</script> \x1b[31mred \u202egnp.exe `a` **b** | x"
KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode() + " ada@home"
ADA = Member(Student("s1001", "Ada Lovelace", "ada@uni.example", "red"), (KEY,))
WANG = Member(Student("s1002", "王小明", "wang@uni.example", "red"))
OMAR = Member(Student("s1003", "عمر بن سعيد", "omar@uni.example", "blue"), github="omar-gh")
EVE = Member(Student("=eve", HOSTILE, "+1@uni.example", "@blue"))
LINK = "https://lab.uni.example:8443/enter/T0ken-of-hers"
DESK = Login("desk", "lab", copies=True)
BARE = Entrance("lab.uni.example", (Login("desk", "lab"),))
ENTRANCE = Entrance(
    host="lab.uni.example",
    port=2222,
    logins=(DESK, Login("server", "server")),
    host_keys=("ED25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",),
    alias="cits3007",
    link=LINK,
    link_ends=datetime.fromisoformat("2027-06-01T18:00+08:00"),
    certificate="12:34:56:78",
)

_MESSAGE = {"between": [10000, 19999]}
WIRE = LoadedExercise(
    "./wire",
    Path("/exercises/wire"),
    Exercise.model_validate(
        {
            "title": "Wire protocol",
            "run": "./tester ${port}",
            "student": {"files": ["wire.c", "wire.h"]},
            "shows": {"round_trip": "Encoded and decoded again"},
            "parameters": {"port": _MESSAGE, "sesame_key": {"hex": 8}},
            "checks": [
                {"that": "round_trip", "equals": "a|b", "points": 2, "why": "what goes in comes out"},
                {"that": "answer", "equals": "${port}", "points": 1},
                {"that": "silence", "equals": ""},
            ],
        }
    ),
    Hidden.model_validate(
        {
            "build": {"sources": ["hidden/sesame.c"]},
            "run": "./sesame ${sesame_key}",
            "checks": [
                {"that": "sesame_a", "equals": "sesame-b", "points": 3, "why": "the sesame"},
                {"that": "sesame_c", "equals": "${sesame_key}", "points": 1.5},
            ],
        }
    ),
)
QUEUE = LoadedExercise(
    "work/queue",
    Path("/exercises/work/queue"),
    Exercise.model_validate(
        {"title": "A queue", "run": "./tester", "student": {"files": ["queue.c"]},
         "checks": [{"that": "order", "equals": [1, 2, 3], "points": 3}]}
    ),
)  # fmt: skip
ORDER = LoadedExercise(
    "memory/byte-order",
    Path("/exercises/memory/byte-order"),
    Exercise.model_validate(
        {"title": "Which byte comes first?", "run": "./it", "checks": [{"that": "sesame_first", "equals": 4}]}
    ),
)
LATER = LoadedExercise("zebra/stripes", Path("/x"), Exercise.model_validate({"title": "zebra", "run": "./z"}))


def the_class(*members: Member, **keys: Any) -> LoadedClass:
    """A class of these students, a seat for each; ``keys`` are of its file."""
    found = members or (ADA, WANG, OMAR, EVE)
    spec = ClassSpec.model_validate(
        {
            "class": "cits3007",
            "title": "Secure coding 2027",
            "machines": {"desk": {"driver": "qemu", "image": "debian"}},
            "contact": "Grace Hopper, grace@uni.example",
            "ends": "2027-06-01T18:00+08:00",
            **keys,
        }
    )
    due = {"from": "2027-03-01T09:00+08:00", "due": "2027-03-08T17:00+08:00"}
    labs = (
        _lab("workshop", "Your own programs", due, WIRE, QUEUE, ORDER),
        _lab("zebras", "zebra", {"from": "2027-04-01T09:00+08:00"}, LATER),
    )
    return LoadedClass(
        spec=spec,
        file=Path("/class/class.yaml"),
        seats=tuple(seat_of(f"seat-{place}", one) for place, one in enumerate(found)),
        labs=labs,
        machines=_loaded("cits3007", "", spec.machines),
    )


def seat_of(name: str, *members: Member) -> Seat:
    """A seat of one student, or of a group."""
    return Seat(name, members[0].student.group if len(members) > 1 else members[0].student.id, members)


def write_lab(folder: Path) -> None:
    """A lab with one exercise and two values: one of a visible test, one that only a hidden test has."""
    exercise = folder / "one"
    exercise.mkdir(parents=True)
    (folder / "lab.yaml").write_text("lab: l\nmachines: {vm: {driver: qemu}}\nexercises: [./one]\n")
    (exercise / "exercise.yaml").write_text(
        "title: One\nbuild: {sources: [one.c, t.c]}\nrun: ./one ${port}\nstudent: {files: [one.c]}\n"
        "parameters: {port: {between: [10000, 19999]}, secret: {hex: 8}}\n"
        "checks: [{that: a, equals: 1}]\n"
    )
    (exercise / "hidden.yaml").write_text("run: ./one ${secret}\nchecks: [{that: b, equals: 2}]\n")
    (exercise / "t.c").write_text("")
    for place in ("skeleton", "solution"):
        (exercise / place).mkdir()
        (exercise / place / "one.c").write_text("int main(void) { return 0; }\n")


def _lab(name: str, title: str, dates: Mapping[str, str], *exercises: LoadedExercise) -> ScheduledLab:
    spec = ClassLab.model_validate({"lab": name, **dates})
    return ScheduledLab(spec, _loaded(name, title, {}, *exercises))


def _loaded(name: str, title: str, machines: Mapping[str, Machine], *exercises: LoadedExercise) -> LoadedLab:
    names = [one.name for one in exercises]
    lab = Lab.model_construct(
        lab=name, title=title, machines=dict(machines), networks={}, exercises=names, across="lowest"
    )
    return LoadedLab(lab=lab, path=Path("/class/class.yaml"), exercises=exercises)
