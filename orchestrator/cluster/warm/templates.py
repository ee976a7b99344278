"""Templates on all hosts: each is made on one first, and gets to the others as a copy or is made there too.

A template's key says all that it was made from, QEMU's version included, so that one host can use what
another made. A host tests what arrives before it is used. Agents do the work (``agent/protocol.py``: warm,
give, take).
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from orchestrator.cluster.agent.protocol import PART
from orchestrator.cluster.model import HostFacts
from orchestrator.deadline import Deadline
from orchestrator.errors import Interrupted, LabError, TransportError
from orchestrator.formatting import bounded, printable, size_words
from orchestrator.host.tempdirs import working_folder

Pair = tuple[str, str]
"""An image and an architecture."""
Say = Callable[[str], None]
Doing = Callable[[str, str], None]
"""Told of a host what it is doing, again and again."""

MAKING_SECONDS = 5.0
"""What making a template takes at least: one that was there already says nothing about that."""
MOST_BYTES = 16 * 2**30
_PURPOSE = "warm"
_NOT_MADE = " cannot be prepared: "
"""In what an agent says of a template that it could not make; all else is what it is doing."""


class Agent(Protocol):
    """What is needed of ``AgentClient``."""

    def ask(self, what: str, deadline: Deadline, **about: Any) -> Generator[Any, None, Any]:
        """Ask, and yield the items of the answer; returns what it is done with. Raises LabError."""


@dataclass(frozen=True)
class WarmHost:
    """A host, its agent and what that said of it."""

    name: str
    agent: Agent
    facts: HostFacts

    def can(self, arch: str) -> bool:
        """Whether it has what runs this architecture."""
        return arch == self.facts.arch or arch in self.facts.emulates


@dataclass(frozen=True)
class Warmth:
    """What a host has now: the keys of its templates; how many of them came as copies; what went wrong."""

    templates: frozenset[str] = frozenset()
    copied: int = 0
    problem: str = ""


@dataclass
class _Copies:
    """Templates on their way, and how quickly each host took the last one (bytes a second)."""

    folder: Path
    deadline: Deadline
    say: Say
    doing: Doing
    rates: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def makers(lacking: Mapping[str, Sequence[WarmHost]]) -> dict[str, list[str]]:
    """Return which host makes which templates first; ``lacking`` are the keys that no host has, each with the
    hosts that want it. Pure.

    Natively where that can be, and so that all hosts have about the same to do for their processors.
    """
    given: dict[str, list[str]] = {host.name: [] for hosts in lacking.values() for host in hosts}
    for key, hosts in lacking.items():
        arch = pair_of(key)[1]
        best = min(
            hosts, key=lambda host: (host.facts.arch != arch, len(given[host.name]) / max(1, host.facts.cpus))
        )
        given[best.name].append(key)
    return given


def pair_of(key: str) -> Pair:
    """Return the image and the architecture of a template's key, ``IMAGE-ARCH-DIGEST``. Pure."""
    image, _, arch = key.rpartition("-")[0].rpartition("-")
    return image, arch


def is_copied(size: int, rate: float, making: float) -> bool:
    """Return whether a copy of ``size`` bytes at ``rate`` bytes a second is there sooner than one that is
    made in ``making`` seconds. Pure."""
    return size / max(rate, 1.0) < max(making, MAKING_SECONDS)


