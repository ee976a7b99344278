"""isolab agent: what a controller starts on a host over SSH."""

from __future__ import annotations

import sys
import threading
import time

from orchestrator.cli.output import say
from orchestrator.cli.signals import stop_signals
from orchestrator.cluster.agent.background import connected, serve
from orchestrator.cluster.agent.labs import bundle_format
from orchestrator.cluster.agent.paths import agent_place
from orchestrator.cluster.agent.relay import relay
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import printable

_KEPT = "\n"


def agent(being_it: bool) -> Exit:
    """Relay between standard input and output and this host's agent, started if there is none; or be that
    agent (``being_it``), in the foreground. Raises Unavailable if it does not start, SpecError for a
    terminal."""
    place = agent_place()
    if not being_it:
        if sys.stdin.isatty():
            raise SpecError(
                "`isolab agent` talks to a program, not to people",
                hint="a controller starts it over SSH: see `isolab help cluster`; --serve runs it here",
            )
        relay(connected(place))
        return Exit.PASSED
    stop = threading.Event()
    try:
        with stop_signals():
            if not serve(place, bundle_format(), stop, _say):
                _say("there is an agent of this state already")
    except KeyboardInterrupt:
        place.wanted.unlink(missing_ok=True)
        _say("ended by a signal: its units are torn down")
    return Exit.PASSED


def _say(words: str) -> None:
    say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {printable(words, keep=_KEPT)}")
