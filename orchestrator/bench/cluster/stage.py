"""What every measurement of a cluster needs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.bench.cluster import on_host
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import Cluster, ClusterHost
from orchestrator.cluster.supervisor.state_file import State, status
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import Exit, LabError, TimedOut
from orchestrator.host.tempdirs import working_folder
from orchestrator.progress import Progress

Command = Callable[[list[str], Sequence[Exit]], float]
"""Runs isolab with these arguments; returns the seconds it took. Raises LabError if it ends with another
status than those given."""
ANY = (Exit.PASSED, Exit.FAILED, Exit.INFRASTRUCTURE)
ASK_SECONDS, HEAL_SECONDS = 60.0, 300.0


@dataclass(frozen=True)
class Stage:
    """The hosts of a file, and what runs isolab on them. ``folder`` is for labs and results."""

    folder: Path
    hosts: HostsUp
    command: Command
    progress: Progress

    @property
    def file(self) -> Path:
        return self.hosts.cluster.file

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(host.name for host in self.hosts.cluster.hosts)

    def run(self, lab: Path, out: str, *more: str) -> float:
        """Run a lab on the hosts, all of which passes; returns seconds. Raises LabError."""
        words = ["run", str(lab), "--cluster", str(self.file), "--out", str(self.folder / out), *more]
        return self.command(words, (Exit.PASSED,))

    def cluster(self, action: str) -> float:
        """`isolab cluster ACTION`; returns seconds. Raises LabError."""
        return self.command(["cluster", action, str(self.file)], (Exit.PASSED,))

    def on(self, name: str, do: str, **about: Any) -> dict[str, Any]:
        """Have a host's part do something, see ``on_host``. Raises LabError."""
        host = self.host(name)
        argv = self.hosts.installed(host).python(*on_host.PROGRAM)
        asked = json.dumps({"do": do, **about}).encode()
        done = self.hosts.connection(host).run(argv, deadline=Deadline.after(ASK_SECONDS), stdin=asked)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise LabError(f"{name}: the benchmark's part there answered what is no object")
        return found

    def everywhere(self, do: str, **about: Any) -> dict[str, dict[str, Any]]:
        """The same on all hosts at once, by host. Raises LabError if one of them cannot."""
        found, failed = self.hosts.each(lambda host: self.on(host.name, do, **about))
        if failed:
            raise LabError("; ".join(failed.values()))
        return found

    def host(self, name: str) -> ClusterHost:
        return next(host for host in self.hosts.cluster.hosts if host.name == name)

    def away(self) -> list[str]:
        """What is not up now: hosts by their names, "the scheduler", "the supervisor"."""
        found = status(self.hosts.state)
        if not found.runs:
            return ["the supervisor"]
        hosts = [name for name in self.names if found.hosts[name].state is not State.UP]
        return hosts + ([] if found.scheduler else ["the scheduler"])

    def healed(self) -> list[str]:
        """Wait until everything is up without anybody's help; returns what is not even after long."""
        with contextlib.suppress(TimedOut):
            poll(lambda: not self.away(), Deadline.after(HEAL_SECONDS), "the cluster to be whole", 0.2)
        return self.away()


@contextlib.contextmanager
def staged(cluster: Cluster, command: Command, progress: Progress, *, cold: bool = False) -> Iterator[Stage]:
    """Have the cluster up (``cold``: without templates) for a ``with`` block; one that was not up before is
    taken down in the end. Nobody else should use it meanwhile: everything that carries units is killed, again
    and again."""
    with working_folder("bench") as folder, hosts_up(cluster) as hosts:
        stage = Stage(folder, hosts, command, progress)
        was_up = status(hosts.state).runs
        progress.doing("bench", "cluster up")
        # On a busy computer a host may come later than the command waits for it.
        stage.command(["cluster", "up", str(stage.file), *(["--cold"] if cold else [])], ANY)
        if away := stage.healed():
            raise LabError(f"not up: {', '.join(away)}", hint=f"see `isolab cluster status {stage.file}`")
        try:
            yield stage
        finally:
            if not was_up:
                stage.cluster("down")
