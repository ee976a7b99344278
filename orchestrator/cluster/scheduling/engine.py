"""The engine for several hosts: gives units to hosts by way of Dask, and yields records as they fall.

The engine chooses the host, the best in a unit's order that has room, and Dask carries: a task of Dask's that
may run on several workers is given to one of them before it can start, and then waits there although another
host is idle. What is given away, in which epoch, and which lines count is known here alone; a scheduler that
dies takes nothing with it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from orchestrator.cluster.model import Unit
from orchestrator.cluster.scheduling import ledger, settings
from orchestrator.cluster.scheduling.certificates import Role, issue
from orchestrator.cluster.scheduling.dask_client import Answer, DaskClient, Event, Happened, Workers
from orchestrator.cluster.scheduling.ledger import RunLines, UnitLines
from orchestrator.cluster.scheduling.orders import Signer, signer
from orchestrator.cluster.scheduling.peers import TOPIC
from orchestrator.cluster.scheduling.run_journal import RunJournal, run_journal
from orchestrator.cluster.scheduling.task import Task
from orchestrator.cluster.scheduling.view import ClusterView
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import LabError, Unavailable
from orchestrator.formatting import printable
from orchestrator.labfile.plan import Job
from orchestrator.progress import Progress
from orchestrator.record import Record

TICK_SECONDS, LOOK_SECONDS = 0.2, 1.0
"""How soon a cancellation is noticed; how often we look which hosts are there."""
TEARDOWN_SECONDS, ABANDONED_SECONDS = 120.0, 10.0
"""How long hosts may take to tear down what runs, and one that is away, or failed a unit, what it may still
have of it."""
FETCH_SECONDS = 60.0
"""How long a host may take to give the lines of a unit that is given up."""
GIVEN_AT_MOST = 2
LINE_END = "\n"

Lost = Callable[[Job, str, str, str], Record]
"""Makes the *error* record of a job's exercise, of a host ("": none) and a reason."""


@dataclass(frozen=True)
class Limits:
    """How many seconds of waiting are enough."""

    unplaceable: float = settings.UNPLACEABLE_SECONDS
    lost: float = settings.LOST_SECONDS


