"""Grade a class on the hosts of a cluster: which hosts have which machines, each batch of work to one of
them, and nothing of it left there.

Work travels with the unit that grades it, to the host that is given the unit. The lab, with its hidden tests,
is sent to the hosts that grade, for this round alone.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from orchestrator.arch import host_arch
from orchestrator.cluster.agent.units import PARCEL
from orchestrator.cluster.bundle import Bundle, pack, pack_text
from orchestrator.cluster.grading_offers import capacity
from orchestrator.cluster.grading_rounds import clear_abandoned, noted
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.logs import unpack_logs
from orchestrator.cluster.model import SENT_APART, Cluster, ClusterHost, Unit
from orchestrator.cluster.offers import Offers
from orchestrator.cluster.paths import BUNDLES
from orchestrator.cluster.placement import Pins, Placement, Terms, Unplaceable, place
from orchestrator.cluster.prepare import SEND_SECONDS, there_now
from orchestrator.cluster.run import LOG_BYTES
from orchestrator.cluster.scheduling.engine import ClusterEngine
from orchestrator.cluster.scheduling.settings import load_early
from orchestrator.cluster.supervisor_view import SupervisorView
from orchestrator.cluster.warm.glibc import bring_glibc, lacking_glibc
from orchestrator.deadline import Cancellation
from orchestrator.errors import Unavailable
from orchestrator.formatting import counted
from orchestrator.grading.graders import Kinds, Task
from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.parcel import parcel
from orchestrator.grading.queue import Batch, groups_of
from orchestrator.grading.worker import QuietMachines
from orchestrator.labfile.plan import Job
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id
from orchestrator.run.unstarted import lost_record

IMAGES_SECONDS = 1800.0
"""How long a host may take to say what its machines are: an image that it lacks is built first."""
MOST_INLINE = 2**20
"""Characters of a parcel that travels within its unit; a message to an agent may be four times as long."""

_Lost = set[tuple[str, str, str, str]]
"""Host, exercise, machine and digest of what gave no result there."""


@dataclass(frozen=True)
class OnCluster:
    """Grades on the hosts of a cluster that is up: a ``Where``. ``pins`` bind machines to hosts or tags;
    ``unsure`` is the engine's."""

    cluster: Cluster
    pins: Pins = field(default_factory=lambda: MappingProxyType({}))
    unsure: dict[str, float] = field(default_factory=dict)
    lost: _Lost = field(default_factory=set)
    """What gave no result in earlier rounds: it is graded on another host, if there is one."""

    @contextlib.contextmanager
    def __call__(self, task: Task) -> Iterator[ClusterGraders]:
        """Provide what grades there. Raises LabError."""
        cancellation = Cancellation()
        with hosts_up(self.cluster, cancellation) as hosts:
            yield ClusterGraders(task, self, hosts, cancellation)


