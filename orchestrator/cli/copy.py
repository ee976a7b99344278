"""copy: copy a lab and its exercises, to edit."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit
from orchestrator.formatting import counted
from orchestrator.labfile.copy_lab import copy_lab


def copy(lab: str, folder: str, form: str) -> Exit:
    """Copy a lab and its exercises into ``folder``, and print the next commands."""
    check_format(form)
    loaded = open_lab(lab)
    exercises = copy_lab(loaded, Path(folder))
    following = [shlex.join(("isolab", verb, folder)) for verb in ("validate", "run")]
    if form == JSON:
        say_json({"lab": loaded.lab.lab, "folder": folder, "exercises": exercises, "next": following})
    else:
        say(f"copied lab {loaded.lab.lab} and its {counted(len(exercises), 'exercise')} to {folder}")
        say("edit it, then run: " + "\n                    ".join(following))
    return Exit.PASSED
