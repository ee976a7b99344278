"""isolab class extend: more time."""

from __future__ import annotations

from orchestrator.classes.machines import there
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.units import parse_duration


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Add time for everybody, or for some."""
    options.refuse("extend", "watch", "out", "prune")
    if len(further) != 1:
        raise SpecError("how much more time?", hint="isolab class extend CLASS 15min --student ada")
    try:
        seconds = parse_duration(further[0])
    except ValueError as wrong:
        raise SpecError(f"{further[0]!r}: {wrong}", hint="such as 15min or 1h") from None
    if found.spec.end is None and found.spec.lifetime is None:
        raise SpecError(
            f"{found.name} has no end that could be put off",
            hint="`ends:` or `lifetime:` in class.yaml set one",
        )
    seats = options.seats(found)
    limits = TimeLimits(found)
    try:
        limits.extend([seat.name for seat in seats], seconds)
    except SpecError as wrong:
        raise SpecError(f"{further[0]!r}: {wrong}", hint=wrong.hint) from None
    ends = limits.ends()
    if options.form == JSON:
        say_json({"class": found.name, "ends": {seat.name: ends[seat.name].isoformat() for seat in seats}})
    else:
        until = sorted({ends[seat.name].astimezone().strftime("%Y-%m-%d %H:%M %z") for seat in seats})
        say(f"{found.name}: {further[0]} more for {counted(len(seats), 'seat')}: until {', '.join(until)}")
        up = {place.seat for place in there(found)}
        down = [seat.name for seat in seats if seat.name not in up]
        if down and len(down) < len(found.seats):
            names = ",".join(down)
            say(f"not up now: `isolab class up CLASS --student {names}` brings up their machines")
    return Exit.PASSED
