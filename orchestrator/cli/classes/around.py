"""What is looked at around an action on a class's machines: that its service runs, and what its end left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from orchestrator.classes import gateway
from orchestrator.classes.background import log_of, service, start_service
from orchestrator.classes.classfile.check_times import MORE_TIME
from orchestrator.classes.machines import standing
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.overdue import left_behind, overdue
from orchestrator.classes.time_limits import with_time
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.errors import Exit
from orchestrator.progress import write_error

NEED_SERVICE = frozenset({"run", "push", "collect", "message", "extend", "reset"})
"""The actions that find out that the service has died, besides ``up``."""


def around(action: str, found: LoadedClass, options: ClassOptions, work: Callable[[], Exit]) -> Exit:
    """Do an action. The service is started again after it: it may take seats down at once, those that were
    just given more time not among them. ``down`` fails where home folders are left that were not collected.
    Raises what the action raises, Unavailable."""
    late = _late(found, options) if action == "down" else []
    code = work()
    for words in late:
        write_error(f"{words}\n")
    left = action in ("down", "collect") and _tell_left_behind(found, options)
    if left and action == "down" and code is Exit.PASSED:
        code = Exit.INFRASTRUCTURE
    if action in NEED_SERVICE:
        revive(found)
    return code


def revive(found: LoadedClass) -> bool:
    """Start the class's service again if it does not run although the class was brought up, and machines are
    up; returns whether it was started. Raises Unavailable."""
    if service(found) is not None or not gateway.wanted(found):
        return False
    if not any(one.alive for one in standing(found).values()):
        return False
    start_service(found)
    write_error(
        f"the service of {found.name} did not run: started again; what was due meanwhile it does now\n"
    )
    return True


def _late(found: LoadedClass, options: ClassOptions) -> list[str]:
    return overdue(found, [seat.name for seat in options.seats(found)], datetime.now(UTC))


def _tell_left_behind(found: LoadedClass, options: ClassOptions) -> bool:
    """Name home folders of an examination that is over which are not collected whole; returns whether there
    are any."""
    seats = options.seats(found)
    in_time = with_time(found, seats)
    names = left_behind(found, [seat for seat in seats if seat not in in_time])
    if names:
        more = MORE_TIME.removeprefix("or ").replace("--student ID", f"--student {','.join(names)}")
        write_error(
            f"home folders that were not collected whole after the end are kept: {', '.join(names)}\n"
            f"  hint: {log_of(found)} names what was not taken; of a machine that was dead then: "
            f"{more}, then `isolab class down CLASS`\n"
        )
    return bool(names)
