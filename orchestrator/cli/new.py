"""new: start a lab of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit
from orchestrator.labfile.new_lab import new_lab


def new(folder: str, form: str) -> Exit:
    """Write a new lab into ``folder``, and print the next commands."""
    check_format(form)
    files = new_lab(Path(folder))
    following = [shlex.join(("isolab", verb, folder)) for verb in ("run", "validate")]
    if form == JSON:
        say_json({"folder": folder, "files": files, "next": following})
        return Exit.PASSED
    say(f"{folder}: a lab with one exercise, for a process and a sandbox")
    say("".join(f"  {name}\n" for name in files))
    say("run it, edit it, check it: " + "\n                           ".join(following))
    return Exit.PASSED
