"""Start a class: a commented class file, and a roster of two."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.classes.recognise import CLASS_FILE
from orchestrator.classes.spec import class_schema
from orchestrator.labfile.new_lab import require_empty, spec_name

STARTER = Path(__file__).with_name("starter")
"""The files of a new class; ``@NAME@`` stands for its name."""
ROSTER, SCHEMA = "roster.csv", "class.schema.json"


def new_class(target: Path) -> tuple[str, ...]:
    """Write a new class into the folder ``target``, with the schema that its file names for editors.

    Returns the files written, relative to the folder. Raises SpecError when ``target`` exists and is not an
    empty folder; OSError.
    """
    require_empty(target)
    text = (STARTER / CLASS_FILE).read_text(encoding="utf-8")
    target.mkdir(parents=True, exist_ok=True)
    (target / SCHEMA).write_text(json.dumps(class_schema(), indent=1) + "\n", encoding="utf-8")
    (target / ROSTER).write_bytes((STARTER / ROSTER).read_bytes())
    # Last: an interrupted start is not a class.
    (target / CLASS_FILE).write_text(text.replace("@NAME@", spec_name(target, "class")), encoding="utf-8")
    return SCHEMA, CLASS_FILE, ROSTER
