"""A class graded by hand, for the tests of pages: one student for each way a grade can come out.

Every string of a hidden test contains ``sesame``, so that a test can look for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Exercise, Hidden, Lab
from orchestrator.record import CheckResult, Record, Status
from orchestrator.submissions.model import Student

HOSTILE = "</pre><script>alert(1)</script> \x1b[31mred\x1b[0m \u202egnp.exe `a` **b** | \x00"
SESAME = "sesame"
ADA, BOB, EVE, IVY, ROY, ZOE = (
    Student("ada", "Ada Example", "ada@example.org", "A"),
    Student("bob", "Bob Example", "bob@example.org", "A"),
    Student("eve", HOSTILE, "eve@example.org", "B"),
    Student("ivy", "Ivy Example", group="B"),
    Student("roy", "Roy Example"),
    Student("zoe", "Zoe Example"),
)
WIRE, QUEUE = "work/wire", "work/queue"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MACHINES = {"vm": ("vm", "amd64"), "s390x": ("emulated", "s390x")}


def the_lab(**keys: Any) -> LoadedLab:
    """Two exercises, the first with hidden tests, on two machines."""
    spec = Lab.model_validate(
        {
            "lab": "workshop",
            "title": "Messages between machines",
            "machines": {"vm": {"driver": "qemu"}, "s390x": {"driver": "qemu", "arch": "s390x"}},
            "exercises": [WIRE, QUEUE],
            **keys,
        }
    )
    hidden = Hidden.model_validate(
        {
            "build": {"sources": ["hidden/sesame.c"]},
            "run": "./sesame",
            "checks": [{"that": f"sesame_{name}", "equals": f"sesame-{name}", "points": 2} for name in "ab"],
        }
    )
    wire = _exercise(
        WIRE, "Wire protocol", [_check("round_trip", 2, "what goes in comes out"), _check("ends", 1)]
    )
    queue = _exercise(QUEUE, "A queue of messages", [_check("order", 3)])
    return LoadedLab(spec, Path("/labs/workshop/lab.yaml"), (replace(wire, hidden=hidden), queue))


def _exercise(name: str, title: str, checks: Sequence[Mapping[str, Any]]) -> LoadedExercise:
    student = {"files": [f"{name.rpartition('/')[2]}.c"]}
    spec = {"title": title, "run": "./tester", "timeout": "5s", "student": student, "checks": checks}
    return LoadedExercise(name, Path("/exercises") / name, Exercise.model_validate(spec))


def _check(that: str, points: float, why: str = "") -> Mapping[str, Any]:
    return {"that": that, "equals": "yes", "points": points, "why": why}


def wire(machine: str = "vm", *, visible: bool = True, hidden: float = 4, **changes: Any) -> Record:
    """A record of the exercise with hidden tests: 3 visible points if ``visible``, and some hidden."""
    seen = (
        CheckResult("round_trip", visible, "yes" if visible else "no", "yes", "what goes in comes out",
                    2.0 * visible, 2),
        CheckResult("ends", True, "yes", "yes", "", 1, 1),
    )  # fmt: skip
    secret = tuple(
        CheckResult(
            f"sesame_{name}", won == 2, f"sesame-got-{name}", f"sesame-{name}", "sesame why", won, 2, True
        )
        for name, won in zip("ab", (min(hidden, 2.0), max(hidden - 2.0, 0.0)), strict=True)
    )
    words = [] if visible else ["round_trip: got no, expected yes  (what goes in comes out)"]
    told = [*words, *(["hidden tests did not all pass"] if hidden < 4 else [])]
    whole = [
        *words,
        *(f"{one.that}: got {one.got}, expected {one.expected}" for one in secret if not one.held),
    ]
    view = {"reason": "\n".join(told), "observations": {}, "checks": [one.to_data() for one in seen],
            "stdout": '{"round_trip": "yes"}\nhello\n', "stderr": "", "exit_code": 0,
            "signal": None}  # fmt: skip
    fields: dict[str, Any] = {
        "status": Status.FAIL if told else Status.PASS,
        "reason": "\n".join(whole),
        "points": sum(one.points for one in (*seen, *secret)),
        "max_points": 7.0,
        "checks": (*seen, *secret),
        "student_view": view,
        "stdout": "hello\nsesame printed\n",
        "stderr": "sesame said\n",
        "observations": {"sesame_a": "sesame-got-a"},
    }
    return record(WIRE, machine, **{**fields, **changes})


def queue(machine: str = "vm", *, held: bool = True, **changes: Any) -> Record:
    """A record of the exercise without hidden tests, worth 3 points."""
    check = CheckResult("order", held, "yes" if held else "no", "yes", "", 3.0 * held, 3)
    fields: dict[str, Any] = {
        "status": Status.PASS if held else Status.FAIL,
        "reason": "" if held else "order: got no, expected yes",
        "points": 3.0 * held,
        "max_points": 3.0,
        "checks": (check,),
    }
    return record(QUEUE, machine, **{**fields, **changes})


def record(exercise: str, machine: str, **fields: Any) -> Record:
    """A record of one of the two machines; ``fields`` are all that tell of a result."""
    boundary, arch = MACHINES[machine]
    plain = Record(
        "run", "workshop", "host", machine, "", "qemu", boundary, arch, "tcg", exercise, Status.PASS
    )
    return replace(plain, **{"seconds": 1.5, **fields})


def grade(student: Student, exercise: str, *records: Record, **changes: Any) -> Grade:
    """A scored grade of these records: the lowest points of the machines."""
    judged = [one for one in records if one.status in (Status.PASS, Status.FAIL)]
    lowest = min((one.points for one in judged), default=0.0)
    fields: dict[str, Any] = {
        "points": lowest,
        "max_points": max((one.max_points for one in judged), default=7.0 if exercise == WIRE else 3.0),
        "verdict": Verdict.SCORED,
        "records": records,
        "submitted": datetime.fromisoformat("2027-03-08T16:58:00+08:00"),
        "files": {f"{exercise.rpartition('/')[2]}.c": DIGEST},
    }
    return Grade(student, exercise, **{**fields, **changes})


def absent(student: Student, exercise: str) -> Grade:
    """The grade of somebody who handed in nothing."""
    most = 7.0 if exercise == WIRE else 3.0
    return Grade(student, exercise, Verdict.NOT_GRADABLE, 0.0, most, "nothing was handed in")


COMPILER = "queue.c does not compile:\nqueue.c:3:5: error: expected ';' after expression\n    3 |     x = 1\n"


def the_grades() -> tuple[Grade, ...]:
    """Ada has nearly all, Bob does not compile and differs between machines, Eve is hostile, Ivy times out
    and gets no result, Roy handed in twice and late, Zoe nothing."""
    timed_out = (
        "timed out after 12 s (5 s, times 2.4 for this machine's speed and load), stopped by isolab; "
        "it had printed nothing\noutput truncated"
    )
    stopped = [replace(one, points=0.0) for one in queue().checks]
    unpacked = (
        "work.zip was unpacked",
        "../../etc/passwd in work.zip was refused: its path leaves the archive",
    )
    no_result = {"verdict": Verdict.NO_RESULT, "points": None, "max_points": 7.0}
    return (
        grade(ADA, WIRE, wire(), wire("s390x"), remarks=("wire.c was taken from work/Wire.C",)),
        grade(ADA, QUEUE, queue(), queue("s390x"), unstable=("on vm: check order: held, now did not hold",)),
        grade(BOB, WIRE, wire(hidden=2), wire("s390x", visible=False, hidden=0), remarks=unpacked),
        grade(BOB, QUEUE, *(queue(name, held=False, checks=(), reason=COMPILER, gradable=False)
                            for name in MACHINES),
              verdict=Verdict.NOT_GRADABLE, points=0.0, reason=COMPILER, remarks=unpacked),
        grade(EVE, WIRE, wire(visible=False, hidden=0), wire("s390x", visible=False, hidden=0),
              remarks=(f"{HOSTILE} was refused",), files={HOSTILE: DIGEST}),
        grade(EVE, QUEUE, *(queue(name, held=False, stdout=HOSTILE * 60_000, stderr=HOSTILE, reason=HOSTILE,
                                  checks=(CheckResult(HOSTILE, False, HOSTILE, "yes", HOSTILE, 0, 3),))
                            for name in MACHINES)),
        grade(IVY, WIRE, record(WIRE, "vm", status=Status.ERROR, reason="did not boot"),
              reason="the machine did not come up, three times", **no_result),
        grade(IVY, QUEUE, queue(),
              queue("s390x", held=False, points=0.0, reason=timed_out, killed_for="timeout",
                    checks=tuple(stopped), stdout="one\ntwo\nstill wai")),
        grade(ROY, WIRE, wire(hidden=3), wire("s390x", hidden=3), late=True,
              unstable=("on vm: check hidden sesame_a: held", "on vm: observation sesame_a: 1, now 2")),
        grade(ROY, QUEUE, queue(held=False), queue("s390x", held=False)),
        grade(ROY, QUEUE, queue(), queue("s390x"), attempt=2, late=True,
              submitted=datetime.fromisoformat("2027-03-09T09:12:00+08:00")),
        absent(ZOE, WIRE),
        absent(ZOE, QUEUE),
    )  # fmt: skip


def the_class(**changes: Any) -> Gradebook:
    """The gradebook of the six; ``changes`` are other fields of it."""
    book = Gradebook(
        the_lab(), (ADA, BOB, EVE, IVY, ROY, ZOE), (WIRE, QUEUE), tuple(MACHINES), the_grades(),
        ("mallory is not on the roster", "roy handed in twice; the second time late"),
    )  # fmt: skip
    return replace(book, **changes)