def warm_templates(
    hosts: Sequence[WarmHost],
    pairs: Sequence[Pair],
    deadline: Deadline,
    say: Say,
    doing: Doing = lambda _host, _what: None,
) -> dict[str, Warmth]:
    """Have the templates of these images on all hosts that can have them; ``say`` is told what must be known.

    A host where something goes wrong is told of and stands back; the others go on. Raises TimedOut,
    Interrupted.
    """
    if not hosts:
        return {}
    with (
        working_folder(_PURPOSE) as folder,
        ThreadPoolExecutor(len(hosts)) as pool,
        deadline.cancellation.on_failure(),
    ):
        copies = _Copies(folder, deadline, say, doing)
        asked = pool.map(lambda host: _ask(host, _able(host, pairs), copies, make=False), hosts)
        wanted = {host.name: found for host, found in zip(hosts, asked, strict=True)}
        found = {name: Warmth(frozenset(keys), 0, problem) for name, (keys, problem) in wanted.items()}
        sound = [host for host in hosts if not found[host.name].problem]
        _spread(sound, {host.name: wanted[host.name][0] for host in sound}, copies, pool, found)
        # Now each tests what arrived, and makes the rest.
        rest = [host for host in sound if not all(wanted[host.name][0].values())]
        made = pool.map(lambda host: _ask(host, _able(host, pairs), copies), rest)
        for host, (templates, problem) in zip(rest, made, strict=True):
            found[host.name] = Warmth(frozenset(templates), found[host.name].copied, problem)
    return found


def _able(host: WarmHost, pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in dict.fromkeys(pairs) if host.can(pair[1])]


def _spread(
    hosts: Sequence[WarmHost],
    wanted: Mapping[str, Mapping[str, float]],
    copies: _Copies,
    pool: ThreadPoolExecutor,
    found: dict[str, Warmth],
) -> None:
    """Have each template that hosts want made by one of them, unless one has it, and copied to the others.
    ``wanted``: by host and key, the seconds that making it took; 0 for one that is not there."""
    keys = dict.fromkeys(key for ours in wanted.values() for key in ours)
    wanting = {key: [host for host in hosts if key in wanted[host.name]] for key in keys}
    having = {key: [host for host in some if wanted[host.name][key] > 0] for key, some in wanting.items()}
    first = makers({key: wanting[key] for key in keys if not having[key]})
    by_name = {host.name: host for host in hosts}
    making = {
        pool.submit(_ask, by_name[name], [pair_of(key) for key in ours], copies): by_name[name]
        for name, ours in first.items()
        if ours
    }

    def hand_on(key: str, seconds: float, source: WarmHost) -> None:
        lacking = [host for host in wanting.get(key, []) if host not in having[key] and host is not source]
        _hand_on(key, seconds, source, lacking, copies, pool, found)

    for key, some in having.items():
        if some:
            hand_on(key, wanted[some[0].name][key], some[0])
    for done in as_completed(making):
        for key, seconds in done.result()[0].items():
            hand_on(key, seconds, making[done])


def _ask(
    host: WarmHost, pairs: Sequence[Pair], copies: _Copies, *, make: bool = True
) -> tuple[dict[str, float], str]:
    """Have a host make these, or test those that arrived, or (``make`` is False) only say which it wants;
    returns seconds by key, and what went wrong."""
    if not pairs:
        return {}, ""
    try:
        done = _through(
            host.agent.ask("warm", copies.deadline, images=[list(pair) for pair in pairs], templates=make),
            lambda item: _tell(host, _plain(item.get("word")), copies),
        )
        found = done.get("templates") if isinstance(done, dict) else None
        if not isinstance(found, dict):
            raise TransportError(f"{host.name}: its agent does not say which templates it has")
        return {str(key): float(seconds) for key, seconds in found.items()}, ""
    except Interrupted:
        raise
    except (LabError, ValueError, TypeError) as problem:
        return {}, _told(host, problem, copies)


def _tell(host: WarmHost, word: str, copies: _Copies) -> None:
    if _NOT_MADE in word:
        copies.say(f"{host.name}: {word}")
    else:
        copies.doing(host.name, word)


