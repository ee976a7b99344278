"""gc: remove what crashed runs left behind."""

from __future__ import annotations

from orchestrator.errors import Exit
from orchestrator.ledger import Ledger
from orchestrator.reclaim import reclaim
from orchestrator.verbs.output import JSON, check_format, say, say_json


def gc(form: str, forget: bool = False) -> Exit:
    """Remove leftovers and name them; ``forget`` those on machines that do not answer.

    Raises TeardownError for what could not be removed.
    """
    check_format(form)
    removed = []
    for what in reclaim(Ledger(), forget=forget):
        removed.append(what)
        if form != JSON:
            say(f"removed {what}")
    if form == JSON:
        say_json({"removed": removed})
    elif not removed:
        say("nothing was left behind")
    return Exit.PASSED
