"""gc: remove what crashed runs left behind."""

from __future__ import annotations

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit
from orchestrator.machines.journal import Journal
from orchestrator.run.gc import reclaim
from orchestrator.sessions.lookup import session_machines


def gc(form: str, forget: bool = False) -> Exit:
    """Remove leftovers and name them; machines that stay are none. ``forget`` those on machines
    that do not answer.

    Raises TeardownError for what could not be removed.
    """
    check_format(form)
    removed = []
    for what in reclaim(Journal(), forget=forget):
        removed.append(what)
        if form != JSON:
            say(f"removed {what}")
    if form == JSON:
        say_json({"removed": removed})
    elif not removed:
        say("nothing was left behind")
    staying = [r for r in session_machines() if not r.coming]
    if staying and form != JSON:
        say(f"{len(staying)} machines stay until they are taken down: isolab status, isolab down --all")
    return Exit.PASSED
