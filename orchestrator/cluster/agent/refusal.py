"""What an agent does not do, and says so."""

from __future__ import annotations

from orchestrator.errors import Unavailable


class Refused(Unavailable):
    """An agent refused a request: nothing was begun."""


class StaleEpoch(Refused):
    """A unit was given with an epoch below one that this host has seen: whoever gave it is late."""
