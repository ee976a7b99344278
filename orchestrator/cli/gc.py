"""gc: remove what crashed runs left behind."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from orchestrator.classes.gateway.leftovers import reclaim_gateways
from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit
from orchestrator.machines.journal import Journal
from orchestrator.run import foreign as others
from orchestrator.run.gc import reclaim, reclaim_foreign
from orchestrator.sessions.lookup import session_machines


def gc(form: str, forget: bool = False, foreign: str = "") -> Exit:
    """Remove leftovers and print them; running machines are not touched. With ``forget``, give up those
    on remote machines that do not respond. With ``foreign``, remove only what carries this token, of a
    state folder that no longer exists.

    Raises TeardownError for what could not be removed, SpecError for a token in use.
    """
    check_format(form)
    if foreign:
        removed = _removed(reclaim_foreign(others.chosen(foreign).folder), form)
    else:
        removed = _removed(chain(reclaim_gateways(), reclaim(Journal(), forget=forget)), form)
    alone = _left_alone()
    if form == JSON:
        say_json({"removed": removed, "left_alone": alone})
        return Exit.PASSED
    if not removed:
        say("nothing to remove")
    for words in alone:
        say(words)
    staying = [r for r in session_machines() if not r.coming]
    if staying:
        say(f"running machines: {len(staying)} (see `isolab status`; `isolab down --all` takes them down)")
    return Exit.PASSED


def _removed(found: Iterable[str], form: str) -> list[str]:
    removed = []
    for what in found:
        removed.append(what)
        if form != JSON:
            say(f"removed {what}")
    return removed


def _left_alone() -> list[str]:
    """Return sentences about what only its owner, or ``--foreign``, may remove."""
    orphans = [other.describe() for other in others.elsewhere() if not other.owned and not other.empty]
    return orphans + [
        f"left alone: {folder}, of an older isolab and in no journal; remove it if that one is not in use"
        for folder in others.of_older_isolab()
    ]
