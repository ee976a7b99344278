"""gc: remove what crashed runs left behind."""

from __future__ import annotations

import itertools

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit
from orchestrator.machines.journal import Ledger
from orchestrator.run.gc import reclaim
from orchestrator.sessions.lifecycle import tidy
from orchestrator.sessions.lookup import residents


def gc(form: str, forget: bool = False) -> Exit:
    """Remove leftovers and name them; machines that stay are none. ``forget`` those on machines
    that do not answer.

    Raises TeardownError for what could not be removed.
    """
    check_format(form)
    removed = []
    for what in itertools.chain(reclaim(Ledger(), forget=forget), tidy()):
        removed.append(what)
        if form != JSON:
            say(f"removed {what}")
    if form == JSON:
        say_json({"removed": removed})
    elif not removed:
        say("nothing was left behind")
    staying = [r for r in residents() if not r.coming]
    if staying and form != JSON:
        say(f"{len(staying)} machines stay until they are taken down: isolab status, isolab down --all")
    return Exit.PASSED
