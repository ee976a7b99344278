"""The folder of grades: only one that grading made, or an empty one, is written to."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import SpecError, Unavailable
from orchestrator.grading.about import ABOUT
from orchestrator.grading.receipts import RECEIPTS
from orchestrator.labfile.load import LAB_FILE

_ANOTHER = "choose another folder with --out"


def check_out_folder(out: Path, submissions: Path) -> None:
    """Check that grades may be written to a folder, which need not exist.

    Raises SpecError for a folder that has something else in it, that is or holds the submissions or lies
    among them, or leads through a file.
    """
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise SpecError(f"{path} is a file, not a folder", hint=_ANOTHER)
    grades, handed_in = out.resolve(), submissions.resolve()
    if grades.is_relative_to(handed_in):
        words = f"{out} is among the submissions: grades there would be taken for some"
        raise SpecError(words, hint=_ANOTHER)
    if handed_in.is_relative_to(grades):
        raise SpecError(f"the submissions are in {out}, the folder for grades", hint=_ANOTHER)
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if LAB_FILE in there:
        raise SpecError(f"{out} is a lab's folder", hint=_ANOTHER)
    if there and not there & {ABOUT, RECEIPTS}:
        raise SpecError(f"{out} has files in it that no grading made", hint=_ANOTHER)


def make_out_folder(out: Path) -> None:
    """Create the folder of grades, for its owner alone, if it is not there. Raises Unavailable."""
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise Unavailable(f"cannot create {out}: {problem.strerror}", hint=_ANOTHER) from None