def _hand_on(
    key: str,
    seconds: float,
    source: WarmHost,
    lacking: Sequence[WarmHost],
    copies: _Copies,
    pool: ThreadPoolExecutor,
    found: dict[str, Warmth],
) -> None:
    """Copy a template to the hosts that lack it, unless they make it sooner. One that cannot be copied is
    made by them."""
    if not lacking:
        return
    path = copies.folder / hashlib.sha256(key.encode()).hexdigest()[:16]
    try:
        begun = time.monotonic()
        digest = _fetch(source, key, path, copies.deadline)
        copies.rates.setdefault(source.name, path.stat().st_size / max(time.monotonic() - begun, 1e-3))
    except Interrupted:
        raise
    except (LabError, OSError) as problem:
        _told(source, problem, copies)
        return
    size, usual = path.stat().st_size, copies.rates[source.name]
    taking = [host for host in lacking if is_copied(size, copies.rates.get(host.name, usual), seconds)]
    if taking:
        names = ", ".join(host.name for host in taking)
        copies.say(f"copying the template {_plain(key)} ({size_words(size)}) from {source.name} to {names}")
    taken = pool.map(lambda host: _give(host, key, path, digest, copies), taking)
    for host, arrived in zip(taking, taken, strict=True):
        before = found[host.name]
        found[host.name] = Warmth(before.templates, before.copied + arrived, before.problem)
    path.unlink(missing_ok=True)


def _fetch(host: WarmHost, key: str, path: Path, deadline: Deadline) -> str:
    """Write a template that a host has into a file; returns its digest, SHA-256. Raises LabError, OSError."""
    state, size = hashlib.sha256(), 0
    with path.open("wb") as file:

        def write(item: Mapping[str, Any]) -> None:
            nonlocal size
            data = _bytes(host, item.get("part"))
            size += len(data)
            if size > MOST_BYTES:
                raise TransportError(f"{host.name}: its template {_plain(key)} is too large")
            state.update(data)
            file.write(data)

        done = _through(host.agent.ask("give", deadline, template=key), write)
    digest = state.hexdigest()
    said = str(done.get("digest", "")) if isinstance(done, dict) else ""
    if said != digest:
        raise TransportError(
            f"{host.name}: its template {_plain(key)} arrived damaged: its digest is another"
        )
    return digest


def _give(host: WarmHost, key: str, path: Path, digest: str, copies: _Copies) -> int:
    """Give a host a template; returns 1 if it took it."""
    begun, size = time.monotonic(), path.stat().st_size
    try:
        with path.open("rb") as file:
            _send(host, key, file, size, digest, copies.deadline)
    except Interrupted:
        raise
    except LabError as problem:
        _told(host, problem, copies)
        return 0
    with copies.lock:
        copies.rates[host.name] = size / max(time.monotonic() - begun, 1e-3)
    return 1


def _send(host: WarmHost, key: str, file: IO[bytes], size: int, digest: str, deadline: Deadline) -> None:
    left = size
    while True:
        data = file.read(PART)
        left -= len(data)
        part = base64.b64encode(data).decode()
        asked = host.agent.ask("take", deadline, template=key, part=part, more=left > 0, digest=digest)
        _through(asked, lambda _: None)
        if left <= 0 or not data:
            return


def _through(asked: Generator[Any, None, Any], each: Callable[[Mapping[str, Any]], None]) -> Any:
    """Go through the items of an answer; returns what it is done with."""
    while True:
        try:
            item = next(asked)
        except StopIteration as end:
            return end.value
        if isinstance(item, dict):
            each(item)


def _bytes(host: WarmHost, part: object) -> bytes:
    try:
        data = base64.b64decode(part, validate=True) if isinstance(part, str) else b""
    except ValueError:
        data = b""
    if not 0 < len(data) <= PART:
        raise TransportError(f"{host.name}: what its agent sends is no part of a template")
    return data


def _told(host: WarmHost, problem: Exception, copies: _Copies) -> str:
    message = problem.message if isinstance(problem, LabError) else str(problem)
    words = _plain(message.partition("\n")[0]) or type(problem).__name__
    copies.say(words if words.startswith(f"{host.name}: ") else f"{host.name}: {words}")
    return words


def _plain(text: object) -> str:
    return bounded(printable(str(text)), 300)
