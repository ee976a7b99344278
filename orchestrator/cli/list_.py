"""list: the labs, exercises and images there are to use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json, table
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.builtin import builtin_labs, labs_here
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.load import EXERCISE_FILE, LAB_FILE
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.labfile.yaml_document import survey
from orchestrator.paths import EXERCISES

Rows = Sequence[dict[str, str]]


def list_content(what: str, form: str) -> Exit:
    """Print the built-in labs and those here, the built-in exercises, or the images."""
    check_format(form)
    kinds = {"labs": _labs, "exercises": _exercises, "images": _images}
    if what not in kinds:
        hint = did_you_mean(what, kinds) or f"isolab list {' or '.join(kinds)}"
        raise SpecError(f"cannot list {what!r}", hint=hint)
    rows = kinds[what]()
    if form == JSON:
        say_json({what: rows})
    else:
        say(table([name.upper() for name in rows[0]], [list(row.values()) for row in rows]))
    return Exit.PASSED


def _labs() -> Rows:
    here = {str(folder): folder for folder in labs_here()}
    return [
        {"name": name, "title": _title(path / LAB_FILE)} for name, path in {**builtin_labs(), **here}.items()
    ]


def _exercises() -> Rows:
    files = sorted(EXERCISES.rglob(EXERCISE_FILE))
    return [{"name": str(file.parent.relative_to(EXERCISES)), "title": _title(file)} for file in files]


def _images() -> Rows:
    return [
        {"name": name, "kind": recipe.kind, "title": recipe.title}
        for name, recipe in sorted(recipes().items())
    ]


def _title(file: Path) -> str:
    """The title in a lab's or exercise's file; "" if the file has none or is not YAML."""
    try:
        data = survey(file.read_text(encoding="utf-8", errors="replace"), str(file)).data
    except (OSError, SpecError):
        return ""
    return str(data.get("title", "")) if isinstance(data, dict) else ""
