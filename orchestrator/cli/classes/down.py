"""isolab class down: take everybody's machines down."""

from __future__ import annotations

from orchestrator.classes.down import bring_down
from orchestrator.classes.model import LoadedClass
from orchestrator.cli.classes.acting import refuse_further
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.errors import Exit
from orchestrator.formatting import counted
from orchestrator.progress import shown, write_error


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Take machines down. Returns 3 if one could not be, or its work could not be collected."""
    refuse_further("down", further)
    options.refuse("down", "watch", "out", "prune")
    with stop_signals(), shown(quiet=options.form == JSON) as progress:
        done = bring_down(found, options.seats(found), progress, everything=not options.some)
    if options.form == JSON:
        say_json(
            {"class": found.name, "down": [str(place) for place in done.gone], "failed": list(done.failed)}
        )
    else:
        say(f"{found.name}: {counted(len(done.gone), 'machine')} taken down; home folders are kept")
        for words in done.failed:
            write_error(f"{words}\n")
    return Exit.INFRASTRUCTURE if done.failed else Exit.PASSED
