"""Show a text to everybody who is in: on all terminals of their machines, and on the class's board."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator import drivers
from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.work.one_line import one_line
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, SpecError, TransportError, from_os
from orchestrator.formatting import printable
from orchestrator.progress import Progress
from orchestrator.sessions.lifecycle import side_by_side
from orchestrator.sessions.lookup import SessionMachine

MOST_CHARACTERS = 2000
SHOW_SECONDS = 60.0

_SHOW = """\
text=$(cat)
shown=0
for line in /dev/pts/[0-9]*; do
  [ -c "$line" ] || continue
  { timeout 3 sh -c 'printf "%s\\n" "$1" >"$2"' sh "$text" "$line" 2>/dev/null; } &
  shown=$((shown + 1))
done
wait
echo "$shown"
"""
"""The text comes on standard input and is only ever an argument of printf. A terminal that somebody has
stopped (Ctrl-S) takes nothing: it is not waited for."""


@dataclass(frozen=True)
class Shown:
    """On how many ``terminals`` of one machine a text was shown. ``problem`` says why on none, "" if it was
    tried."""

    seat: str
    machine: str
    terminals: int = 0
    problem: str = ""


def message(
    found: LoadedClass,
    seats: Sequence[Seat],
    text: str,
    progress: Progress,
    cancellation: Cancellation,
) -> list[Shown]:
    """Show a text on every terminal of the machines of these seats that are up, and record it for the seats;
    returns one for each machine. What cannot be printed in the text is escaped.

    Raises SpecError for an empty text or one of more than ``MOST_CHARACTERS``, Interrupted.
    """
    words = checked(text)
    raw = render(words, datetime.now().astimezone())
    activity = Activity(found)
    for seat in seats:
        activity.add(Event(seat.name, Kind.MESSAGE, detail=words.replace("\n", " ")))

    def one(machine: SessionMachine) -> Shown:
        try:
            return Shown("", "", _show(machine, raw, cancellation))
        except OSError as problem:
            raise from_os(problem) from None
        finally:
            progress.done(machine.name)

    there = [machine for machine in machines_of(found, seats) if not machine.coming]
    results = side_by_side(one, there, cancellation)
    cancellation.check()
    return [
        Shown(found.seat_of(machine.session), machine.machine, problem=one_line(done))
        if isinstance(done, LabError)
        else Shown(found.seat_of(machine.session), machine.machine, done.terminals)
        for machine, done in results
    ]


def checked(text: str) -> str:
    """Return a text as it may be shown anywhere: line ends are the only control characters. Raises SpecError
    for one that is empty or too long."""
    words = printable(text.strip().replace("\r\n", "\n"), keep="\n\t").expandtabs()
    if not words:
        raise SpecError("the text of the message is empty", hint="isolab class message CLASS TEXT")
    if len(words) > MOST_CHARACTERS:
        raise SpecError(
            f"a message has at most {MOST_CHARACTERS} characters, and this one {len(words)}",
            hint="put the rest into a file, and use `isolab class push`",
        )
    return words


def render(words: str, now: datetime) -> bytes:
    """Return what is written to a terminal, which may be in raw mode: a heading, the text, a bell. Pure."""
    lines = ["", f"*** Message to the class, {now:%H:%M}:", *words.split("\n"), "***"]
    return ("\r" + "\r\n".join(lines) + "\a").encode()


def _show(machine: SessionMachine, raw: bytes, cancellation: Cancellation) -> int:
    deadline = cancellation.deadline(SHOW_SECONDS)
    with drivers.load(machine.handle.driver).connect(machine.handle, deadline) as transport:
        done = transport.run(["/bin/sh", "-c", _SHOW], deadline=deadline, stdin=raw)
    number = os.fsdecode(done.stdout).strip()
    if done.code != 0 or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise TransportError(f"{machine.name} cannot show a message")
    return int(number)
