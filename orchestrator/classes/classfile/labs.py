"""The labs of a class: each found, beside the class file or built in, and loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.classes.classfile.machines import Images
from orchestrator.classes.classfile.sound import Sound
from orchestrator.classes.model import ScheduledLab
from orchestrator.errors import Problem, SpecError
from orchestrator.formatting import counted
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.load import LAB_FILE, load_lab
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.paths import EXERCISES


def scheduled(
    document: Document, found: Sound, folder: Path, images: Images
) -> tuple[list[ScheduledLab], list[Problem]]:
    """Load the labs of the class in ``folder``. Returns them, and what is wrong: with the names, at their
    places, and with the labs, in their own files."""
    loaded: list[ScheduledLab] = []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    # A class's own images are not a lab's: that has its own, or isolab's.
    known = {name: recipe for name, recipe in images.known.items() if name not in images.own}
    for at, spec in found.labs.items():
        path = ("labs", at, "lab")
        try:
            where = _find(spec.lab, folder)
            lab = load_lab(where, EXERCISES, images=replace(images, known=known).least, contents=known)
        except SpecError as wrong:
            few = f"lab {quote(spec.lab)} has {counted(len(wrong.problems), 'mistake')}"
            message, advice = (
                (few, "each is told with its own place") if wrong.problems else (wrong.message, wrong.hint)
            )
            problems += [document.problem(path, message, advice), *wrong.problems]
            continue
        name = lab.lab.lab
        if name in first:
            again = f"lab {quote(name)} is listed twice; first on line {first[name]}"
            problems.append(document.problem(path, again, "name it once; copies need names of their own"))
        first.setdefault(name, document.place(path)[0])
        loaded.append(ScheduledLab(spec, lab))
    return loaded, problems


def _find(written: str, folder: Path) -> Path:
    """Return the lab meant by ``written``: beside the class file, else built in. Raises SpecError."""
    builtin = builtin_labs()
    beside = folder / written
    try:
        there = beside.exists()
    except OSError:  # such as a name too long
        there = False
    if there:
        if beside.is_dir() and not (beside / LAB_FILE).is_file() and written in builtin:
            hint = "rename the folder to use the built-in lab"
            raise SpecError(f"{beside} has no {LAB_FILE}, and hides the built-in lab of that name", hint=hint)
        return beside
    if written in builtin:
        return builtin[written]
    near = [file.parent.name for file in sorted(folder.glob(f"*/{LAB_FILE}"))]
    hints = (did_you_mean(written, [*builtin, *near]), f"built-in labs: {', '.join(builtin)}")
    raise SpecError(f"no lab {quote(written)} in {folder}", hint=" ".join(filter(None, hints)))
