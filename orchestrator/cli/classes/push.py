"""class push: copy files into every home folder, or the starting files that are missing there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.work.push import Pushed, push_files, push_starting_files
from orchestrator.cli.classes.acting import NOBODY, UP_FIRST, acting
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json, table
from orchestrator.errors import Exit, Unavailable
from orchestrator.formatting import counted

MOST_LISTED = 12


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Copy these files; without any, what is missing of the starting files of the labs that are open. Exit
    code 3 if a machine did not take them."""
    options.refuse("push", "watch", "prune", "out")
    seats = options.seats(found)
    if not further and not found.open_labs():
        _say_none_open(found, options.form)
        return Exit.PASSED
    with acting(found, seats, options.form, "files copied so far stay") as (progress, cancellation):
        if further:
            done = push_files(found, seats, [Path(one) for one in further], progress, cancellation)
        else:
            done = push_starting_files(found, seats, progress, cancellation)
    if options.form == JSON:
        say_json({"machines": [asdict(one) for one in done]})
    elif done:
        _print(done, starting=not further)
    if not done:
        raise Unavailable(NOBODY, hint=UP_FIRST)
    return Exit.INFRASTRUCTURE if any(one.problem for one in done) else Exit.PASSED


def _say_none_open(found: LoadedClass, form: str) -> None:
    """Say that there are no starting files yet, and which lab is the next."""
    nexts = [(lab.spec.from_, lab.name) for lab in found.labs if lab.spec.from_]
    begin, name = min(nexts)
    if form == JSON:
        say_json({"machines": []})
    else:
        say(f"no lab is open yet; {name} opens at {begin.astimezone():%Y-%m-%d %H:%M %z}")


def _print(done: Sequence[Pushed], *, starting: bool) -> None:
    rows = [
        (f"{one.seat}/{one.machine}", str(one.files), str(len(one.left_alone)), one.problem) for one in done
    ]
    say(table(("HOME", "COPIED", "THERE ALREADY", ""), rows))
    kept = [f"{one.seat}/{one.machine}: {name}" for one in done for name in one.backed_up]
    if kept:
        say(f"\n{counted(len(kept), 'file')} of students had the same name; they are now called:")
        for words in kept[:MOST_LISTED]:
            say(f"  {words}")
        if len(kept) > MOST_LISTED:
            say(f"  … and {len(kept) - MOST_LISTED} more")
    if any(one.left_alone for one in done):
        same = "left alone, whatever is in it" if starting else "the same, and was not copied again"
        say(f"\nwhat was there already was {same}")
