"""isolab class down: take everybody's machines down."""

from __future__ import annotations

from orchestrator.classes.background import stop_service
from orchestrator.classes.down import Down, bring_down
from orchestrator.classes.leftovers import remove_leftovers
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import COLLECTED
from orchestrator.cli.classes.acting import acting, refuse_further
from orchestrator.cli.classes.collect import say_not_taken
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit
from orchestrator.formatting import counted
from orchestrator.progress import write_error


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Collect, and take machines down. Returns 3 if one could not be, or its work could not be collected; of
    an examination also if one file was not."""
    refuse_further("down", further)
    options.refuse("down", "watch", "out", "prune")
    seats, everything = options.seats(found), not options.some
    words = "some machines may be up"
    with acting(found, seats, options.form, words, "`isolab class down` goes on") as (progress, cancellation):
        if everything:
            stop_service(found)  # which would start the gateway again
        remove_leftovers(progress)
        done = bring_down(found, seats, progress, cancellation, everything=everything)
    if options.form == JSON:
        say_json(_data(found, done))
    else:
        _say(found, done)
    return Exit.INFRASTRUCTURE if done.failed else Exit.PASSED


def _data(found: LoadedClass, done: Down) -> dict[str, object]:
    return {
        "class": found.name,
        "down": [str(place) for place in done.gone],
        "collected": sum(one.fresh for one in done.collected),
        "not_taken": {f"{one.seat}/{one.machine}": one.skipped for one in done.collected if one.skipped},
        "destroyed": [str(place) for place in done.destroyed],
        "failed": list(done.failed),
    }


def _say(found: LoadedClass, done: Down) -> None:
    fresh = sum(one.fresh for one in done.collected)
    if done.collected:
        say(f"{counted(fresh, 'file')} new or changed came to {found.folder / COLLECTED}")
        say_not_taken(done.collected)
    kept = "home folders are kept"
    if found.spec.exam:
        kept = f"{counted(len(done.destroyed), 'home folder')} destroyed"
    say(f"{found.name}: {counted(len(done.gone), 'machine')} taken down; {kept}")
    for words in done.failed:
        write_error(f"{words}\n")
