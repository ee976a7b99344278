"""What another policy alone made of the points: who rose and who fell, without grading again. Pure."""

from __future__ import annotations

from orchestrator.gradebook.counted import Counted, counted
from orchestrator.gradebook.policy import Policy
from orchestrator.grading.model import Gradebook
from orchestrator.grading.receipts import Graded
from orchestrator.grading.regrade import POLICY, Change, Moved
from orchestrator.submissions.pseudonyms import pseudonyms


def policy_changes(book: Gradebook, before: Policy, now: Policy, key: bytes) -> list[Change]:
    """Return whose points count otherwise than under the policy ``before``, of the same grades; students have
    the pseudonyms that ``key`` makes, as receipts have them."""
    if before == now:
        return []
    names = pseudonyms((student.id for student in book.students), key)
    pairs = zip(counted(book, before), counted(book, now), strict=True)
    return [_change(names[new.student.id], old, new) for old, new in pairs if old.points != new.points]


def _change(student: str, old: Counted, new: Counted) -> Change:
    rose = (-1.0 if old.points is None else old.points) < (-1.0 if new.points is None else new.points)
    place = Graded(student, new.grade.exercise, "", new.grade.attempt)
    return Change(place, Moved.ROSE if rose else Moved.FELL, old.points, new.points, (POLICY,), ())
