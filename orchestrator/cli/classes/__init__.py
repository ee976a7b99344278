"""``isolab class ACTION CLASS``: a module for each action."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import check_format
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.progress import write_error

if TYPE_CHECKING:
    from orchestrator.classes.model import LoadedClass

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "plan": "whether the class fits on this host, and how long it takes until all are ready",
        "up": "bring up the machines of everybody, those that are up already left alone",
        "status": "who is up, who is in, who passed what",
        "handout": "write a page for each student: how to get in, and what to do",
        "run": "run a command on each machine, and show the answers side by side: run CLASS -- COMMAND",
        "push": "copy files into every home folder: push CLASS FILE…",
        "collect": "copy the home folders into the class's folder, what changed only",
        "message": "show a text to everybody who is in: message CLASS TEXT",
        "extend": "give more time: extend CLASS 15min",
        "reset": "replace machines by fresh ones; home folders stay",
        "down": "collect the work, then take all machines down; home folders stay",
        "serve": "the class in a browser, and its timers, in the foreground",
    }
)
"""What ``isolab class`` can do, in the order of a term."""

PART = "part"
"""What a controller asks a host for; not for people."""
MEANWHILE = frozenset({"status", "message", "collect", "down", "serve"})
"""What goes on with the class as it was at its last ``up`` while its file or roster is wrong."""


def act(action: str, path: str, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Do this with a class. Raises SpecError for an unknown action, and what the action raises."""
    check_format(options.form)
    if action == PART:
        from orchestrator.cli.classes.part import part  # with modules that no other verb needs

        return part()
    if action not in ACTIONS:
        hint = did_you_mean(action, ACTIONS) or f"actions: {', '.join(ACTIONS)}"
        raise SpecError(f"isolab class cannot {action!r}", hint=hint)
    module = import_module(f"{__name__}.{action}")
    from orchestrator.cli.classes.clustered import clustered

    found = clustered(_loaded(path, action), options.cluster)
    from orchestrator.cli.classes.around import around  # likewise

    return around(action, found, options, lambda: module.act(found, further, options))


def _loaded(path: str, action: str) -> LoadedClass:
    """Return the class. That it is over is a mistake only for what begins it, unless somebody was given more
    time. Raises SpecError."""
    from orchestrator.classes.load import load_class  # with modules that no other verb needs
    from orchestrator.classes.time_limits import with_time

    try:
        found = load_class(Path(path), starting=action == "plan")
    except SpecError as wrong:
        return _as_it_was(path, action, wrong)
    if action == "up" and not with_time(found, found.seats):
        return load_class(Path(path), starting=True)
    return found


def _as_it_was(path: str, action: str, wrong: SpecError) -> LoadedClass:
    """Return the class as it was at its last ``up``, for actions that must be possible in the middle of an
    edit. Raises ``wrong`` if there is none, and for other actions."""
    from orchestrator.classes.last_good import last_good  # likewise

    found = last_good(Path(path)) if action in MEANWHILE else None
    if found is None:
        raise wrong
    why = str(wrong.problems[0]) if wrong.problems else wrong.message
    write_error(f"{why}\n  going on with the class as it was at the last `class up`\n")
    return found
