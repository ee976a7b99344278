"""class collect: copy the home folders into the class's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import COLLECTED
from orchestrator.classes.work.collect import Collected, collect
from orchestrator.classes.work.not_taken import not_taken
from orchestrator.cli.classes.acting import acting, refuse_further
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json, table
from orchestrator.errors import Exit
from orchestrator.formatting import counted, size_words


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Copy what changed, and say what came and what was skipped. Exit code 3 if a home folder could not be
    read."""
    options.refuse("collect", "watch", "prune")
    refuse_further("collect", further)
    seats = options.seats(found)
    target = Path(options.out) if options.out else found.folder / COLLECTED
    words = "copies that were not complete are as they were"
    with acting(found, seats, options.form, words, "the same command goes on") as (progress, cancellation):
        done = collect(found, seats, progress, cancellation, target)
    if options.form == JSON:
        say_json({"folder": str(target), "machines": [_data(one, target) for one in done]})
    else:
        _print(done, target)
    return Exit.INFRASTRUCTURE if any(one.problem for one in done) else Exit.PASSED


def _data(one: Collected, target: Path) -> dict[str, Any]:
    where = str(target / one.seat / one.machine)
    return {**asdict(one), "time": one.time.isoformat() if one.time else None, "folder": where}


def say_not_taken(done: Sequence[Collected]) -> None:
    """Say what was not taken of home folders; JSON has all of it."""
    for line in not_taken(done, " (--format json has all)"):
        say(line)


def _print(done: Sequence[Collected], target: Path) -> None:
    rows = [
        (
            f"{one.seat}/{one.machine}",
            str(one.files) if not one.problem and one.time else "–",
            str(one.fresh),
            size_words(one.size),
            str(one.gone),
            str(len(one.skipped)),
            one.problem or ("" if one.time else "never up"),
        )
        for one in done
    ]
    say(table(("HOME", "FILES", "NEW", "SIZE", "DELETED", "SKIPPED", ""), rows))
    if any(one.skipped for one in done):
        say("")
        say_not_taken(done)
    fresh, size = sum(one.fresh for one in done), sum(one.size for one in done)
    failed = sum(1 for one in done if one.problem)
    say(f"\n{counted(fresh, 'file')} ({size_words(size)}) came to {target}")
    if failed:
        say(f"{counted(failed, 'home folder')} could not be read; the copies before are still there")
        say("`isolab class up` brings up machines that are not; then collect again")
