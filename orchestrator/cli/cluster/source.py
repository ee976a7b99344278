"""Where labs run, and work is graded: on this host, or on the hosts of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.cluster.options import open_hosts
from orchestrator.errors import SpecError

if TYPE_CHECKING:
    from orchestrator.cluster.model import Cluster
    from orchestrator.cluster.placement import Pins
    from orchestrator.grading.graders import Where
    from orchestrator.run.run import Source

Unsure = dict[str, float]
"""Hosts that do not say that a run's machines are gone: within how many seconds these end by themselves."""


def source_of(
    path: str,
    pins: Sequence[str] = (),
    machines: tuple[str, ...] = (),
    unsure: Unsure | None = None,
) -> Source | None:
    """Return where a run's records come from: the cluster of a hosts file, with some ``machines`` bound by
    ``pins``; None for this host. ``unsure`` gets the hosts that do not say that machines are gone. Raises
    SpecError, Unavailable."""
    if (found := _cluster(path, pins, machines)) is None:
        return None
    from orchestrator.cluster.run import ClusterSource  # with modules that others do not need

    return ClusterSource(*found, {} if unsure is None else unsure).results


def where_of(path: str, pins: Sequence[str], machines: tuple[str, ...], unsure: Unsure) -> Where:
    """Return where work is graded, as ``source_of`` where a lab runs. Raises SpecError, Unavailable."""
    if (found := _cluster(path, pins, machines)) is None:
        from orchestrator.grading.worker import on_this_host

        return on_this_host
    from orchestrator.cluster.grade import OnCluster

    return OnCluster(*found, unsure)


def interrupted(kept: str, unsure: Unsure) -> str:
    """Return what is said after Ctrl-C: what became of machines, and what was ``kept``."""
    if not unsure:
        return f"interrupted: machines were removed, {kept}"
    names, seconds = ", ".join(sorted(unsure)), max(unsure.values())
    what = "does not say that its" if len(unsure) == 1 else "do not say that their"
    return (
        f"interrupted: {names} {what} machines are removed: they end by themselves within {seconds:.0f} s; "
        f"all others were removed, {kept}"
    )


def _cluster(path: str, pins: Sequence[str], machines: tuple[str, ...]) -> tuple[Cluster, Pins] | None:
    if not path:
        if pins:
            raise SpecError(
                "--pin binds machines to hosts of a cluster", hint="name its hosts file: --cluster"
            )
        return None
    from orchestrator.cli.cluster.plan import parse_pins, require_pins

    cluster, bound = open_hosts(path), parse_pins(tuple(pins))
    require_pins(bound, cluster, machines)
    return cluster, bound
