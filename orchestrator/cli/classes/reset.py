"""isolab class reset: fresh machines, the same home folders."""

from __future__ import annotations

import sys

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.reset import reset
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.progress import shown, write_error


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Replace the machines of some students. Returns 3 if one could not be."""
    options.refuse("reset", "watch", "out", "prune")
    if not options.some:
        raise SpecError(
            "whose machines are to be replaced?",
            hint="name them with --student or --group; further words name machines (none: all)",
        )
    quiet = options.form == JSON or not (sys.stderr is not None and sys.stderr.isatty())
    with stop_signals(), shown(quiet=quiet) as progress:
        done = reset(found, options.seats(found), further, progress)
    fresh = [str(place) for place, problem in done if problem is None]
    failed = {str(place): problem for place, problem in done if problem is not None}
    if options.form == JSON:
        problems = [{"machine": name, "message": one.message} for name, one in failed.items()]
        say_json({"class": found.name, "reset": fresh, "failed": problems})
    else:
        say(f"{found.name}: {counted(len(fresh), 'machine')} replaced; home folders are as they were")
        for name, problem in failed.items():
            write_error(f"{name}: {problem.describe()}\n")
    return Exit.INFRASTRUCTURE if failed else Exit.PASSED
