"""What a folder of grades is about: ``grading.json``, so that a verdict can be derived again later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.errors import SpecError
from orchestrator.formatting import printable
from orchestrator.host.cache import write_atomically

ABOUT = "grading.json"


@dataclass(frozen=True)
class About:
    """``lab`` is the path of the lab's file, ``students`` maps pseudonyms, as in records and receipts, to the
    ids of one student, or of a team. ``finished`` is False until a class is graded and its files are written.
    ``chosen`` says what was graded, and with what, by what it is in words: exercises, machines, a roster.
    ``policy`` is that of the last grading that finished, as JSON data; None where it was not noted.
    """

    lab: str
    students: dict[str, list[str]]
    finished: bool = True
    isolab: str = __version__
    chosen: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None

    def pseudonyms_of(self, student: str) -> list[str]:
        """Return the pseudonyms under which a student's work was graded, alone or in a team."""
        return [name for name, ids in self.students.items() if student in ids or student == name]


def otherwise(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each choice that is not as it was ``before``, of those that were noted then."""
    for what, which in now.items():
        if what in before and before[what] != which:
            yield printable(f"graded before with {what} {before[what]}; now {which}")


def write_about(folder: Path, about: About) -> None:
    """Write the file, readable for its owner only: it says who is behind a pseudonym. Raises OSError."""
    write_atomically(folder / ABOUT, (json.dumps(asdict(about), indent=1) + "\n").encode(), mode=0o600)


def mark_finished(folder: Path, policy: Mapping[str, Any]) -> None:
    """Note that all is graded and written, under this policy. Raises SpecError, OSError."""
    write_about(folder, replace(read_about(folder), finished=True, policy=policy))


def read_about(folder: Path) -> About:
    """Read the file. Raises SpecError if there is none, or it is damaged."""
    hint = "name a folder that `isolab grade` wrote into"
    try:
        raw = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        students = {str(name): [str(one) for one in ids] for name, ids in raw["students"].items()}
        chosen = {str(what): str(which) for what, which in raw.get("chosen", {}).items()}
        return About(
            str(raw["lab"]),
            students,
            bool(raw.get("finished", True)),
            chosen=chosen,
            policy=raw.get("policy"),
        )
    except OSError as problem:
        raise SpecError(f"cannot read {folder / ABOUT}: {problem.strerror}", hint=hint) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SpecError(
            f"{folder / ABOUT} is damaged", hint="grade once more, which writes it anew"
        ) from None
