"""Where the records of a run come from: this host, or the hosts of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.cluster.options import open_hosts
from orchestrator.errors import SpecError

if TYPE_CHECKING:
    from orchestrator.run.run import Source


def source_of(path: str, pins: Sequence[str] = (), machines: tuple[str, ...] = ()) -> Source | None:
    """Return where a run's records come from: the cluster of a hosts file, with some ``machines`` bound by
    ``pins``; None for this host. Raises SpecError, Unavailable."""
    if not path:
        if pins:
            raise SpecError(
                "--pin binds machines to hosts of a cluster", hint="name its hosts file: --cluster"
            )
        return None
    from orchestrator.cli.cluster.plan import parse_pins, require_pins  # with modules that others do not need
    from orchestrator.cluster.run import ClusterSource

    cluster, bound = open_hosts(path), parse_pins(tuple(pins))
    require_pins(bound, cluster, machines)
    return ClusterSource(cluster, bound).results
