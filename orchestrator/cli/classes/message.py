"""class message: show a text to everybody who is in."""

from __future__ import annotations

from dataclasses import asdict

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.work.message import message
from orchestrator.cli.classes.acting import acting
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit
from orchestrator.formatting import counted


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Show the text on all terminals of the machines, and on the board. Exit code 3 if a machine did not take
    it."""
    options.refuse("message", "watch", "prune", "out")
    seats = options.seats(found)
    with acting(found, seats, options.form, "some have seen the message") as (progress, cancellation):
        done = message(found, seats, " ".join(further), progress, cancellation)
    failed = [one for one in done if one.problem]
    terminals = sum(one.terminals for one in done)
    if options.form == JSON:
        say_json({"terminals": terminals, "machines": [asdict(one) for one in done]})
    else:
        machines = sum(1 for one in done if one.terminals)
        say(f"shown on {counted(terminals, 'terminal')} of {counted(machines, 'machine')}")
        if not terminals:
            say("nobody is in; in the browser it is shown to those who come")
        for one in failed:
            say(f"{one.seat}/{one.machine}: {one.problem}")
    return Exit.INFRASTRUCTURE if failed else Exit.PASSED
