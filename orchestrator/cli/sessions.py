"""up, status, reset, down: manage running machines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from orchestrator import drivers
from orchestrator.cli.choose import chosen
from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, mib, say, say_json, table
from orchestrator.cli.signals import stop_signals
from orchestrator.deadline import Cancellation
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import ReportsMemory
from orchestrator.drivers.model import Handle
from orchestrator.errors import Exit, Interrupted, LabError, SpecError, Unavailable
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import NAME_PATTERN
from orchestrator.machines.journal import Journal
from orchestrator.paths import cache_dir
from orchestrator.progress import Progress, shown, write_error
from orchestrator.results.store import require_space
from orchestrator.run.adhoc import lab_of_machines
from orchestrator.run.gc import reclaim_killed
from orchestrator.run.run import Selection, announce
from orchestrator.sessions.lifecycle import Failure, bring_up, held, renew, side_by_side, take_down
from orchestrator.sessions.lookup import SessionMachine, State, ask_all, chosen_in, select, session_machines


def up(
    path: str,
    only: tuple[str, ...],
    cold: bool,
    session: str,
    form: str,
    machines: tuple[str, ...] = (),
    thaw: bool = False,
) -> Exit:
    """Bring up those machines of a lab that are not up, and leave them running. Returns 3 if one fails.

    Without a lab, ``machines`` are brought up, named for what they are: ``s390x``, ``vm``.
    """
    check_format(form)
    lab, session = lab_and_session(path, machines, session)
    only = chosen(only, list(lab.lab.machines), "machine")
    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            reclaim_killed(Journal(), progress)
            require_space(cache_dir())
            choice = Selection(machines=only, cold=cold, thaw=thaw)
            announce(lab, choice, progress)
            raised = bring_up(lab, session, choice, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: machines this command started were removed") from None
    if form == JSON:
        say_json(
            {
                "session": session,
                "up": [r.machine for r in raised.came],
                "were_up": [r.machine for r in raised.were_there],
                "failed": _failure_rows(raised.failures),
            }
        )
    else:
        _say_up(session, raised.came, raised.were_there)
        _complain(raised.failures)
    return Exit.INFRASTRUCTURE if raised.failures else Exit.PASSED


def lab_and_session(path: str, machines: tuple[str, ...], session: str) -> tuple[LoadedLab, str]:
    """Return the lab that ``up`` means, and the name of its session: by default the lab's. Raises
    SpecError."""
    import re

    if bool(path) == bool(machines):
        raise SpecError(
            "name a lab, or machines with --machine (not both)",
            hint="isolab up separation, or isolab up --machine s390x",
        )
    lab = open_lab(path) if path else lab_of_machines(machines)
    session = session or lab.lab.lab
    if not re.match(NAME_PATTERN, session):
        raise SpecError(
            f"invalid session name {session!r}", hint="use lower-case letters, digits and hyphens"
        )
    return lab, session


def _say_up(session: str, came: Sequence[SessionMachine], were_there: Sequence[SessionMachine]) -> None:
    if were_there:
        already = ", ".join(r.machine for r in were_there)
        say(f"{session}: {'already' if came else 'all machines already'} up: {already}")
    for machine in came:
        handle = machine.handle
        how = handle.data.get("start", "")
        about = f"{handle.boundary}, {handle.arch}" + (f", {how}" if how else "")
        say(f"{machine.name} is up ({about}): isolab ssh {machine.name}")


def status(form: str) -> Exit:
    """List the running machines, and whether they respond now."""
    check_format(form)
    there = session_machines()
    rows = [_about(r, *state) for r, state in zip(there, ask_all(there), strict=True)]
    if form == JSON:
        say_json({"machines": rows})
        return Exit.PASSED
    if not rows:
        say("no running machines; `isolab up LAB` starts some")
        return Exit.PASSED
    head = ("MACHINE", "STATE", "DRIVER", "BOUNDARY", "ARCH", "ACCEL", "START", "SINCE", "MEMORY", "IN USE")
    say(table(head, [_cells(row) for row in rows]))
    for row in rows:
        if row["reason"]:
            say(f"{row['name']}: {row['reason']}")
    return Exit.PASSED


def _about(machine: SessionMachine, state: State, reason: str) -> dict[str, Any]:
    member, handle = machine.member, machine.handle
    driver = drivers.load(handle.driver)
    limited = TRAITS[handle.driver].limits_memory
    return {
        "name": machine.name,
        "session": machine.session,
        "machine": machine.machine,
        "lab": member.lab,
        "driver": handle.driver,
        "arch": handle.arch,
        "boundary": handle.boundary,
        "accel": handle.accel,
        "start": handle.data.get("start", ""),
        "state": state.value,
        "reason": reason,
        "since": member.since,
        "memory": member.order.machine.memory if member.order and limited else 0,
        "memory_in_use": driver.memory(handle) if isinstance(driver, ReportsMemory) else None,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    since = row["since"][:16].replace("T", " ")
    memory = mib(row["memory"]) if row["memory"] else "-"
    used = mib(row["memory_in_use"]) if row["memory_in_use"] else "-"
    words = [row[key] for key in ("name", "state", "driver", "boundary", "arch", "accel")]
    return [*words, row["start"] or "-", since, memory, used]


def reset(names: tuple[str, ...], form: str) -> Exit:
    """Replace machines by fresh ones, with a new identity. Returns 3 if one fails."""
    check_format(form)
    there, cancellation = select(names, coming=True), Cancellation()

    def one(machine: SessionMachine, progress: Progress) -> Handle:
        progress.tell(f"{machine.name}: discarding it with everything in it and starting a fresh one")
        return renew(machine, progress, cancellation)

    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            results = _in_sessions(there, names, lambda r: one(r, progress), cancellation, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: `isolab status` shows what is left") from None
    failures = [Failure(r.name, found) for r, found in results if isinstance(found, LabError)]
    if form == JSON:
        fresh = [r.name for r, found in results if not isinstance(found, LabError)]
        say_json({"reset": fresh, "failed": _failure_rows(failures)})
    else:
        for machine, found in results:
            if not isinstance(found, LabError):
                start = found.data.get("start", "")
                say(f"{machine.name} is up again, fresh" + (f" ({start})" if start else ""))
        _complain(failures)
    return Exit.INFRASTRUCTURE if failures else Exit.PASSED


def _in_sessions(
    there: Sequence[SessionMachine],
    names: Sequence[str],
    work: Any,
    cancellation: Cancellation,
    progress: Progress,
) -> list[tuple[SessionMachine, Any]]:
    """Work on machines in parallel, session by session, holding each session's lock; chosen again under
    it, as whoever held it may have replaced them."""
    results: list[tuple[SessionMachine, Any]] = []
    for session in dict.fromkeys(r.session for r in there):
        with held(session, progress):
            chosen = chosen_in(session, names)
            results += side_by_side(work, chosen, cancellation)
        found = {r.name for r in chosen}
        results += [(r, _vanished(r)) for r in there if r.session == session and r.name not in found]
    return results


def _vanished(machine: SessionMachine) -> LabError:
    return Unavailable(
        f"{machine.name} was taken down by another isolab", hint=f"`isolab up {machine.member.lab}`"
    )


def down(names: tuple[str, ...], everything: bool, form: str) -> Exit:
    """Take machines down. Returns 3 if one cannot be removed."""
    check_format(form)
    if bool(names) == everything:
        listed = ", ".join(r.name for r in session_machines()) or "none"
        raise SpecError(
            "name machines or sessions, or use --all (not both)", hint=f"running machines: {listed}"
        )
    there = session_machines() if everything else select(names, coming=True)
    failures: list[Failure] = []
    chosen: list[SessionMachine] = []
    with shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
        for session in dict.fromkeys(r.session for r in there):
            with held(session, progress):
                # Only now: whoever held the session may have replaced its machines, or added some.
                mine = chosen_in(session, names)
                failures += take_down(mine, progress)
                chosen += mine
    stuck = {failure.machine for failure in failures}
    gone = [r.name for r in chosen if r.name not in stuck]
    if form == JSON:
        say_json({"down": gone, "failed": _failure_rows(failures)})
    else:
        for name in gone:
            say(f"{name} was taken down")
        if not chosen:
            say("no running machines" if everything else "already taken down by another isolab")
        _complain(failures)
    return Exit.INFRASTRUCTURE if failures else Exit.PASSED


def _failure_rows(failures: Sequence[Failure]) -> list[dict[str, str]]:
    return [{"machine": f.machine, "reason": f.problem.message, "hint": f.problem.hint} for f in failures]


def _complain(failures: Sequence[Failure]) -> None:
    for failure in failures:
        write_error(f"isolab: {failure.problem.describe_for(failure.machine)}\n")
