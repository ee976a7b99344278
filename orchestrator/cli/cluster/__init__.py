"""The verbs of a cluster, on the controller and on its hosts; ``isolab cluster ACTION HOSTS``: a module for
each action."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from orchestrator.cli.cluster.options import ClusterOptions, open_hosts
from orchestrator.cli.output import check_format
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.suggest import did_you_mean

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "up": "bring all hosts to this version of isolab, start what places jobs, make images and templates",
        "status": "hosts, load, guests, leases, versions, clocks",
        "drain": "a host takes no new jobs: drain HOSTS HOST; --undo lets it take some again",
        "down": "end what `up` started; running machines are listed and stay up",
    }
)


def act(action: str, path: str, host: str, form: str, *, cold: bool, undo: bool) -> Exit:
    """Do this with a cluster. Raises SpecError for an unknown action, and what the action raises."""
    check_format(form)
    if action not in ACTIONS:
        hint = did_you_mean(action, ACTIONS) or f"actions: {', '.join(ACTIONS)}"
        raise SpecError(f"isolab cluster cannot {action!r}", hint=hint)
    if not path:
        raise SpecError(
            "which cluster?", hint=f"isolab cluster {action} hosts.yaml, or set ISOLAB_CLUSTER=hosts.yaml"
        )
    options = ClusterOptions(host, form, cold, undo)
    options.refuse(action)
    module = import_module(f"{__name__}.{action}")
    found: Exit = module.act(open_hosts(path), options)
    return found
