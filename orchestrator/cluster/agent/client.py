"""The controller's and the worker's end of an agent's protocol: requests side by side over one stream.

What an agent sends is not trusted: messages are bounded, what belongs to no request is an error, and a line
of a unit has the types it must have. Whether a line is signed by the right host is for who uses it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.cluster.agent.incoming import MOST_BYTES, decoded, encoded
from orchestrator.cluster.agent.protocol import LONGEST, PART, decode, encode
from orchestrator.cluster.agent.refusal import Refused, StaleEpoch
from orchestrator.cluster.agent.streams import Stream
from orchestrator.cluster.model import HostFacts, SignedLine, Unit
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Exit, Interrupted, LabError, SpecError, TransportError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.host.cache import sha256_file

ASK_SECONDS = 60.0
MOST_WAITING = 64 * 2**20
"""Bytes of answers that nobody has taken yet, of one connection."""
MOST_WORDS = 4000
Message = dict[str, Any]


@dataclass
class _Asked:
    """A request that is not done: its answers so far, or why there will be none."""

    answers: queue.SimpleQueue[tuple[Message, int] | TransportError] = field(
        default_factory=queue.SimpleQueue
    )


class AgentClient:
    """One connection to an agent. Thread-safe: requests of several threads are answered side by side.

    ``host`` is what the controller calls this host: its lines and records bear that name. Every method takes
    a deadline and raises TransportError when the connection breaks or the agent violates the protocol (also
    to those who wait), TimedOut, Interrupted, and what the agent refuses with: Refused (nothing was begun),
    StaleEpoch, SpecError, LabError.
    """

    def __init__(self, stream: Stream, host: str = "") -> None:
        self._stream, self._host = stream, host
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._asked: dict[int, _Asked] = {}
        self._number = self._waiting = 0
        self._broken: TransportError | None = None
        self._closing = Cancellation()
        self._reader = threading.Thread(target=self._read, name=f"agent {host}", daemon=True)
        self._reader.start()

    def __enter__(self) -> AgentClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; who waits for an answer gets TransportError. What runs there goes on."""
        self._closing.cancel()
        self._fail(TransportError(f"the connection to the agent of {self._who} was closed"))
        with self._sending:
            self._stream.end_input()
        self._reader.join()
        self._stream.close()

    @property
    def broken(self) -> bool:
        """Whether the connection has ended: there will be no more answers."""
        return self._broken is not None

    @property
    def _who(self) -> str:
        return self._host or "this host"

    def facts(self, deadline: Deadline) -> HostFacts:
        """Return what the agent says of its host."""
        found = self._done("facts", deadline, host=self._host)
        try:
            return _printable_facts(HostFacts.from_data(found))
        except TypeError as problem:
            raise self._wrong(f"its facts cannot be read: {problem}") from None

    def beat(self, runs: Sequence[str], seconds: float, deadline: Deadline) -> list[str]:
        """Prolong the leases of runs by so many seconds from now; returns those that were lost: their guests
        are gone."""
        return self._texts(self._done("beat", deadline, leases=list(runs), seconds=seconds), "lost")

    def missing(self, digests: Sequence[str], deadline: Deadline) -> list[str]:
        """Return the bundles that the host does not have."""
        return self._texts(self._done("has", deadline, digests=list(digests)), "missing")

    def put(self, digest: str, archive: Path, deadline: Deadline, *, run: str = "") -> None:
        """Send a bundle; with ``run`` it is forgotten with that. Raises OSError if it cannot be read."""
        self._send_file("put", {"digest": digest, "run": run}, archive, deadline)

    def forget(self, run: str, deadline: Deadline) -> None:
        """Have the host remove what it has of a run, which is over: records, logs, what was sent for it."""
        self._done("forget", deadline, run=run)

    def identities(
        self, bundle: str, machines: Sequence[str], deadline: Deadline
    ) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
        """Return what machines of a lab are on the host, by name: what identifies their template or image,
        and their QEMU; and why others cannot be there."""
        found = self._mapping(
            self._done("identities", deadline, bundle=bundle, machines=list(machines)).get("machines")
        )
        there: dict[str, tuple[str, str]] = {}
        lacking: dict[str, str] = {}
        for name in machines:
            one = self._mapping(found.get(name))
            if "lacking" in one:
                lacking[name] = "; ".join(filter(None, (_words(one["lacking"]), _words(one.get("hint")))))
            else:
                there[name] = _words(one.get("template")), _words(one.get("qemu"))
        return there, lacking

    def run(self, unit: Unit, deadline: Deadline) -> Iterator[SignedLine]:
        """Give a unit, or join it if it runs there, and yield its lines from the first, as they fall. It
        does not end with this iterator."""
        for item in self.ask("run", deadline, unit=unit.to_json(), host=self._host):
            yield self._line(item, unit.key, unit.epoch)

    def lines(
        self, key: str, epoch: int, deadline: Deadline, start: int = 0
    ) -> tuple[list[SignedLine], bool]:
        """Return the lines that a unit has, from a number on, and whether it has ended."""
        asked = self.ask("lines", deadline, unit=key, epoch=epoch, **{"from": start})
        found = []
        while True:
            try:
                found.append(self._line(next(asked), key, epoch))
            except StopIteration as end:
                return found, bool(self._mapping(end.value).get("ended"))

    def cancel(self, run: str, deadline: Deadline, unit: tuple[str, int] | None = None) -> list[str]:
        """End a run on this host, or one unit of it (its key, and the epoch up to which); returns the keys of
        those that ran, when they are torn down."""
        more: Message = {} if unit is None else {"unit": unit[0], "epoch": unit[1], "host": self._host}
        return self._texts(self._done("cancel", deadline, run=run, **more), "units")

    def logs(self, run: str, limit: int, target: Path, deadline: Deadline) -> list[str]:
        """Write the logs of a run's machines into a tar (gzip), at most ``limit`` bytes of them; returns the
        names of files that were left out."""
        return self._texts(
            self._receive_file("logs", target, 2 * limit + 2**20, deadline, run=run, limit=limit), "left_out"
        )

    def leases(self, deadline: Deadline) -> list[Message]:
        """Return the leases of runs, and the machines that are kept, as ``protocol`` has them."""
        found = self._done("leases", deadline, mapping=False)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._wrong("its leases cannot be read")
        return found

    def warm(
        self,
        tell: Callable[[str], None],
        deadline: Deadline,
        *,
        bundle: str = "",
        machines: Sequence[str] = (),
        images: Sequence[tuple[str, str]] = (),
        templates: bool = True,
    ) -> dict[str, float]:
        """Have images and templates made: of machines of a lab that was sent (none: all of it), or of guests
        of images, by name and architecture. ``tell`` gets what is said meanwhile. Returns how many seconds
        each template took now, by its key. Without ``templates`` only images are made, and templates named,
        with the seconds that their boot once took; 0: it is not there."""
        about: Message = {"images": [list(pair) for pair in images], "templates": templates}
        if bundle:
            about = {"bundle": bundle, "machines": list(machines), "templates": templates}
        asked = self.ask("warm", deadline, **about)
        while True:
            try:
                tell(_words(self._mapping(next(asked)).get("word")))
            except StopIteration as end:
                found = self._mapping(end.value).get("templates")
                return self._seconds(found)

    def _seconds(self, found: object) -> dict[str, float]:
        if not isinstance(found, dict) or not all(isinstance(n, int | float) for n in found.values()):
            raise self._wrong("its templates cannot be read")
        return {str(key): float(seconds) for key, seconds in found.items()}

    def give(self, key: str, target: Path, deadline: Deadline, *, kind: str = "templates") -> str:
        """Write a template (or an image, ``kind`` "images") of this host into a file for ``take``; returns
        its digest. Raises Refused if it is not there or of no use elsewhere, OSError."""
        found = self._receive_file("give", target, MOST_BYTES, deadline, template=key, kind=kind)
        digest = sha256_file(target)
        if found.get("digest") != digest:
            raise self._wrong(f"{key} arrived damaged")
        return digest

    def take(self, key: str, archive: Path, deadline: Deadline, *, kind: str = "templates") -> None:
        """Send a template or an image that another host gave. It is tested there when it is first wanted, as
        by ``warm``. Raises SpecError if it is damaged, OSError."""
        about = {"template": key, "kind": kind, "digest": sha256_file(archive)}
        self._send_file("take", about, archive, deadline)

    def drain(self, deadline: Deadline, *, on: bool = True) -> tuple[int, list[str]]:
        """Have the host take no new units, or take some again; returns how many still run there, and the
        names of machines that are kept."""
        found = self._done("drain", deadline, on=on)
        return int(found.get("units", 0)), self._texts(found, "kept")

    def stop(self, deadline: Deadline) -> None:
        """Have the agent end as soon as nothing runs."""
        self._done("stop", deadline)

    def ask(self, what: str, deadline: Deadline, **about: Any) -> Generator[Any, None, Any]:
        """Ask, and yield the items of the answer; returns what it is done with."""
        number, asked = self._begin(what, about, deadline)
        try:
            while True:
                answer = self._next(asked, deadline, what)
                if "item" in answer:
                    yield answer["item"]
                elif "done" in answer:
                    return answer["done"]
                else:
                    raise self._refusal(answer)
        finally:
            self._drop(number)

    def _drop(self, number: int) -> None:
        """Forget a request, with the answers that nobody took."""
        with self._lock:
            asked = self._asked.pop(number, None)
            while asked is not None and not asked.answers.empty():
                found = asked.answers.get()
                self._waiting -= 0 if isinstance(found, TransportError) else found[1]

    def _begin(self, what: str, about: Message, deadline: Deadline) -> tuple[int, _Asked]:
        asked = _Asked()
        with self._lock:
            if self._broken is not None:
                raise self._broken
            self._number += 1
            number = self._number
            self._asked[number] = asked
        with self._sending:
            try:
                self._stream.send(encode({"id": number, "ask": what, **about}), deadline)
            except LabError as problem:
                # A part of a message may be on its way: nothing can follow it.
                self._fail(TransportError(f"{self._who}: {problem.message}"))
                raise
        return number, asked

    def _next(self, asked: _Asked, deadline: Deadline, what: str) -> Message:
        while True:
            try:
                found = asked.answers.get(timeout=deadline.slice())
            except queue.Empty:
                deadline.check(f"waiting for the agent of {self._who} ({what})")
                continue
            if isinstance(found, TransportError):
                raise found
            message, size = found
            with self._lock:
                self._waiting -= size
            return message

    def _done(self, what: str, deadline: Deadline, *, mapping: bool = True, **about: Any) -> Any:
        asked = self.ask(what, deadline, **about)
        while True:
            try:
                next(asked)
            except StopIteration as end:
                return self._mapping(end.value) if mapping else end.value

    def _send_file(self, what: str, about: Message, path: Path, deadline: Deadline) -> Message:
        left = path.stat().st_size
        with path.open("rb") as file:
            while True:
                part = file.read(PART)
                left -= len(part)
                more = left > 0 and bool(part)
                found: Message = self._done(what, deadline, **about, part=encoded(part), more=more)
                if not more:
                    return found

    def _receive_file(self, what: str, target: Path, most: int, deadline: Deadline, **about: Any) -> Message:
        asked, size = self.ask(what, deadline, **about), 0
        with target.open("wb") as file:
            while True:
                try:
                    part = decoded(self._mapping(next(asked)).get("part"))
                except StopIteration as end:
                    return self._mapping(end.value)
                size += len(part)
                if size > most:
                    raise self._wrong(f"it sends more than {most} bytes")
                file.write(part)

    def _line(self, item: Any, key: str, epoch: int) -> SignedLine:
        try:
            line = SignedLine.from_json(item)
        except (ValueError, TypeError, RecursionError):
            raise self._wrong("a line of a unit cannot be read") from None
        texts = (line.host, line.kind, line.body, line.signature)
        if not all(isinstance(one, str) for one in texts) or type(line.number) is not int:
            raise self._wrong("a line of a unit has values of other types")
        if (line.unit, line.epoch) != (key, epoch):
            raise self._wrong("it sent a line of another unit")
        return line

    def _mapping(self, value: Any) -> Message:
        if not isinstance(value, dict):
            raise self._wrong("an answer is no object")
        return value

    def _texts(self, answer: Message, name: str) -> list[str]:
        found = answer.get(name)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._wrong(f"{name!r} of an answer is no list of texts")
        return [_words(one) for one in found]

    def _wrong(self, words: str) -> TransportError:
        return TransportError(f"the agent of {self._who} violates the protocol: {words}")

    def _refusal(self, answer: Message) -> LabError:
        words, hint = _words(answer.get("error")), _words(answer.get("hint"))
        kinds: dict[str, Callable[..., LabError]] = {
            "StaleEpoch": StaleEpoch,
            "Refused": Refused,
            "TransportError": TransportError,
            "Unavailable": Unavailable,
            "HostLacks": Unavailable,
        }
        by_code = {int(Exit.BAD_INPUT): SpecError, int(Exit.INTERRUPTED): Interrupted}
        code = answer.get("code")
        other = by_code.get(code, LabError) if isinstance(code, int) else LabError
        kind = answer.get("kind")
        made = kinds.get(kind, other) if isinstance(kind, str) else other
        return made(words or f"the agent of {self._who} refused without a word", hint=hint)

    def _read(self) -> None:
        """Give answers to those who asked, until the stream ends."""
        data, never = bytearray(), self._closing.deadline()
        try:
            while block := self._stream.receive(never):
                data += block
                while (end := data.find(b"\n")) >= 0:
                    self._give(bytes(data[:end]))
                    del data[: end + 1]
                if len(data) > LONGEST:
                    raise self._wrong(f"a message is longer than {LONGEST} bytes")
            said = _words(self._stream.complaints())
            self._fail(TransportError(f"the agent of {self._who} is gone" + (f": {said}" if said else "")))
        except LabError as problem:
            self._fail(TransportError(f"{self._who}: {problem.message}"))
        except (OSError, ValueError) as problem:  # closed under us
            self._fail(TransportError(f"the connection to the agent of {self._who} broke: {problem}"))

    def _give(self, line: bytes) -> None:
        message = decode(line)
        number = message.get("id")
        with self._lock:
            asked = self._asked.get(number) if isinstance(number, int) else None
            if asked is None:
                return  # of one who does not wait any more
            self._waiting += len(line)
            if self._waiting > MOST_WAITING:
                raise self._wrong(f"more than {MOST_WAITING} bytes of answers wait")
            asked.answers.put((message, len(line)))

    def _fail(self, problem: TransportError) -> None:
        with self._lock:
            self._broken = self._broken or problem
            for asked in self._asked.values():
                asked.answers.put(self._broken)


def _words(text: object) -> str:
    return bounded(printable(text, keep="\n"), MOST_WORDS) if isinstance(text, str) else ""


def _printable_facts(facts: HostFacts) -> HostFacts:
    """Check the types of facts, which a host may have made up. Raises TypeError."""
    texts = (facts.name, facts.version, facts.python, facts.arch, facts.public_key)
    numbers = (facts.cpus, facts.memory, facts.clock, facts.guests, facts.load)
    lists = (*facts.emulates, *facts.templates, *facts.bundles, *facts.glibc)
    if not all(isinstance(one, str) and one.isprintable() for one in (*texts, *lists)):
        raise TypeError("a text is none")
    if not all(isinstance(one, int | float) for one in numbers) or not isinstance(facts.kvm, bool):
        raise TypeError("a number is none")
    return facts
