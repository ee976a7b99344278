"""All units of this host: given, joined, cancelled, and ended with their lease."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import drivers
from orchestrator.cluster.agent.labs import Labs, of_one_run
from orchestrator.cluster.agent.ledger import CANCELLED, HELD, LOST, Ledger
from orchestrator.cluster.agent.paths import AgentPlace
from orchestrator.cluster.agent.refusal import Refused, StaleEpoch
from orchestrator.cluster.agent.run_unit import PROGRAMS, Slots, programs_of, run_unit
from orchestrator.cluster.agent.running_unit import END, RunningUnit
from orchestrator.cluster.agent.signing import HostKey
from orchestrator.cluster.model import SENT_APART, SignedLine, Unit
from orchestrator.errors import LabError, SpecError
from orchestrator.host.tempdirs import RUN_FOLDER
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.journal import Journal, JournalEntry
from orchestrator.machines.lifecycle import remove
from orchestrator.paths import cache_dir

LEAST_LEASE, MOST_LEASE = 5.0, 24 * 3600.0
"""Seconds. A shorter lease would end between two beats, a longer one keeps guests of a controller that is
gone for good."""
OF_ONE_RUN_SECONDS = 24 * 3600.0
"""How long what was sent for one run alone is kept, if nobody says that the run is over."""
PARCEL = "parcel"
"""The file of a parcel that was sent apart."""
Say = Callable[[str], None]
Work = Callable[[RunningUnit, LoadedLab, Path, Slots], str]
"""Runs a unit to its end, see ``run_unit``."""


@dataclass
class Units:
    """The units of one host. Thread-safe. ``say`` writes the agent's log."""

    place: AgentPlace
    ledger: Ledger
    key: HostKey
    labs: Labs
    say: Say
    slots: Slots = field(default_factory=Slots)
    work: Work = run_unit
    closing: bool = False
    """No new units: the agent is about to end."""
    _running: dict[str, RunningUnit] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _said: set[str] = field(default_factory=set)

    def running(self, run: str = "") -> list[RunningUnit]:
        """Return the units that run, of one run or of all."""
        with self._lock:
            return [one for one in self._running.values() if run in ("", one.unit.run)]

    def give(self, unit: Unit, host: str) -> RunningUnit | None:
        """Begin a unit, or join it if it runs already in this epoch; None: it has ended in this epoch, and
        its lines are in the ledger. Raises StaleEpoch, Refused, SpecError; then nothing was begun."""
        runs = {unit.run, *(job.run for job in unit.jobs)}
        if not all(map(RUN_FOLDER.fullmatch, runs)) or not unit.jobs or unit.epoch < 1:
            raise SpecError(f"this is no unit: run {unit.run!r}, epoch {unit.epoch}, {len(unit.jobs)} jobs")
        with self._lock:
            newest = self.ledger.newest(unit.key)
            if newest is not None and unit.epoch < newest.epoch:
                raise StaleEpoch(
                    f"unit {unit.key[:12]} was given with epoch {unit.epoch}, and here with epoch "
                    f"{newest.epoch} since",
                    hint="the controller has given it away again: nothing is to be done",
                )
            if newest is not None and newest.epoch == unit.epoch:
                return self._running.get(unit.key)
            self._require_open(unit, host)
            return self._begin(unit, host, self.labs.lab(unit.bundle))

    def _require_open(self, unit: Unit, host: str) -> None:
        if self.ledger.state(unit.run) == CANCELLED:
            raise Refused(f"run {unit.run} was cancelled: {host} takes no units of it")
        if self.place.draining.exists():
            raise Refused(
                f"{host} is being drained: it takes no new units",
                hint=f"`isolab cluster drain {host} --off` ends that",
            )
        if self.closing:
            raise Refused(f"the agent of {host} is ending", hint="try again: another one is started")

    def _begin(self, unit: Unit, host: str, lab: LoadedLab) -> RunningUnit:
        if unit.work.startswith(SENT_APART):
            unit = replace(unit, work=self.labs.file(unit.work.removeprefix(SENT_APART), PARCEL))
        older = self._running.get(unit.key)
        lease = min(MOST_LEASE, max(LEAST_LEASE, unit.lease_seconds))
        self.ledger.begin(unit.key, unit.epoch, unit.run, host, lease, [job.run for job in unit.jobs])
        fresh = RunningUnit(unit, host, self.ledger, self.key)
        self._running[unit.key] = fresh
        if older is not None:
            older.stop(f"given again with epoch {unit.epoch}")
        name = f"unit-{unit.key[:8]}"
        threading.Thread(target=self._carry, args=(fresh, older, lab), name=name, daemon=True).start()
        return fresh

    def _carry(self, running: RunningUnit, older: RunningUnit | None, lab: LoadedLab) -> None:
        reason = ""
        try:
            if older is not None:
                older.wait()  # its machines have the names of these
            reason = self.work(running, lab, self.place.logs / running.unit.run, self.slots)
        except BaseException as failure:  # noqa: BLE001 - told to the controller, and in our log
            self.say("".join(traceback.format_exception(failure)).rstrip())
            reason = f"isolab failed on {running.host}: {type(failure).__name__}: {failure}"
        finally:
            self._finish(running, reason)

    def _finish(self, running: RunningUnit, reason: str) -> None:
        try:
            running.end(reason)
        except (LabError, OSError) as problem:
            self.say(f"the end of unit {running.unit.key[:12]} cannot be written: {problem}")
        finally:
            with self._lock:
                if self._running.get(running.unit.key) is running:
                    del self._running[running.unit.key]

    def follow(self, unit: Unit, host: str, wanted: threading.Event) -> Iterator[SignedLine]:
        """Give a unit, and yield its lines as they fall, from the first. Raises as ``give``, at once."""
        running = self.give(unit, host)
        if running is None:
            return iter(self.ledger.lines(unit.key, unit.epoch))
        return running.follow(0, wanted)

    def cancel(self, run: str) -> list[str]:
        """End all units of a run, and take no more of it; returns their keys when they are torn down."""
        with self._lock:
            self.ledger.mark([run], CANCELLED)
        return self._stop(self.running(run), "cancelled")

    def cancel_unit(self, run: str, key: str, epoch: int, host: str) -> list[str]:
        """End one unit, up to an epoch; it is refused if it still comes with that one."""
        with self._lock:
            newest = self.ledger.newest(key)
            if newest is None or newest.epoch < epoch:
                self.ledger.begin(key, epoch, run, host)
                line = SignedLine(host, key, epoch, 0, END, "cancelled before it came")
                self.ledger.add(self.key.sign(line), last=True)
        found = [one for one in self.running(run) if one.unit.key == key and one.unit.epoch <= epoch]
        return self._stop(found, "cancelled")

    def clear(self, run: str) -> None:
        """Remove what is here of a run: its lines, its logs, and what was sent for it alone. What still runs
        of it is ended first, and no more of it is taken."""
        self.cancel(run)
        self.ledger.clear(run)
        shutil.rmtree(self.place.logs / run, ignore_errors=True)
        shutil.rmtree(cache_dir() / programs_of(run), ignore_errors=True)
        self.labs.forget_run(run)

    def _stop(self, found: Sequence[RunningUnit], reason: str) -> list[str]:
        for one in found:
            one.stop(reason)
        for one in found:
            one.wait()
        return [one.unit.key for one in found]

    def end_all(self, reason: str) -> None:
        """End all units, and wait until they are torn down."""
        with self._lock:
            self.closing = True
        self._stop(self.running(), reason)

    def end_leases(self) -> None:
        """Have units end whose lease is over; does not wait for them."""
        for lease in self.ledger.leases():
            if lease.state != HELD or lease.left > 0:
                continue
            with self._lock:
                found = [one for one in self._running.values() if one.unit.run == lease.run]
                if not found:
                    self.ledger.drop(lease.run)
                    continue
                self.ledger.mark([lease.run], LOST)
            self.say(f"run {lease.run}: its lease is over: {len(found)} units end")
            for one in found:
                one.stop("its lease ended: the controller was not heard of in time")

    def adopt(self, host: str) -> None:
        """Give an end to the units of an agent that was killed. Their machines are gone by now."""
        for entry in self.ledger.unended():
            number = len(self.ledger.lines(entry.key, entry.epoch))
            words = f"the agent of {entry.host or host} was killed while this ran"
            line = SignedLine(entry.host or host, entry.key, entry.epoch, number, END, words)
            self.ledger.add(self.key.sign(line), last=True)
            if self.ledger.state(entry.run) != CANCELLED:
                self.ledger.mark([entry.run], LOST)
            self.say(f"unit {entry.key[:12]} of run {entry.run}: {words}")

    def forget(self, seconds: float) -> None:
        """Remove lines, logs and labs that nobody has asked for in so many seconds."""
        for run in self.ledger.forget(seconds):
            shutil.rmtree(self.place.logs / run, ignore_errors=True)
        self.labs.forget(lambda folder: _age(folder) < seconds)
        self._forget_runs()

    def _forget_runs(self) -> None:
        """Remove what was sent for runs of which nobody said that they are over, and was made of it."""
        for folder in cache_dir().glob(f"{PROGRAMS}*"):
            with contextlib.suppress(FileNotFoundError):  # another agent may use the same cache
                if _age(folder) >= OF_ONE_RUN_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        self.labs.forget(lambda folder: not of_one_run(folder) or _age(folder) < OF_ONE_RUN_SECONDS)

    def sweep(self) -> None:
        """Try again to remove machines of units that have ended: their teardown had failed. Remove what was
        sent for runs that must be over."""
        self._forget_runs()
        entries = [entry for entry in Journal().entries() if entry.owner_alive and not entry.kept]
        busy = {job.run for one in self.running() for job in one.unit.jobs}  # after the journal was read
        left = [e for e in entries if e.handle.run not in busy and self.ledger.knows(e.handle.run)]
        for entry in sorted(left, key=lambda one: one.handle.is_network):
            self._remove(entry)

    def _remove(self, entry: JournalEntry) -> None:
        tag = entry.handle.tag
        try:
            remove(entry.handle, drivers.load(entry.handle.driver), Journal())
        except LabError as problem:
            if tag not in self._said:
                self.say(f"{tag}: {problem.describe()}")
            self._said.add(tag)
        else:
            self.say(f"removed what could not be removed before: {tag}")


def _age(folder: Path) -> float:
    """Seconds since a folder was last used."""
    return time.time() - folder.stat().st_mtime
