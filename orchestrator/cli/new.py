"""new: start a lab of one's own, a class or a cluster."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.new_lab import new_lab


def new(folder: str, form: str, *, of_class: bool = False, of_hosts: bool = False) -> Exit:
    """Write a new lab, a class or a hosts file into ``folder``, and print the next commands. Raises
    SpecError."""
    check_format(form)
    if of_class and of_hosts:
        raise SpecError(
            "--class and --hosts start two different things", hint="type them one after the other"
        )
    if of_hosts:
        from orchestrator.cluster.hostfile.new_hosts import new_hosts

        files = new_hosts(Path(folder))
        following = [shlex.join(("isolab", "validate", folder))]
        about = "a cluster of one host"
        advice = "edit the file, then: "
    elif of_class:
        from orchestrator.classes.new_class import new_class  # with modules that labs do not need

        files = new_class(Path(folder))
        following = [shlex.join(("isolab", *verb, folder)) for verb in (("validate",), ("class", "plan"))]
        about = "a class of two students, with a machine each"
        advice = "edit both files, then: "
    else:
        files = new_lab(Path(folder))
        following = [shlex.join(("isolab", verb, folder)) for verb in ("run", "validate")]
        about = "a lab with one exercise, for a process and a sandbox"
        advice = "run it, edit it, check it: "
    if form == JSON:
        say_json({"folder": folder, "files": files, "next": following})
        return Exit.PASSED
    say(f"{folder}: {about}")
    say("".join(f"  {name}\n" for name in files))
    say(advice + f"\n{' ' * len(advice)}".join(following))
    return Exit.PASSED
