"""Built-in labs, and how a lab's name or path is resolved."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.load import EXERCISE_FILE, LAB_FILE
from orchestrator.labfile.suggest import ask, did_you_mean, quote
from orchestrator.paths import LABS
from orchestrator.record import RECORDS


def builtin_labs() -> dict[str, Path]:
    """The folders of the built-in labs by name, in alphabetical order."""
    return {file.parent.name: file.parent for file in sorted(LABS.glob(f"*/{LAB_FILE}"))}


def labs_here() -> list[Path]:
    """The folders of labs in the current folder, in alphabetical order. A run's folder is none: it holds a
    copy of its lab, and records."""
    folders = [file.parent for file in sorted(Path().glob(f"*/{LAB_FILE}"))]
    return [folder for folder in folders if not (folder / RECORDS).exists()]


def find_lab(written: str) -> Path:
    """The path of the lab meant by ``written``: a path where one exists, else a built-in lab's name.

    A path with several parts is returned as it is: the loader reports what is wrong with it.
    Raises SpecError for an unknown name.
    """
    builtin = builtin_labs()
    path = Path(written)
    if path.exists():
        if written in builtin and path.is_dir() and not (path / LAB_FILE).is_file():
            raise SpecError(
                f"folder {written} has no {LAB_FILE}, and hides the built-in lab of that name",
                hint="run isolab in another folder to use the built-in lab",
            )
        _require_lab(path)
        return path
    if written in builtin:
        return builtin[written]
    if path.name in builtin:
        raise SpecError(f"no lab at {path}", hint=f"{ask(path.name)} That is a built-in lab.")
    if os.sep in written or path.suffix:
        return path
    near = {folder.name for folder in labs_here()}
    hints = (did_you_mean(written, [*builtin, *near]), f"built-in labs: {', '.join(builtin)}")
    raise SpecError(f"unknown lab {quote(written)}", hint=" ".join(filter(None, hints)))


def _require_lab(path: Path) -> None:
    """Raise SpecError for a program, an exercise or a run where a lab is meant."""
    what, hint = "", ""
    if path.suffix in (".c", ".cc", ".cpp", ".cxx") and path.is_file():
        what, hint = "a program", f"to run it everywhere: isolab try {shlex.quote(str(path))}"
    elif (path / EXERCISE_FILE).is_file() and not (path / LAB_FILE).is_file():
        what, hint = (
            "an exercise",
            "exercises run as part of a lab: name it in a lab file (`isolab new FOLDER`)",
        )
    elif path.name == EXERCISE_FILE:
        what, hint = "an exercise's file", "name the lab that has the exercise"
    elif path.suffix == ".jsonl":
        what, hint = "a run's records", f"to see them: isolab report {shlex.quote(str(path.parent))}"
    if what:
        raise SpecError(f"{path} is {what}, not a lab", hint=hint)
