"""Whether somebody has begun to work on an exercise: the starting files alone are nobody's work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.exercises.submission import MOST_BYTES
from orchestrator.labfile.check_submission import SKELETON
from orchestrator.labfile.load import LoadedExercise


def student_files(exercise: LoadedExercise) -> Sequence[str]:
    """Return the files of an exercise that students write."""
    return exercise.spec.student.files if exercise.spec.student else ()


def begun(exercise: LoadedExercise, folder: Path) -> bool:
    """Whether a student's ``folder`` for an exercise has a file to hand in that is not the skeleton's."""
    return any(_written(folder / n, exercise.folder / SKELETON / n) for n in student_files(exercise))


def _written(path: Path, begun_with: Path) -> bool:
    """Both are read whole only if they are of the same size. Folders of copies have no links in them."""
    if not path.is_file() or path.is_symlink():
        return False
    if not begun_with.is_file() or path.stat().st_size != begun_with.stat().st_size:
        return True
    return path.stat().st_size > MOST_BYTES or path.read_bytes() != begun_with.read_bytes()
