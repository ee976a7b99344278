"""What a folder of grades is about: ``grading.json``, so that a verdict can be derived again later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orchestrator import __version__
from orchestrator.errors import SpecError
from orchestrator.host.cache import write_atomically

ABOUT = "grading.json"


@dataclass(frozen=True)
class About:
    """``lab`` is the path of the lab's file, ``students`` maps pseudonyms, as in records and receipts, to the
    ids of one student, or of a team. ``finished`` is False until a class is graded and its files are written.
    """

    lab: str
    students: dict[str, list[str]]
    finished: bool = True
    isolab: str = __version__

    def pseudonyms_of(self, student: str) -> list[str]:
        """Return the pseudonyms under which a student's work was graded, alone or in a team."""
        return [name for name, ids in self.students.items() if student in ids or student == name]


def write_about(folder: Path, about: About) -> None:
    """Write the file, readable for its owner only: it says who is behind a pseudonym. Raises OSError."""
    write_atomically(folder / ABOUT, (json.dumps(asdict(about), indent=1) + "\n").encode(), mode=0o600)


def mark_finished(folder: Path) -> None:
    """Note that the class is graded and everything is written. Raises SpecError, OSError."""
    write_about(folder, replace(read_about(folder), finished=True))


def read_about(folder: Path) -> About:
    """Read the file. Raises SpecError if there is none, or it is damaged."""
    hint = "name a folder that `isolab grade` wrote into"
    try:
        raw = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        students = {str(name): [str(one) for one in ids] for name, ids in raw["students"].items()}
        return About(str(raw["lab"]), students, bool(raw.get("finished", True)))
    except OSError as problem:
        raise SpecError(f"cannot read {folder / ABOUT}: {problem.strerror}", hint=hint) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SpecError(
            f"{folder / ABOUT} is damaged", hint="grade once more, which writes it anew"
        ) from None
