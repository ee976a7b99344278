"""class handout: write a page for each student."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.handout.write import Written, write
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import HANDOUTS
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import KINDS
from orchestrator.labfile.ssh_endpoint import parse_address
from orchestrator.paths import state_dir

LANDING = "lab"
"""The user name at the gateway that leads to a seat's first machine."""


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Write the pages of the seats that are meant into the folder ``handouts`` beside the class file, or in
    ``--out``. Raises SpecError, and Unavailable if they cannot be written."""
    options.refuse("handout", "watch", "prune")
    if further:
        raise SpecError(
            f"isolab class handout does not take {further[0]!r}", hint="choose with --student or --group"
        )
    entrance = _entrance(found)
    entrances = [(seat, entrance) for seat in options.seats(found)]
    folder = (Path(options.out) if options.out else found.folder) / HANDOUTS
    written = write(found, entrances, folder, course_key(signing_key(state_dir())), datetime.now(UTC))
    if options.form == JSON:
        pages = {seat: str(page) for seat, page in written.pages.items()}
        say_json({"table": str(written.table), "pages": pages, "stray": list(written.stray)})
    else:
        _say(written, folder)
    return Exit.PASSED


def _say(written: Written, folder: Path) -> None:
    say(f"{folder}: {counted(len(written.pages), 'page')}, each as .html and .md, and {written.table.name}")
    say("only you can read them: a page holds what lets its student in, so give it to nobody else")
    if written.stray:
        names = ", ".join(written.stray[:5]) + (", …" if len(written.stray) > 5 else "")
        say(f"pages of nobody in the class any more, for you to delete: {names}")


def _entrance(found: LoadedClass) -> Entrance:
    """Return the ways in."""
    access = found.spec.access
    return Entrance(
        host=access.host or socket.getfqdn(), port=parse_address(access.listen).port, logins=_logins(found)
    )


def _logins(found: LoadedClass) -> tuple[Login, ...]:
    """Return the machines of a seat, then those for everybody."""
    first, *more = found.machines.lab.machines
    shared = list(found.shared.lab.machines) if found.shared else []
    users = {first: LANDING, **{name: name for name in (*more, *shared)}}
    return tuple(Login(machine, user, _copies(found, machine)) for machine, user in users.items())


def _copies(found: LoadedClass, machine: str) -> bool:
    """Return whether a machine's image has scp, sftp and rsync: a micro image has a shell only."""
    labs = (found.machines, *([found.shared] if found.shared else []))
    image = next(lab.lab.machines[machine].image for lab in labs if machine in lab.lab.machines)
    return not KINDS[recipes()[image].kind].our_init
