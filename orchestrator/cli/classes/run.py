"""class run: run a command on each machine, and show the answers side by side."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.work.command import Ran, alike, run_everywhere
from orchestrator.cli.classes.acting import NOBODY, UP_FIRST, acting
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit, SpecError, Unavailable
from orchestrator.formatting import counted, whole_lines

MOST_NAMED = 12
MOST_LINES = 40
MOST_SHOWN = 2000
"""Characters of an answer on the screen; JSON has all that was kept."""


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Run the command as the student. Exit code 3 if a machine gave no answer, else 1 if the command failed
    on one, else 0."""
    options.refuse("run", "watch", "prune", "out")
    if not further:
        raise SpecError("isolab class run: which command?", hint="isolab class run CLASS -- COMMAND")
    seats = options.seats(found)
    words = "the command was stopped on machines where it still ran"
    with acting(found, seats, options.form, words) as (progress, cancellation):
        answers = run_everywhere(found, seats, further, progress, cancellation)
    if options.form == JSON:
        say_json(
            {"command": shlex.join(further), "machines": [asdict(one) for one in answers]},
        )
    if not answers:
        raise Unavailable(NOBODY, hint=UP_FIRST)
    if options.form != JSON:
        say("\n\n".join("\n".join(_lines(group)) for group in alike(answers)))
    if any(one.problem for one in answers):
        return Exit.INFRASTRUCTURE
    return Exit.PASSED if all(one.succeeded for one in answers) else Exit.FAILED


def _lines(group: Sequence[Ran]) -> Iterator[str]:
    names = [one.name for one in group]
    first = group[0]
    who = ", ".join(names[:MOST_NAMED]) + (
        f", … and {len(names) - MOST_NAMED} more" * (len(names) > MOST_NAMED)
    )
    how = first.problem or first.ending
    number = f"{counted(len(names), 'machine')} " if len(names) > 1 else ""
    yield f"== {number}({how}): {who}" if number else f"== {who} ({how})"
    for text, mark in ((first.stdout, "  "), (first.stderr, "  ! ")):
        if text:
            lines = whole_lines(text.rstrip("\n"), MOST_SHOWN).split("\n")
            yield from (f"{mark}{line}" for line in lines[:MOST_LINES])
            if len(lines) > MOST_LINES:
                yield f"{mark}… (and more: --format json has all)"
    if first.cut:
        yield "  … (more was printed than is kept)"
