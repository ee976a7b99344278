"""Ask the isolab of a host about its part of a class, over SSH: lines of progress come, then the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.classes.hosts.answer import HostAnswer, checked
from orchestrator.classes.hosts.request import PartRequest
from orchestrator.classes.model import LoadedClass
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import ClusterHost
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, LabError, SpecError, TransportError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.host.process import Conversation
from orchestrator.progress import Progress

LOOK_SECONDS, WORK_SECONDS = 120.0, 3600.0
MOST_ANSWER = 2**25
"""Bytes of one line of an answer."""
PART = ("class", "part", "-")
"""The words by which a host's isolab takes a request on its standard input."""


def ask(
    found: LoadedClass,
    hosts: HostsUp,
    host: ClusterHost,
    request: PartRequest,
    progress: Progress,
    seconds: float = WORK_SECONDS,
) -> HostAnswer:
    """Return a host's answer; what it does meanwhile is shown under its name. If this process ends, so does
    what it asked for. Raises LabError, with what went wrong on the host."""
    deadline = hosts.deadline(seconds)
    talk = hosts.connection(host).start(hosts.isolab(host, *PART))
    listening = _Listening(host.name, progress)
    try:
        talk.send(request.to_line(), deadline)
        for line in _lines(talk, deadline, host.name):
            listening.take(line)
        status = talk.finish(deadline)
    finally:
        talk.close(at_once=True)
        listening.end()
    if listening.problem is not None:
        raise listening.problem
    if listening.result is None:
        why = bounded(printable(status.tail(3)), 300) or f"status {status.code}"
        raise TransportError(f"{host.name}: its isolab did not answer about the class: {why}")
    return checked(listening.result, found, host.name)


@dataclass
class _Listening:
    """Takes the lines of one host."""

    host: str
    progress: Progress
    result: Any = None
    problem: LabError | None = None

    def __post_init__(self) -> None:
        self._busy: set[str] = set()

    def take(self, line: bytes) -> None:
        """Raises TransportError for a line that no isolab writes."""
        try:
            part = json.loads(line)
            if not isinstance(part, dict):
                raise TypeError
            if "result" in part:
                self.result = part["result"]
            elif "problem" in part:
                self.problem = _problem(self.host, part["problem"])
            elif "doing" in part:
                who, what, expected = part["doing"]
                self._doing(_shown(who), _shown(what), float(expected))
            elif "done" in part:
                self._done(_shown(part["done"]))
            elif "tell" in part:
                self.progress.tell(f"{self.host}: {_shown(part['tell'], 2000)}")
        except (ValueError, TypeError, KeyError, RecursionError):
            said = bounded(printable(line.decode(errors="replace")), 200)
            raise TransportError(f"{self.host}: its isolab does not speak as this one does: {said}") from None

    def _doing(self, who: str, what: str, expected: float) -> None:
        name = f"{self.host}: {who}"
        if len(self._busy) < 1000:
            self._busy.add(name)
            self.progress.doing(name, what, min(max(expected, 0.0), 86400.0))

    def _done(self, who: str) -> None:
        self._busy.discard(f"{self.host}: {who}")
        self.progress.done(f"{self.host}: {who}")

    def end(self) -> None:
        for name in self._busy:
            self.progress.done(name)


def _lines(talk: Conversation, deadline: Deadline, host: str) -> Iterator[bytes]:
    rest = b""
    while part := talk.receive(deadline):
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
        if len(rest) > MOST_ANSWER:
            raise TransportError(f"{host}: a line of its answer has more than {MOST_ANSWER} bytes")


def _shown(value: Any, most: int = 300) -> str:
    return bounded(printable(str(value)), most)


def _problem(host: str, data: Any) -> LabError:
    kind = SpecError if data.get("code") == Exit.BAD_INPUT else Unavailable
    message, hint = (bounded(printable(str(data.get(key, "")), "\n"), 2000) for key in ("message", "hint"))
    return kind(f"{host}: {message.removeprefix(f'{host}: ')}", hint=hint)
