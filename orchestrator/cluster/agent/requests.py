"""What an agent answers: one function for each kind of request of ``protocol``.

Each yields the items of its answer and returns what it is done with. It raises LabError for what it refuses.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from orchestrator.cluster.agent.cache_archive import TEMPLATES, packed, place_of, unpack
from orchestrator.cluster.agent.facts import host_facts
from orchestrator.cluster.agent.identities import identities
from orchestrator.cluster.agent.incoming import Incoming, encoded, in_parts
from orchestrator.cluster.agent.ledger import HELD
from orchestrator.cluster.agent.log_archive import log_parts
from orchestrator.cluster.agent.units import MOST_LEASE, Units
from orchestrator.cluster.agent.warm import machines_of, warm
from orchestrator.cluster.model import Unit
from orchestrator.errors import SpecError
from orchestrator.host.resources import this_host
from orchestrator.host.tempdirs import RUN_FOLDER
from orchestrator.machines.journal import Journal

Answer = Generator[Any, None, Any]
Message = Mapping[str, Any]


@dataclass(frozen=True)
class Caller:
    """Who asks: what came over the same connection, and whether it is still there (``wanted``)."""

    incoming: Incoming
    wanted: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Requests:
    """The answers of one agent; ``stop`` is called when it is asked to end."""

    units: Units
    stop: Callable[[], None]

    def answer(self, message: Message, caller: Caller) -> Answer:
        """Return the answer to a request. Raises SpecError for one that is not known."""
        known: dict[str, Callable[[Message, Caller], Answer]] = {
            "facts": self._facts,
            "beat": self._beat,
            "has": self._has,
            "put": self._put,
            "run": self._run,
            "lines": self._lines,
            "forget": self._forget,
            "identities": self._identities,
            "cancel": self._cancel,
            "logs": self._logs,
            "leases": self._leases,
            "warm": self._warm,
            "take": self._take,
            "give": self._give,
            "drain": self._drain,
            "stop": self._stop,
        }
        ask = message.get("ask")
        if not isinstance(ask, str) or ask not in known:
            raise SpecError(f"an agent does not know {str(ask)[:40]!r}", hint="is it of another version?")
        return known[ask](message, caller)

    def wake(self) -> None:
        """Have the answers look whether whoever asked is still there."""
        for one in self.units.running():
            one.wake()

    def _facts(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        facts = host_facts(_text(message, "host", ""), self.units.key.public)
        drained, bundles = self.units.place.draining.exists(), self.units.labs.there()
        return asdict(replace(facts, drained=drained, bundles=bundles))

    def _beat(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        runs, seconds = _texts(message, "leases"), _number(message, "seconds")
        return {"lost": self.units.ledger.prolong(runs, min(seconds, MOST_LEASE))}

    def _has(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        return {"missing": self.units.labs.missing(_texts(message, "digests"))}

    def _put(self, message: Message, caller: Caller) -> Answer:
        yield from ()
        digest = _text(message, "digest")
        self.units.labs.missing([digest])  # refuses what is no digest
        run = _text(message, "run", "")
        size = caller.incoming.add(digest, message.get("part"))
        if not message.get("more"):
            archive = caller.incoming.take(digest, digest)
            try:
                self.units.labs.add(archive, digest, run)
            finally:
                archive.unlink(missing_ok=True)
        return {"size": size}

    def _run(self, message: Message, caller: Caller) -> Answer:
        try:
            unit = Unit.from_json(_text(message, "unit"))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise SpecError(f"this is no unit: {type(problem).__name__}: {problem}") from None
        count = 0
        host = _text(message, "host", "") or this_host().name
        for line in self.units.follow(unit, host, caller.wanted):
            yield line.to_json()
            count += 1
        return {"lines": count}

    def _lines(self, message: Message, _caller: Caller) -> Answer:
        key, epoch, start = _text(message, "unit"), _whole(message, "epoch"), _whole(message, "from", 0)
        lines = self.units.ledger.lines(key, epoch, start)
        for line in lines:
            yield line.to_json()
        newest = self.units.ledger.entry(key, epoch)
        return {"ended": newest is not None and newest.ended}

    def _cancel(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        run = _text(message, "run")
        if "unit" in message:
            key, epoch = _text(message, "unit"), _whole(message, "epoch")
            host = _text(message, "host", "") or this_host().name
            return {"units": self.units.cancel_unit(run, key, epoch, host)}
        return {"units": self.units.cancel(run)}

    def _forget(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        run = _text(message, "run")
        if not RUN_FOLDER.fullmatch(run):
            raise SpecError(f"{run!r} is no run")
        self.units.clear(run)
        return {}

    def _identities(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        lab = self.units.labs.lab(_text(message, "bundle"))
        return {"machines": identities(lab, _texts(message, "machines"))}

    def _logs(self, message: Message, _caller: Caller) -> Answer:
        run, limit = _text(message, "run"), _whole(message, "limit")
        return (yield from log_parts(self.units.place.logs, run, limit))

    def _leases(self, _message: Message, _caller: Caller) -> Answer:
        yield from ()
        journal, now = Journal().entries(), time.time()
        running = self.units.running()
        epochs = {one.unit.run: one.unit.epoch for one in running}
        runs = {(one.unit.run, job.run) for one in running for job in one.unit.jobs}
        found = [
            {
                "run": lease.run,
                "epoch": epochs.get(lease.run, 0),
                "until": now + lease.left,
                "guests": [
                    e.handle.machine
                    for e in journal
                    if e.handle.run == lease.run or (lease.run, e.handle.run) in runs
                ],
                "kept": False,
            }
            for lease in self.units.ledger.leases()
            if lease.state == HELD
        ]
        for name in sorted({e.handle.run for e in journal if e.kept}):
            guests = [e.handle.machine for e in journal if e.handle.run == name and not e.handle.is_network]
            found.append({"run": name, "epoch": 0, "until": 0.0, "guests": guests, "kept": True})
        return found

    def _warm(self, message: Message, caller: Caller) -> Answer:
        templates = message.get("templates", True) is not False
        if "bundle" in message:
            lab, names = self.units.labs.lab(_text(message, "bundle")), _texts(message, "machines")
        else:
            lab, names = machines_of(message.get("images")), []
        return (yield from warm(lab, names, caller.wanted, templates=templates))

    def _take(self, message: Message, caller: Caller) -> Answer:
        yield from ()
        kind, key = _text(message, "kind", TEMPLATES), _text(message, "template")
        place_of(kind, key)  # refuses what is no key
        size = caller.incoming.add(key, message.get("part"))
        if not message.get("more"):
            archive = caller.incoming.take(key, _text(message, "digest"))
            try:
                unpack(archive, kind, key)
            finally:
                archive.unlink(missing_ok=True)
        return {"size": size}

    def _give(self, message: Message, _caller: Caller) -> Answer:
        kind, key = _text(message, "kind", TEMPLATES), _text(message, "template")
        state = hashlib.sha256()
        for part in in_parts(packed(kind, key)):
            state.update(part)
            yield {"part": encoded(part)}
        return {"digest": state.hexdigest()}

    def _drain(self, message: Message, _caller: Caller) -> Answer:
        yield from ()
        if message.get("on", True):
            self.units.place.draining.touch()
        else:
            self.units.place.draining.unlink(missing_ok=True)
        kept = [
            f"{e.member.session}/{e.handle.machine}" if e.member else e.handle.machine
            for e in Journal().entries()
            if e.kept and not e.handle.is_network
        ]
        return {"units": len(self.units.running()), "kept": kept}

    def _stop(self, _message: Message, _caller: Caller) -> Answer:
        yield from ()
        self.stop()
        return {}


def _text(message: Message, name: str, default: str | None = None) -> str:
    value = message.get(name, default)
    if not isinstance(value, str):
        raise SpecError(f"{name!r} of a request must be text, not {type(value).__name__}")
    return value


def _texts(message: Message, name: str) -> list[str]:
    value = message.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SpecError(f"{name!r} of a request must be a list of texts")
    return value


def _whole(message: Message, name: str, default: int | None = None) -> int:
    value = message.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{name!r} of a request must be a whole number")
    return value


def _number(message: Message, name: str) -> float:
    value = message.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SpecError(f"{name!r} of a request must be a number")
    return float(value)
