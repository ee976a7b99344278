"""What actions on the machines of a class share: progress, Ctrl-C, the SSH client."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.cli.output import JSON
from orchestrator.cli.signals import stop_signals
from orchestrator.cli.ssh import need_client
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, SpecError
from orchestrator.formatting import printable
from orchestrator.progress import Progress, shown

NOBODY = "no machine of these students is up"
UP_FIRST = "`isolab class up CLASS` brings them up"


@contextmanager
def acting(
    found: LoadedClass, seats: Sequence[Seat], form: str, words: str, hint: str = ""
) -> Iterator[tuple[Progress, Cancellation]]:
    """Provide progress and a cancellation for work on the machines of these seats; Ctrl-C ends it with these
    ``words``."""
    cancellation = Cancellation()
    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            need_client(machines_of(found, seats))
            yield progress, cancellation
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {words}", hint=hint) from None


def refuse_further(action: str, further: Sequence[str]) -> None:
    """Raise SpecError for arguments of an action that takes none."""
    if further:
        words = f"isolab class {action} takes no {printable(further[0])!r}"
        raise SpecError(words, hint=f"isolab class {action} CLASS")
