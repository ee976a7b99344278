"""isolab class up: bring up everybody's machines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta

from orchestrator.classes import gateway
from orchestrator.classes.background import start_service
from orchestrator.classes.classfile.check_times import MORE_TIME
from orchestrator.classes.entrances import host_of, require_entrances
from orchestrator.classes.hosts import chosen
from orchestrator.classes.last_good import keep
from orchestrator.classes.leftovers import remove_leftovers
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.new_seats import told_of_new
from orchestrator.classes.time_limits import with_time
from orchestrator.classes.up import Up, bring_up
from orchestrator.cli.classes.acting import refuse_further
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import counted
from orchestrator.paths import cache_dir
from orchestrator.progress import shown, write_error
from orchestrator.results.store import require_space

LINK_HOURS = 24


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Bring up what is missing. Returns 3 if a machine did not come up."""
    refuse_further("up", further)
    options.refuse("up", "watch", "out")
    seats = _in_time(found, options.seats(found))
    rows = sys.stderr is not None and sys.stderr.isatty()
    try:
        with stop_signals(), shown(quiet=options.form == JSON and rows) as progress:
            remove_leftovers(progress)
            require_space(cache_dir())
            require_entrances(found)
            keep(found)
            chosen.keep(found)
            for words in told_of_new(found, seats):
                progress.tell(words)
            up = bring_up(found, seats, progress, prune=options.prune, rows=rows)
            if words := gateway.start(found):
                progress.tell(words)
            progress.doing(found.name, "starting the class's service")
            start_service(found)
            progress.done(found.name)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted: the machines that are up stay up", hint="`isolab class up` goes on"
        ) from None
    if options.form == JSON:
        say_json(_data(found, up))
    else:
        _say(found, up)
    return Exit.INFRASTRUCTURE if up.failed else Exit.PASSED


def _in_time(found: LoadedClass, seats: Sequence[Seat]) -> list[Seat]:
    """Return those of these seats that may come up; who is left out is told. Raises SpecError if nobody
    may."""
    left = with_time(found, seats)
    over = ", ".join(seat.name for seat in seats if seat not in left)
    if seats and not left:
        raise SpecError(f"the time of {over} is up", hint=MORE_TIME.removeprefix("or "))
    if over:
        write_error(f"not brought up, since their time is up: {over}\n")
    return left


def _data(found: LoadedClass, up: Up) -> dict[str, object]:
    return {
        "class": found.name,
        "up": [str(place) for place in up.came],
        "were_up": [str(place) for place in up.were_there],
        "failed": [
            {
                "machine": str(one.place),
                "message": one.problem.message,
                "hint": one.problem.hint,
                "logs": str(one.logs or ""),
            }
            for one in up.failed
        ],
        "left_the_roster": list(up.left),
    }


def _say(found: LoadedClass, up: Up) -> None:
    there = f"; {len(up.were_there)} were up already" if up.were_there else ""
    say(f"{found.name}: {counted(len(up.came), 'machine')} came up{there}")
    port = gateway.endpoint(found).port
    way_in = f"ssh -p {port} {gateway.login_name()}@{host_of(found)}"
    say(f"students get in by `{way_in}`; `isolab class handout` writes how for each")
    if found.spec.access.web is not None:
        from orchestrator.classes.web.tokens import (  # not for a class without pages
            LECTURER,
            behind_a_proxy,
            issue_only,
        )

        if up.waited:  # a new link would end the one that the other `up` prints now
            say("the link of your page is what the `up` before this one printed; `up` again makes another")
        else:
            link = issue_only(found, LECTURER, timedelta(hours=LINK_HOURS))
            say(f"your page of the class, for {LINK_HOURS} hours: {link}")
        if words := behind_a_proxy(found):
            say(words)
    for seat in up.left:
        write_error(f"{seat} is not on the roster any more; its machines are up until `class up --prune`\n")
    for one in up.failed:
        logs = f"\n  its logs are in {one.logs}" if one.logs else ""
        write_error(f"{one.place} did not come up: {one.problem.describe()}{logs}\n")
