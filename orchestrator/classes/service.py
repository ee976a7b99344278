"""The class's service: keeps the gateway up, warns, collects and ends in time. It owns no machine: it may be
killed and started again at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from orchestrator.classes import gateway
from orchestrator.classes.down import bring_down
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.overdue import overdue
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.timers import CollectAll, Due, End, Warn, due, warning
from orchestrator.classes.work.collect import Collected, collect
from orchestrator.classes.work.message import message
from orchestrator.classes.work.not_taken import not_taken
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError
from orchestrator.formatting import counted
from orchestrator.progress import SilentProgress, ToldProgress

TICK_SECONDS = 2.0
GONE_SECONDS = 20.0

Say = Callable[[str], None]
"""Writes one line to the service's log."""


@dataclass
class Service:
    """What runs beside a class's machines. ``say`` writes its log."""

    found: LoadedClass
    say: Say

    def __post_init__(self) -> None:
        self._before = datetime.now(UTC)
        self._collected = self._before
        self._said: dict[str, str] = {}
        self._left: dict[str, str] = {}
        self._missing = 0

    def run(self, stop: threading.Event, cancellation: Cancellation) -> None:
        """Do what is due until ``stop`` is set, or the class is gone. What fails is said, and tried again
        with the next look."""
        while not stop.is_set():
            if self._is_gone():
                self.say(f"{self.found.file} is gone: ending the gateway; `isolab down` removes the machines")
                self._try("the gateway", lambda: gateway.stop(self.found))
                return
            self._try("the gateway", self._keep_gateway)
            now = datetime.now(UTC)
            for what, work in self._work(self._due(now), cancellation):
                self._try(what, work)
            self._before = now
            stop.wait(TICK_SECONDS)

    def _is_gone(self) -> bool:
        """Return whether the class file has been missing for a while: editors replace it in a moment."""
        self._missing = 0 if self.found.file.exists() else self._missing + 1
        return self._missing * TICK_SECONDS > GONE_SECONDS

    def _keep_gateway(self) -> None:
        gateway.record_logins(self.found)
        if gateway.wanted(self.found) and not gateway.alive(self.found):
            self.say("the gateway has ended: starting it again")
            gateway.start(self.found)

    def _due(self, now: datetime) -> list[Due]:
        return due(
            TimeLimits(self.found).ends(),
            self._before,
            now,
            collected=self._collected,
            every=self.found.spec.collect.every,
        )

    def _work(
        self, dues: Sequence[Due], cancellation: Cancellation
    ) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what is to be done, with its name for the log. What is due for several seats is one thing:
        nobody is to have more time than others."""
        warned: dict[int, list[str]] = {}
        for one in dues:
            if isinstance(one, Warn):
                warned.setdefault(one.minutes, []).append(one.seat)
        for minutes, names in warned.items():
            yield "a warning", partial(self._warn, names, minutes, cancellation)
        if ended := [one.seat for one in dues if isinstance(one, End)]:
            yield "the end", partial(self._end, ended, cancellation)
        if CollectAll() in dues:
            yield "the collection", partial(self._collect, cancellation)

    def _warn(self, names: Sequence[str], minutes: int, cancellation: Cancellation) -> None:
        message(self.found, self._seats(names), warning(minutes), SilentProgress(), cancellation)
        for name in names:
            self.say(f"{name}: warned: {counted(minutes, 'minute')} left")

    def _collect(self, cancellation: Cancellation) -> None:
        self._collected = datetime.now(UTC)
        done = collect(self.found, self.found.seats, SilentProgress(), cancellation)
        self.say(f"collected: {counted(sum(each.fresh for each in done), 'file')} new or changed")
        self._say_not_taken(done)

    def _end(self, names: Sequence[str], cancellation: Cancellation) -> None:
        """Take seats down side by side. Raises LabError for those of which something is not collected, or up
        still."""
        for words in overdue(self.found, names, datetime.now(UTC)):
            self.say(words)
        done = bring_down(
            self.found, self._seats(names), ToldProgress(self.say), cancellation, everything=False
        )
        self._say_not_taken(done.collected)
        over = [name for name in names if name not in done.unfinished]
        TimeLimits(self.found).end(over)  # also where nothing was up
        for name in over:
            gone = sum(place.seat == name for place in done.gone)
            self.say(f"{name}: its time is up: collected, {counted(gone, 'machine')} taken down")
        if done.failed:
            raise LabError("; ".join(done.failed))

    def _say_not_taken(self, done: Sequence[Collected]) -> None:
        """Say what was not taken of home folders, if it is not what was said the last time."""
        for one in done:
            place = f"{one.seat}/{one.machine}"
            for line in not_taken([one]):
                if self._left.get(place) != line:
                    self.say(line)
                self._left[place] = line

    def _seats(self, names: Iterable[str]) -> list[Seat]:
        return [seat for seat in self.found.seats if seat.name in {*names}]

    def _try(self, what: str, work: Callable[[], None]) -> None:
        """Do something; what goes wrong is said once, until it goes right."""
        try:
            work()
        except Interrupted:
            raise
        except LabError as problem:
            words = problem.describe()
            if self._said.get(what) != words:
                self.say(f"{what}: {words}")
            self._said[what] = words
        else:
            self._said.pop(what, None)
