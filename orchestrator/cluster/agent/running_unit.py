"""One unit that runs here: its lines as they fall, who waits for them, and its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from orchestrator.cluster.agent.ledger import Ledger
from orchestrator.cluster.agent.signing import HostKey
from orchestrator.cluster.model import SignedLine, Unit
from orchestrator.deadline import Cancellation
from orchestrator.formatting import bounded, printable
from orchestrator.record import Record, Status

MOST_RECORD = 2**20
"""Characters of a record's JSON: three times escaped in strings of JSON it still is a message."""
MOST_OUTPUT = 64 * 2**10
"""Characters of each output that remain of a record that is larger."""
MOST_WORDS = 2000
"""Characters of what people are told, and of the reason of an end."""
RECORD, WORD, END = "record", "word", "end"
"""Kinds of lines. The body of an end is "" if all its jobs were done, else the reason in words."""
LOOK_SECONDS = 0.5


@dataclass
class RunningUnit:
    """A unit while it runs; its lines are in the ledger before anybody sees them.

    ``host`` is what the controller calls this host: lines are signed with that name in them.
    """

    unit: Unit
    host: str
    ledger: Ledger
    key: HostKey
    _lines: list[SignedLine] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False
    _stopped: str = ""
    _cancellation: Cancellation | None = None

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def stopped(self) -> str:
        """Why it was to stop; "" if nobody asked it to."""
        return self._stopped

    def record(self, record: Record) -> None:
        """Add a record, shortened if it is too long for a message."""
        self._add(RECORD, fitted(record).to_json())

    def say(self, words: str) -> None:
        """Add what people are to know."""
        self._add(WORD, bounded(printable(words, keep="\n"), MOST_WORDS))

    def end(self, reason: str) -> None:
        """Add the last line. Everything of the unit is torn down by now."""
        self._add(END, bounded(printable(reason, keep="\n"), MOST_WORDS))

    def _add(self, kind: str, body: str) -> None:
        with self._news:
            if self._ended:
                return  # a thread of a job that is being torn down still had something to say
            number, key = len(self._lines), self.unit.key
            line = self.key.sign(SignedLine(self.host, key, self.unit.epoch, number, kind, body))
            self._ended = kind == END  # even if it cannot be written: nobody is to wait for it
            try:
                self.ledger.add(line, last=self._ended)
                self._lines.append(line)
            finally:
                self._news.notify_all()

    def stop(self, reason: str) -> None:
        """Have it end: its machines are torn down. The first reason counts."""
        with self._news:
            self._stopped = self._stopped or reason
            if self._cancellation is not None:
                self._cancellation.cancel()

    def begun(self, cancellation: Cancellation) -> None:
        """Say what cancels its jobs from now on; one that was told to stop before is cancelled at once."""
        with self._news:
            self._cancellation = cancellation
            if self._stopped:
                cancellation.cancel()

    def follow(self, start: int, wanted: threading.Event) -> Iterator[SignedLine]:
        """Yield its lines from a number on as they fall, to its end, or until ``wanted`` is cleared."""
        number = start
        while True:
            with self._news:
                while len(self._lines) <= number and not self._ended and wanted.is_set():
                    self._news.wait(LOOK_SECONDS)
                fresh, ended = self._lines[number:], self._ended
            yield from fresh
            number += len(fresh)
            if (ended and number >= len(self._lines)) or not wanted.is_set():
                return

    def wake(self) -> None:
        """Have those who follow look whether they are still wanted."""
        with self._news:
            self._news.notify_all()

    def wait(self) -> None:
        """Wait for its end."""
        with self._news:
            while not self._ended:
                self._news.wait(LOOK_SECONDS)


def fitted(record: Record) -> Record:
    """Return a record that fits into a message: one that is too long loses most of its outputs, which is
    marked as ``cut``; if it is still too long, it is an error. Pure."""
    if _length(record) <= MOST_RECORD:
        return record
    short = replace(
        record,
        stdout=record.stdout[:MOST_OUTPUT],
        stderr=record.stderr[:MOST_OUTPUT],
        stdout_escaped="",
        stderr_escaped="",
        cut=True,
    )
    if _length(short) <= MOST_RECORD:
        return short
    reason = f"its record is too large to be sent to the controller: {_length(record)} characters"
    return replace(
        short, status=Status.ERROR, reason=reason, stdout="", stderr="", observations={}, platform={},
        checks=(), student_view=None, warnings="",
    )  # fmt: skip


def _length(record: Record) -> int:
    return len(json.dumps(record.to_json()))
