"""What must not be pushed into the home folders of a class: links that let others in, others' work and marks,
hidden tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import COLLECTED, GRADES, HANDED_IN, HANDOUTS
from orchestrator.errors import SpecError
from orchestrator.labfile.load import HIDDEN_FILE
from orchestrator.paths import state_dir
from orchestrator.submissions.entries import shown_name

_OURS = (HANDOUTS, COLLECTED, HANDED_IN, GRADES)


def require_for_students(found: LoadedClass, paths: Sequence[Path], names: Sequence[str]) -> None:
    """Raise SpecError if these files, under these names, are not for students. Pure but for links that are
    followed."""
    folder = found.file.resolve().parent
    secret = [folder / name for name in _OURS] + [found.file.resolve(), state_dir().resolve()]
    secret.append((folder / found.spec.roster).resolve())
    for path in paths:
        real = path.resolve()
        if any(one.is_relative_to(real) or real.is_relative_to(one) for one in secret):
            raise SpecError(
                f"{path} is or has what is not for students: handouts with links, others' work, grades",
                hint="push a folder that has nothing but what everybody may see",
            )
    for name in names:
        if name.rpartition("/")[2] == HIDDEN_FILE:
            raise SpecError(
                f"{shown_name(name)} has hidden tests",
                hint="`isolab copy LAB FOLDER --for student` makes a folder without them; the files of open "
                "labs come with `isolab class push CLASS`",
            )
