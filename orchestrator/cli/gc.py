"""gc: remove what crashed runs left behind."""

from __future__ import annotations

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit
from orchestrator.machines.journal import Journal
from orchestrator.run.gc import reclaim
from orchestrator.sessions.lookup import session_machines


def gc(form: str, forget: bool = False) -> Exit:
    """Remove leftovers and print them; running machines are not touched. With ``forget``, give up those
    on remote machines that do not respond.

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
        say("nothing to remove")
    staying = [r for r in session_machines() if not r.coming]
    if staying and form != JSON:
        say(f"running machines: {len(staying)} (see `isolab status`; `isolab down --all` takes them down)")
    return Exit.PASSED