class ClusterGraders:
    """Grades batches on the hosts of a cluster, for one round."""

    def __init__(self, task: Task, where: OnCluster, hosts: HostsUp, cancellation: Cancellation) -> None:
        self._task, self._where, self._hosts, self._cancellation = task, where, hosts, cancellation
        self._quiet = QuietMachines(task.progress, frozenset(task.machines))
        self._there = Offers(())
        self._kinds: dict[str, dict[str, MachineIdentity]] = {}

    @property
    def away(self) -> frozenset[str]:
        """Hosts of the file that say nothing now."""
        return frozenset(self._there.absent)

    def kinds(self) -> Kinds:
        """Return what each machine is on each host that can have it. Raises Unavailable for a machine that no
        host can have, LabError."""
        found = there_now(self._hosts)
        found.require_one(self._hosts.cluster.file)
        wanted = [host for host in self._hosts.cluster.hosts if host.name not in found.absent]
        bundle = pack(replace(self._task.lab, exercises=()), self._hosts.state / BUNDLES)
        having = {one.name for one in found.hosts if bundle.digest in one.bundles}

        def ask(host: ClusterHost) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
            self._task.progress.doing(host.name, "looking at its machines")
            agent = self._hosts.agent(host)
            if host.name not in having and agent.missing([bundle.digest], self._hosts.deadline()):
                agent.put(bundle.digest, bundle.archive, self._hosts.deadline(SEND_SECONDS))
            return agent.identities(bundle.digest, self._task.machines, self._hosts.deadline(IMAGES_SECONDS))

        said, failed = self._hosts.each(ask, wanted)
        for host in wanted:
            self._task.progress.done(host.name)
        absent = {**found.absent, **failed}
        self._there = Offers(tuple(one for one in found.hosts if one.name in said), absent)
        for name, why in absent.items():
            self._quiet.tell(f"{name} takes no part: {why}")
        for machine in self._task.machines:
            own = {one.name: said[one.name][0].get(machine) for one in self._there.hosts}
            self._kinds[machine] = {name: MachineIdentity(*about) for name, about in own.items() if about}
            lacking = {name: lacks[machine] for name, (_, lacks) in said.items() if machine in lacks}
            self._require(machine, {**lacking, **absent})
        self._require_places()
        return self._kinds

    def _require_places(self) -> None:
        """Raise Unavailable for a machine that has no host, such as one that is bound to where it lacks."""
        todo = plan_jobs(self._task.lab, "plan", machines=self._task.machines)
        groups = groups_of(self._task.lab, self._task.machines)
        placed = self._place([replace(job, group=groups[job.machine]) for job in todo], "")
        if placed.problems:
            raise Unavailable(placed.problems[0].message, hint=placed.problems[0].hint)

    def _require(self, machine: str, reasons: Mapping[str, str]) -> None:
        """Say of a machine where it cannot grade. Raises Unavailable if that is everywhere."""
        words = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        if not self._kinds[machine]:
            raise Unavailable(
                f"machine {machine} cannot grade on any host: {words or 'there is none'}",
                hint="`isolab cluster status` says how hosts are; or leave the machine out with --only",
            )
        for name, why in reasons.items():
            if name not in self._there.absent:
                self._quiet.tell(f"{name}: machine {machine} cannot grade there: {why}")

    def records(self, batches: Sequence[Batch]) -> Generator[tuple[Batch, Record], None, None]:
        """Yield each record with its batch, as completed; closing the iterator tears everything down, and
        removes from the hosts what they were sent."""
        load_early()  # not before: where every verdict is there already, Dask is not needed
        if not self._kinds:
            self.kinds()
        clear_abandoned(self._hosts.state, self._forget)
        run, lab = new_run_id(), self._task.lab
        bundle = pack(replace(lab, exercises=self._task.exercises), self._hosts.state / BUNDLES, run)
        by_run = {batch.run: batch for batch in batches}
        placed = self._placed(run, bundle, batches)
        for problem in placed.problems:
            for record in self._unplaceable(problem):
                yield by_run[record.run], record
        wanted = {name for unit in placed.units for name in unit.places}
        if lacking := lacking_glibc(lab, placed, self._there):
            bring_glibc(lacking, self._hosts, self._task.progress)
        with noted(self._hosts.state, run, wanted, self._forget):
            try:
                units = self._sent(run, bundle, placed.units, wanted)
                yield from self._graded(run, units, by_run)
            except BaseException:
                self._hosts.clean_up()  # they are still told to forget the round
                raise
            finally:
                bundle.archive.unlink(missing_ok=True)

    def _graded(
        self, run: str, units: Sequence[Unit], by_run: Mapping[str, Batch]
    ) -> Generator[tuple[Batch, Record], None, None]:
        if not units:
            return
        fallen = _Fallen(self._task, self._where.lost)
        jobs = [job for unit in units for job in unit.jobs]
        try:
            with closing(self._engine(units, by_run).run(jobs)) as found:
                for record in found:
                    fallen.add(by_run[record.run], record)
                    yield by_run[record.run], record
        except BaseException:
            self._hosts.clean_up()
            raise
        finally:
            fallen.end()
            self._fetch_logs(run, fallen.without_result)

    def _engine(self, units: Sequence[Unit], by_run: Mapping[str, Batch]) -> ClusterEngine:
        lab, able = self._task.lab, {name for unit in units for name in unit.places}
        there = [one for one in self._there.hosts if one.name in able]
        room = capacity(lab, self._task.machines, there)
        jobs = [job for unit in units for job in unit.jobs]
        most = sum(room.machines.values())
        names = ", ".join(f"{name} {number}" for name, number in room.machines.items())
        self._task.progress.tell(
            f"{counted(len(jobs), 'machine')} to start, at most {most} at once ({names}): "
            f"about {room.seconds(len(jobs), self._task.exercises):.0f} s, if programs end quickly"
        )
        return ClusterEngine(
            folder=self._hosts.state,
            view=SupervisorView(self._hosts),
            units=lambda _: units,
            lost=partial(lost_record, lab),
            progress=self._quiet,
            cancellation=self._cancellation,
            slots=room.units,
            unsure=self._where.unsure,
            ready=lambda unit, host: self._with_work(unit, host, by_run[unit.jobs[0].run]),
        )

    def _placed(self, run: str, bundle: Bundle, batches: Sequence[Batch]) -> Placement:
        """Return a unit for each batch, with the hosts that have its machines, those first on which none of
        it was lost before."""
        groups = groups_of(self._task.lab, self._task.machines)
        jobs = [job for batch in batches for job in batch.jobs(self._task.lab.lab.lab, groups)]
        placed = self._place(jobs, bundle.digest)
        by_run = {batch.run: batch for batch in batches}
        units = tuple(
            replace(unit, run=run, places=self._places(unit, by_run[unit.jobs[0].run]))
            for unit in placed.units
        )
        return replace(placed, units=units)

    def _place(self, jobs: Sequence[Job], bundle: str) -> Placement:
        # How many machines are up at a time is counted for each host, and each batch is a unit of its own.
        spec = self._task.lab.lab.model_copy(update={"at_once": None})
        lab, native = replace(self._task.lab, lab=spec), self._there.native(host_arch().name)
        return place(lab, jobs, self._there, native, Terms(bundle=bundle, pins=self._where.pins))

    def _places(self, unit: Unit, batch: Batch) -> tuple[str, ...]:
        able = [name for name in unit.places if all(name in self._kinds[job.machine] for job in unit.jobs)]
        lost = {
            name
            for name in able
            if any(
                (name, *_what(one.exercise, one.machine, batch)) in self._where.lost for one in batch.units
            )
        }
        return tuple(sorted(able, key=lambda name: name in lost))

    def _sent(self, run: str, bundle: Bundle, units: Sequence[Unit], wanted: set[str]) -> list[Unit]:
        """Send the lab to these hosts; returns the units, each with the hosts that got it."""

        def send(host: ClusterHost) -> None:
            deadline = self._hosts.deadline(SEND_SECONDS)
            self._hosts.agent(host).put(bundle.digest, bundle.archive, deadline, run=run)

        there = [host for host in self._hosts.cluster.hosts if host.name in wanted]
        failed = self._hosts.each(send, there)[1]
        for name, why in failed.items():
            self._quiet.tell(f"{name} did not get the lab: {why}")
        return [
            replace(unit, places=tuple(name for name in unit.places if name not in failed)) for unit in units
        ]

    def _with_work(self, unit: Unit, host: str, batch: Batch) -> Unit:
        """Return a unit with its work, as it travels to the host that is to grade it. Raises LabError."""
        text = parcel(batch.works(), self._task.store)
        if len(text) <= MOST_INLINE:
            return replace(unit, work=text)
        known = self._hosts.cluster.host(host)
        assert known is not None  # its worker has the name of a host
        apart = pack_text(PARCEL, text, self._hosts.state / BUNDLES)
        try:
            deadline = self._hosts.deadline(SEND_SECONDS)
            self._hosts.agent(known).put(apart.digest, apart.archive, deadline, run=unit.run)
        finally:
            apart.archive.unlink(missing_ok=True)
        return replace(unit, work=f"{SENT_APART}{apart.digest}")

    def _unplaceable(self, problem: Unplaceable) -> Iterator[Record]:
        self._quiet.tell(f"{problem.message}\n  hint: {problem.hint}")
        for job in problem.jobs:
            for exercise in job.exercises:
                yield lost_record(self._task.lab, job, exercise, "", problem.message)

    def _fetch_logs(self, run: str, lost: Mapping[str, set[str]]) -> None:
        """Fetch the logs of batches without a result, whose runs these are, by host."""

        def fetch(host: ClusterHost) -> None:
            with tempfile.TemporaryDirectory(prefix="isolab-logs-") as folder:
                archive = Path(folder) / "logs.tar.gz"
                self._hosts.agent(host).logs(run, LOG_BYTES, archive, self._hosts.deadline(SEND_SECONDS))
                unpack_logs(archive, self._task.logs, lost[host.name], LOG_BYTES)

        there = [host for host in self._hosts.cluster.hosts if host.name in lost]
        for name, why in self._hosts.each(fetch, there)[1].items():
            self._quiet.tell(f"{name}: the logs of machines without a result were not fetched: {why}")

    def _forget(self, run: str, names: Iterable[str]) -> Iterable[str]:
        """Have hosts of the file forget a round; returns those that could not be told."""
        there = [host for host in self._hosts.cluster.hosts if host.name in names]
        failed = self._hosts.each(
            lambda host: self._hosts.agent(host).forget(run, self._hosts.deadline()), there
        )[1]
        for name, why in failed.items():
            self._quiet.tell(
                f"{name}: cannot be told to remove what it was sent ({why}); the next grading tells it, "
                "else it does so within a day"
            )
        return failed


@dataclass
class _Fallen:
    """What fell, by host, as shown; and what was lost where."""

    task: Task
    lost: _Lost
    verdicts: dict[str, int] = field(default_factory=dict)
    without_result: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, batch: Batch, record: Record) -> None:
        if not record.host:
            return
        if record.status is Status.ERROR:
            self.without_result[record.host].add(record.run)
            self.lost.add((record.host, *_what(record.exercise, record.machine, batch)))
        self.verdicts[record.host] = self.verdicts.get(record.host, 0) + 1
        self.task.progress.doing(record.host, counted(self.verdicts[record.host], "verdict"))

    def end(self) -> None:
        for name in self.verdicts:
            self.task.progress.done(name)


def _what(exercise: str, machine: str, batch: Batch) -> tuple[str, str, str]:
    graded = next((work.graded for work in batch.works() if work.exercise.name == exercise), "")
    return exercise, machine, graded
