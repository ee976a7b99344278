"""What somebody meant who typed something else in a verb's place."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.load import LAB_FILE
from orchestrator.labfile.suggest import did_you_mean

_SYNONYMS = {
    "build": "images", "check": "validate", "cleanup": "gc", "clone": "copy", "connect": "ssh", "cp": "copy",
    "create": "new", "destroy": "down", "exec": "ssh", "halt": "down", "info": "status", "init": "new",
    "labs": "list", "lint": "validate", "log": "logs", "ls": "list", "machines": "status", "ps": "status",
    "rm": "down", "shell": "ssh", "start": "up", "stop": "down",
}  # fmt: skip
"""What other programs call our verbs."""


def meant(written: str, verbs: Sequence[str]) -> str:
    """A hint for an unknown verb or option: the nearest verb, or the verb that takes what was written."""
    if written.startswith("-"):
        return "options follow the verb: isolab VERB [OPTION…]; `isolab help` lists the verbs"
    path = Path(written)
    if path.suffix == ".c" and path.is_file():
        return f"to run this program everywhere: isolab try {shlex.quote(written)}"
    if written in builtin_labs() or path.name == LAB_FILE or (path / LAB_FILE).is_file():
        return f"to run this lab: isolab run {shlex.quote(written)}"
    synonym = _SYNONYMS.get(written.lower(), "")
    guess = f"did you mean {synonym!r}?" if synonym in verbs else did_you_mean(written, verbs)
    return " ".join(filter(None, [guess, "`isolab help` lists the verbs"]))
