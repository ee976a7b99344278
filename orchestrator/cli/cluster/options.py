"""Which cluster a verb means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import SpecError, Unavailable
from orchestrator.progress import write_error

if TYPE_CHECKING:
    from orchestrator.cluster.model import Cluster


@dataclass(frozen=True)
class ClusterOptions:
    """Options of ``isolab cluster``; an action refuses what it has no use for."""

    host: str = ""
    form: str = "text"
    cold: bool = False
    undo: bool = False

    def refuse(self, action: str) -> None:
        """Raise SpecError for an option that this action has no use for."""
        useful = {"up": {"cold"}, "drain": {"host", "undo"}}.get(action, set())
        for name in ("host", "cold", "undo"):
            if getattr(self, name) and name not in useful:
                word = f"a host ({self.host})" if name == "host" else f"--{name}"
                hint = "see `isolab help cluster`"
                raise SpecError(f"isolab cluster {action} has no use for {word}", hint=hint)


def open_hosts(path: str) -> Cluster:
    """Return the cluster of a hosts file. Raises SpecError for mistakes in it, Unavailable without the
    extra."""
    from importlib.util import find_spec

    from orchestrator.cluster.hostfile.load import load_hosts

    if find_spec("distributed") is None:
        raise Unavailable(
            "several hosts need isolab's extra `cluster`, which is not installed",
            hint="in a checkout: .venv/bin/pip install --require-hashes -r requirements/cluster.txt; "
            "else: pipx inject isolab distributed",
        )
    return load_hosts(Path(path))


def complain(failed: Mapping[str, str]) -> None:
    """Say of each host or machine why it failed, on standard error."""
    for name, why in failed.items():
        write_error(f"isolab: {why if why.startswith(f'{name}: ') else f'{name}: {why}'}\n")
