"""Run a lab on the hosts of a cluster: pack it, send it, give its units away, yield their records."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.logs import unpack_logs
from orchestrator.cluster.model import Cluster, ClusterHost, Unit
from orchestrator.cluster.placement import Pins, Terms, Unplaceable
from orchestrator.cluster.prepare import SEND_SECONDS, prepare
from orchestrator.cluster.scheduling.engine import ClusterEngine
from orchestrator.cluster.scheduling.settings import load_early
from orchestrator.cluster.supervisor_view import SupervisorView
from orchestrator.deadline import Cancellation
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.record import Record
from orchestrator.run.run import Selection
from orchestrator.run.unstarted import lost_record

LOG_BYTES = 64 * 2**20
"""Most bytes of logs that are fetched from one host."""


@dataclass(frozen=True)
class ClusterSource:
    """Where the records of a run come from. ``pins`` bind machines to hosts or tags; ``unsure`` is the
    engine's."""

    cluster: Cluster
    pins: Pins = field(default_factory=lambda: MappingProxyType({}))
    unsure: dict[str, float] = field(default_factory=dict)

    def results(
        self,
        lab: LoadedLab,
        run: str,
        choice: Selection,
        out: Path,
        _journal: Journal,
        progress: Progress,
    ) -> Generator[Record, None, None]:
        """Yield the records of a run as they fall, those of machines that no host can run first; closing it
        cancels what runs. The machines' logs are in ``out`` afterwards. Raises LabError."""
        load_early()
        cancellation = Cancellation()
        with hosts_up(self.cluster, cancellation) as hosts:
            todo = plan_jobs(lab, run, machines=choice.machines, exercises=choice.exercises)
            placed = prepare(lab, todo, Terms(cold=choice.cold, pins=self.pins), hosts, progress)
            for problem in placed.problems:
                yield from _unplaceable(lab, problem, progress)
            if not placed.units:
                return
            view = SupervisorView(hosts)
            engine = ClusterEngine(
                folder=hosts.state,
                view=view,
                units=lambda jobs: _of(placed.units, jobs),
                lost=partial(lost_record, lab),
                progress=progress,
                cancellation=cancellation,
                unsure=self.unsure,
            )
            machines: defaultdict[str, set[str]] = defaultdict(set)
            jobs = [job for unit in placed.units for job in unit.jobs]
            try:
                with closing(engine.run(jobs)) as found:
                    for record in found:
                        machines[record.host].add(record.machine)
                        yield record
            except BaseException:
                hosts.clean_up()
                raise
            finally:
                _fetch_logs(hosts, run, machines, out, progress)


def _of(units: Sequence[Unit], jobs: Sequence[Job]) -> list[Unit]:
    wanted = set(jobs)
    return [unit for unit in units if wanted.intersection(unit.jobs)]


def _unplaceable(lab: LoadedLab, problem: Unplaceable, progress: Progress) -> Generator[Record, None, None]:
    progress.tell(f"{problem.message}\n  hint: {problem.hint}")
    for job in problem.jobs:
        for exercise in job.exercises:
            yield lost_record(lab, job, exercise, "", problem.message)


def _fetch_logs(
    hosts: HostsUp, run: str, machines: Mapping[str, Collection[str]], out: Path, progress: Progress
) -> None:
    """Fetch the logs of a run's ``machines``, which are by host; what a host does not give is told, and costs
    no record."""

    def fetch(host: ClusterHost) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="isolab-logs-") as folder:
            archive = Path(folder) / "logs.tar.gz"
            left_out = hosts.agent(host).logs(run, LOG_BYTES, archive, hosts.deadline(SEND_SECONDS))
            unpack_logs(archive, out, machines[host.name], LOG_BYTES)
        return left_out

    found, failed = hosts.each(fetch, [host for host in hosts.cluster.hosts if host.name in machines])
    for name, why in failed.items():
        progress.tell(f"{name}: the logs of its machines were not fetched: {why}")
    for name, left_out in found.items():
        if left_out:
            progress.tell(f"{name}: some logs are too large and stay there: {', '.join(left_out[:5])}")
