"""Times of a class that contradict each other, and what depends on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from orchestrator.classes.classfile.sound import Sound
from orchestrator.classes.model import Member
from orchestrator.errors import Problem
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document

MORE_TIME = (
    "or give somebody more, and bring that seat up: `isolab class extend CLASS 10min --student ID`, then "
    "`isolab class up CLASS --student ID`"
)


def time_problems(document: Document, found: Sound) -> Iterator[Problem]:
    """Report labs that nobody can work on, and examinations without an end."""
    spec = found.spec
    for at, lab in found.labs.items():
        if lab.from_ and lab.due and lab.from_ >= lab.due:
            why = f"the lab is due at {moment(lab.due)}, before students see it"
            yield document.problem(("labs", at, "from"), why, "choose an earlier time, or a later `due`")
        if lab.from_ and spec.ends and lab.from_ >= spec.ends:
            why = f"the class ends at {moment(spec.ends)}, before students see this lab"
            yield document.problem(("labs", at, "from"), why, "choose an earlier time, or a later `ends`")
    written = document.data if isinstance(document.data, dict) else {}
    if spec.exam and spec.end is None and "ends" not in written:
        advice = "write `ends: 2027-06-01T11:00+08:00`, or when a lab is due"
        yield document.problem(("exam",), "an examination needs a fixed end", advice)


def policy_problems(document: Document, found: Sound) -> Iterator[Problem]:
    """Report a due date in the policy, which each lab has, and rules on late work where nothing is due."""
    policy = found.spec.policy
    if policy.due is not None:
        advice = "write `labs: [{lab: …, due: …}]`"
        yield document.problem(("policy", "due"), "each lab has its own due date", advice, key=True)
        return
    counts = policy.penalty_per_day or policy.late_days or policy.extensions
    if counts and found.labs and not any(lab.due for lab in found.labs.values()):
        why = "penalties, late days and extensions count from when a lab is due, and none has `due`"
        yield document.problem(("policy",), why, "write `labs: [{lab: …, due: …}]`", key=True)


def extension_problems(document: Document, found: Sound, members: Sequence[Member]) -> Iterator[Problem]:
    """Report extensions for who is not on the roster; nothing if that could not be read."""
    known = [member.student.id for member in members]
    for student in found.spec.policy.extensions if known else ():
        if student not in known:
            why = f"{quote(student)} is not on the roster"
            path = ("policy", "extensions", student)
            yield document.problem(path, why, did_you_mean(student, known), key=True)


def over_problems(document: Document, found: Sound, now: datetime) -> Iterator[Problem]:
    """Report an end that has passed at ``now``, where the class is to begin."""
    end = found.spec.end
    if end is not None and end <= now:
        path = ("ends",) if found.spec.ends else ("exam",)
        yield document.problem(path, f"the class ended at {moment(end)}", f"choose a later time; {MORE_TIME}")


def moment(time: datetime) -> str:
    """Return a time for people, in the zone it was written in."""
    return time.isoformat(" ", "minutes")