@dataclass(frozen=True)
class ClusterEngine:
    """Runs the units of one run on the hosts of a cluster that is up.

    ``folder`` is the cluster's state folder. ``units`` makes units of jobs, with the hosts that may run each,
    best first. ``lost`` makes the record of an exercise that no host could run. ``slots`` says of hosts how
    many units they have at a time, if not as many as their memory allows. ``ready`` adds to a unit what only
    the host that gets it is to have; it may raise LabError, and the host has failed the unit then.
    """

    folder: Path
    view: ClusterView
    units: Callable[[Sequence[Job]], Sequence[Unit]]
    lost: Lost
    progress: Progress
    cancellation: Cancellation
    limits: Limits = Limits()
    slots: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    ready: Callable[[Unit, str], Unit] = lambda unit, _host: unit
    unsure: dict[str, float] = field(default_factory=dict)
    """Hosts that did not say that the machines of a run that was ended are gone, by name: within how many
    seconds these end by themselves, with their lease. Filled when the run is closed."""

    def run(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        """Yield records as they fall. Closing it cancels what still runs on all hosts, and returns when it is
        torn down. Raises Unavailable if there is no scheduler, Interrupted."""
        units = self.units(jobs)
        if not units:
            return
        with run_journal(self.folder, units[0].run) as journal, contextlib.ExitStack() as stack:
            run = _Run(self, units, journal, signer(self.folder))
            stack.callback(run.close)
            yield from run.records()


class _Run:
    """One run: what waits, what is given away, and the connection to the scheduler."""

    def __init__(
        self, engine: ClusterEngine, units: Sequence[Unit], journal: RunJournal, orders: Signer
    ) -> None:
        self._engine, self._journal, self._orders = engine, journal, orders
        self._run = units[0].run
        self._lease = max(unit.lease_seconds for unit in units)
        lines = {unit.key: UnitLines(unit) for unit in units}
        self._lines = RunLines(lines)
        self._waiting = [Task(one) for one in lines.values()]
        self._given: dict[str, Task] = {}
        self._abandoned: set[str] = set()
        self._silent: set[str] = set()  # hosts that did not give their lines when they were asked
        self._happened: queue.SimpleQueue[Happened] = queue.SimpleQueue()
        self._client: DaskClient | None = None
        self._connections = 0
        self._workers = Workers({}, {})
        self._away_since: float | None = None
        self._told: set[str] = set()
        self._tokens: dict[str, Task] = {}
        self._crowded = False  # whether no host has had room for more since we last looked

    def records(self) -> Iterator[Record]:
        """Yield the records of all units."""
        self._connect_first()
        looked = 0.0
        while self._waiting or self._given:
            self._engine.cancellation.check()
            now = time.monotonic()
            if now - looked >= LOOK_SECONDS:
                looked = now
                self._look()
                self._note_unplaceable(now)
                yield from self._overdue(now)
                self._crowded = False
            if not self._crowded:
                self._place()
            with contextlib.suppress(queue.Empty):
                while True:  # what is there already is dealt with before we look again
                    yield from self._deal_with(self._happened.get(timeout=TICK_SECONDS))
                    if time.monotonic() - looked >= LOOK_SECONDS or not self._crowded:
                        break

    def close(self) -> None:
        """Cancel what is still given away, on all hosts at once, and wait for its end; also what a host that
        was given up may still have."""
        hosts = {task.lines.host for task in self._given.values()} | self._abandoned
        self._cancel_on(sorted(hosts))
        if self._client is not None:
            self._client.close()

    def _cancel_on(self, hosts: Sequence[str]) -> None:
        wanted = {task.lines.host for task in self._given.values()}

        def cancel(host: str) -> None:
            waited_for = host in wanted and not self._engine.view.trouble(host)
            seconds = TEARDOWN_SECONDS if waited_for else ABANDONED_SECONDS
            self._engine.progress.doing(host, "removing its machines")
            try:
                self._engine.view.cancel(host, self._run, Deadline.after(seconds))
            except LabError as problem:
                self._engine.unsure[host] = self._lease
                self._engine.progress.tell(
                    f"{host} does not say that its machines are removed ({problem.message}): they end by "
                    f"themselves within {self._lease:.0f} s, with their lease"
                )
            finally:
                self._engine.progress.done(host)

        threads = [threading.Thread(target=cancel, args=(host,), daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # The connection

    def _connect_first(self) -> None:
        """Connect; a scheduler that is being replaced is waited for as long as a host would be. Raises
        Unavailable if none comes, Interrupted."""
        deadline = self._engine.cancellation.deadline(self._engine.limits.unplaceable)
        while self._client is None:
            self._connect(last=not (self._engine.view.wanted() and deadline.remaining()))
            if self._client is None:
                self._tell("waiting for the cluster's scheduler")
                deadline.cancellation.check()
                deadline.cancellation.wait(deadline.slice())

    def _connect(self, *, last: bool = False) -> None:
        """Connect to the scheduler, and look who is there. Raises Unavailable if ``last``."""
        address = self._engine.view.scheduler()
        try:
            if not address:
                raise Unavailable(
                    "the cluster has no scheduler", hint="`isolab cluster up` starts it; see `cluster status`"
                )
            self._connections += 1
            # A new one each time: a run may take longer than a certificate is valid.
            credentials = issue(self._engine.folder, Role.CONTROLLER, self._run)
            self._client = DaskClient(
                address, credentials, f"{TOPIC}{self._run}", self._happened, self._connections
            )
            self._workers = self._client.workers()
            self._away_since = None
            for task in [*self._waiting, *self._given.values()]:
                task.since = None  # workers have as long as ever to come to a new scheduler
        except Unavailable:
            self._disconnect()
            if last:
                raise

    def _disconnect(self) -> None:
        """Drop the connection. What was given stays with its host, to be asked for again in its epoch."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._workers = Workers({}, {})
        self._tokens.clear()
        for task in self._given.values():
            task.token = ""

    def _look(self) -> None:
        """Look which hosts are there; after a scheduler was lost, connect to the one in its place."""
        if self._client is not None:
            try:
                if not self._client.alive:
                    raise Unavailable("the connection to the scheduler was lost")
                self._workers = self._client.workers()
            except Unavailable as problem:
                self._tell(f"{problem.message}: connecting again")
                self._disconnect()
        if self._client is None:
            self._connect()
            if self._client is None:
                return
        for task in [*self._given.values()]:
            address = self._workers.address.get(task.lines.host)
            if address and not (task.token and task.address == address):
                self._take_back(task)
                self._hand_over(task, task.lines.host)  # in the same epoch: the host goes on with it

    # Placing

    def _place(self) -> None:
        """Give waiting units to hosts that have room for them, the first first."""
        if self._client is None or not self._waiting:
            return
        self._crowded = True
        room = dict(self._workers.memory)
        count = {name: self._engine.slots.get(name, settings.THREADS) for name in room}
        for task in self._given.values():
            if task.lines.host in room:
                room[task.lines.host] -= task.memory
                count[task.lines.host] -= 1
        least = min(task.memory for task in self._waiting)
        left = {name for name in room if room[name] >= least and count[name] > 0}
        for task in [*self._waiting] if left else ():
            fits = [name for name in task.allowed(self._workers) if name in left]
            host = next((name for name in fits if room[name] >= task.memory), None)
            if host is None:
                continue
            room[host] -= task.memory
            count[host] -= 1
            self._give(task, host)
            if room[host] < least or not count[host]:
                left.discard(host)
                if not left:
                    return

    def _note_unplaceable(self, now: float) -> None:
        """Note since when a unit has had no host that could ever take it; one that is only busy can."""
        for task in self._waiting if self._client is not None else ():
            there = task.allowed(self._workers)
            if any(self._workers.memory[name] >= task.memory for name in there):
                task.since = None
            elif task.since is None:
                task.since = now

    def _give(self, task: Task, host: str) -> None:
        task.tries += 1
        task.lines.give(host, task.unit.epoch if task.tries == 1 else task.unit.epoch + 1)
        self._waiting.remove(task)
        self._given[task.unit.key] = task
        self._hand_over(task, host)

    def _hand_over(self, task: Task, host: str) -> None:
        assert self._client is not None
        self._journal.note(task.unit.key, task.unit.epoch, host, "given")
        task.since, task.address = None, self._workers.address[host]
        try:
            unit = self._engine.ready(task.unit, host)
        except LabError as problem:
            task.token = f"not-ready-{task.unit.key}"
            self._tokens[task.token] = task
            self._happened.put(Answer(self._connections, task.token, failure=problem.describe()))
            return
        order = self._orders.order(unit, host, f"{TOPIC}{self._run}")
        try:
            task.token = self._client.give(order, task.address, task.memory)
            self._tokens[task.token] = task
        except Exception:  # noqa: BLE001 - Dask documents none; the connection is looked at next
            task.token = ""

    def _overdue(self, now: float) -> Iterator[Record]:
        """Give up waiting where it was long enough."""
        if self._client is None:
            self._away_since = self._away_since or now
            if now - self._away_since >= self._engine.limits.unplaceable:
                reason = f"the cluster's scheduler was away for {self._engine.limits.unplaceable:.0f} s"
                for task in [*self._waiting, *self._given.values()]:
                    yield from self._give_up(task, reason)
            return
        for task in [*self._waiting]:
            if task.since is not None and now - task.since >= self._engine.limits.unplaceable:
                yield from self._give_up(task, self._why_not(task))
        for task in [*self._given.values()]:
            if task.lines.host in self._workers.address:
                task.since = None
            elif task.since is None:
                task.since = now
            elif now - task.since >= self._engine.limits.lost:
                trouble = self._engine.view.trouble(task.lines.host) or "its worker is gone"
                yield from self._failed(task, f"{trouble}, for {now - task.since:.0f} s")

    def _why_not(self, task: Task) -> str:
        """Say why a unit finds no host, naming hosts and what they lack."""
        said = []
        for host in task.unit.places:
            if host in task.avoid:
                said.append(f"{host}: {task.avoid[host]}")
            elif host not in self._workers.address:
                said.append(f"{host} is away" + _because(self._engine.view.trouble(host)))
            else:
                free = self._workers.memory[host]
                said.append(f"{host} has {free} MiB of memory, and it needs {task.memory} MiB")
        names = ", ".join(job.machine for job in task.unit.jobs)
        places = "; ".join(said) or "no host may run it"
        return f"no host for {names} within {self._engine.limits.unplaceable:.0f} s: {places}"

    # What happens

    def _deal_with(self, what: Happened) -> Iterator[Record]:
        if isinstance(what, Event):
            yield from self._line(what.line, "")
        else:
            yield from self._answer(what)

    def _line(self, text: str, host: str) -> Iterator[Record]:
        """Yield the record of a line, if it has one that counts."""
        line = None
        try:
            line = self._lines.line(text, self._engine.view.public_keys())
            if line.kind == ledger.RECORD:
                yield self._lines.record(line)
            elif line.kind == ledger.WORD:
                self._engine.progress.tell(f"{line.host}: {printable(line.body[:2000], keep=LINE_END)}")
        except ledger.Stale:
            return
        except ledger.Refused as problem:
            self._tell(f"{_sender(text, host, self._workers)}: refused {problem}")
            return
        task = self._given.get(line.unit)
        if task is not None and task.lines.complete:
            yield from self._finish(task)

    def _answer(self, answer: Answer) -> Iterator[Record]:
        if answer.connection != self._connections:
            return
        task = self._tokens.pop(answer.token, None)
        if task is None:
            return
        if not answer.text:
            if self._client is not None and self._client.alive:
                yield from self._failed(task, answer.failure)
            return  # the scheduler is gone: the unit stays with its host
        try:
            said = json.loads(answer.text)
            found, problem = list(said["lines"]), str(said["problem"])[:2000]
        except (ValueError, KeyError, TypeError):
            found, problem = [], "what its worker returned is no answer"
        for text in found:
            if not isinstance(text, str):
                continue
            yield from self._line(text, task.lines.host)
            if task.unit.key not in self._given:
                return
        if task.unit.key in self._given:
            yield from self._failed(task, printable(problem) or "it did not return all lines of the unit")

    def _finish(self, task: Task) -> Iterator[Record]:
        """A unit has ended, and all its lines are here. One that its host ended early failed there."""
        early = task.end_words
        if early:
            yield from self._failed(task, early)
            return
        self._journal.note(task.unit.key, task.unit.epoch, task.lines.host, "ended")
        self._forget(task, ended=True)
        reason = f"{task.lines.host} ended the unit without a record of it"
        for job, exercise in self._lines.missing(task.unit.key):
            yield self._engine.lost(job, exercise, task.lines.host, reason)

    def _failed(self, task: Task, reason: str) -> Iterator[Record]:
        """A unit's host failed it: give it to another one, once."""
        host = task.lines.host
        self._journal.note(task.unit.key, task.unit.epoch, host, "lost")
        self._forget(task)
        if not self._lines.lacks(task.unit.key):
            return  # what went wrong came after its last record
        task.avoid[host] = reason
        self._abandoned.add(host)
        if task.tries >= GIVEN_AT_MOST:
            every = "; ".join(f"{name}: {why}" for name, why in task.avoid.items())
            yield from self._give_up(task, f"infrastructure: {every}")
            return
        self._engine.progress.tell(f"{host}: {reason}; giving {task.machines} to another host")
        task.since = None
        self._waiting.append(task)

    def _give_up(self, task: Task, reason: str) -> Iterator[Record]:
        host = task.lines.host
        if task in self._waiting:
            self._waiting.remove(task)
        self._forget(task)
        self._engine.progress.tell(f"{task.machines}: {reason}")
        if host:
            self._abandoned.add(host)
            yield from self._fetched(task)
        for job, exercise in self._lines.missing(task.unit.key):
            yield self._engine.lost(job, exercise, host, reason)

    def _fetched(self, task: Task) -> Iterator[Record]:
        """Yield the records that a unit's host has written and nobody has brought: only SSH led here."""
        host, unit = task.lines.host, task.unit
        if host in self._silent or not self._lines.lacks(unit.key):
            return
        try:
            found = self._engine.view.lines(host, unit.key, unit.epoch, Deadline.after(FETCH_SECONDS))
        except LabError as problem:
            self._silent.add(host)
            self._tell(f"{host}: what it has of the run was not fetched: {problem.message}")
            return
        for text in found:
            yield from self._line(text, host)

    def _forget(self, task: Task, *, ended: bool = False) -> None:
        self._given.pop(task.unit.key, None)
        self._crowded = False
        self._take_back(task, ended=ended)

    def _take_back(self, task: Task, *, ended: bool = False) -> None:
        """Want no answer to the call that asks for a unit."""
        if self._client is not None and task.token:
            self._client.forget(task.token, ended=ended)
        self._tokens.pop(task.token, None)
        task.token = ""

    def _tell(self, words: str) -> None:
        """Tell something once."""
        if words not in self._told:
            self._told.add(words)
            self._engine.progress.tell(words)


def _because(words: str) -> str:
    return f" ({words})" if words else ""


def _sender(text: str, host: str, workers: Workers) -> str:
    """Return who sent a line that was refused: the host that returned it, or whom it claims to be from."""
    if host:
        return host
    with contextlib.suppress(ledger.Refused):
        claimed = ledger.parsed(text).host
        if claimed in workers.address:
            return claimed
    return "some host"
