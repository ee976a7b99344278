"""isolab class serve: the class's service in the foreground."""

from __future__ import annotations

import threading
import time

from orchestrator.classes import gateway
from orchestrator.classes.background import being_the_service
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.service import Service
from orchestrator.cli.classes.acting import refuse_further
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import say
from orchestrator.cli.signals import stop_signals
from orchestrator.deadline import Cancellation
from orchestrator.errors import Exit


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Serve until Ctrl-C. Raises Unavailable if the class is served already."""
    refuse_further("serve", further)
    options.refuse("serve", "watch", "out", "prune", "students", "groups")
    stop, cancellation = threading.Event(), Cancellation()
    with being_the_service(found):
        gateway.start(found)
        service = Service(found, _say)
        _say(f"serving {found.name}: students get in over SSH at {gateway.endpoint(found)}")
        try:
            with stop_signals():
                service.run(stop, cancellation)
        except KeyboardInterrupt:
            cancellation.cancel()
            _say("ended; machines and the gateway stay")
    return Exit.PASSED


def _say(words: str) -> None:
    say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {words}")
