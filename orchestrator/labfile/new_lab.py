"""Start a lab: a commented lab file, and an exercise that passes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.load import LAB_FILE
from orchestrator.labfile.schema import exercise_schema, schema
from orchestrator.labfile.writable_copy import writable_copy

STARTER = Path(__file__).with_name("starter")
"""The files of a new lab; ``@NAME@`` stands for its name."""


def new_lab(target: Path) -> tuple[str, ...]:
    """Write a new lab into the folder ``target``, with the schemas that its files name for editors.

    Returns the files written, relative to the folder. Raises SpecError when ``target`` exists and is not an
    empty folder; OSError.
    """
    require_empty(target)
    text = (STARTER / LAB_FILE).read_text(encoding="utf-8").replace("@NAME@", spec_name(target, "lab"))
    target.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in STARTER.iterdir() if path.is_dir()):
        writable_copy(folder, target / folder.name)
    for name, content in (("lab.schema.json", schema()), ("exercise.schema.json", exercise_schema())):
        (target / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    # Last: an interrupted start is not a lab.
    (target / LAB_FILE).write_text(text, encoding="utf-8")
    return tuple(sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()))


def require_empty(target: Path) -> None:
    """Raise SpecError when ``target`` exists and is not an empty folder."""
    if target.is_symlink() or target.exists():
        if not target.is_dir():
            raise SpecError(f"{target} is not a folder", hint="choose a new or empty folder")
        if any(target.iterdir()):
            raise SpecError(f"{target} is not empty", hint="choose a new or empty folder")


def spec_name(target: Path, kind: str) -> str:
    """A name made of its folder's: lower-case letters, digits, hyphens; ``kind`` stands before a number."""
    words = re.sub(r"[^a-z0-9]+", "-", target.resolve().name.lower()).strip("-")
    return (words if words[:1].isalpha() else f"{kind}-{words}")[:40].rstrip("-")
