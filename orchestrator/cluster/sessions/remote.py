"""The isolab of a host, run by the controller over SSH."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import ClusterHost
from orchestrator.errors import Exit, TransportError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.progress import Progress

LONGEST_LINE = 4000
ANSWER_BYTES = 16 * 2**20
_STAMP = re.compile(r"^\[ *\d+\.\ds\] ")
"""The time at which a host's isolab says something, as it begins its lines."""
_TOGETHER = ("sh", "-c", 'exec "$@" 2>&1', "sh")


def command(hosts: HostsUp, host: ClusterHost, words: Sequence[str], *, tty: bool = False) -> list[str]:
    """Return the command line that runs ``isolab WORDS`` on a host. Raises LabError if it is not reached."""
    return hosts.connection(host).argv(hosts.isolab(host, *words), tty=tty)


def ask(hosts: HostsUp, host: ClusterHost, words: Sequence[str], seconds: float) -> Any:
    """Return what ``isolab WORDS --format json`` says on a host. Raises LabError with its words."""
    argv = hosts.isolab(host, *words, "--format", "json")
    done = hosts.connection(host).run(argv, deadline=hosts.deadline(seconds), limit=ANSWER_BYTES)
    try:
        return json.loads(done.stdout)
    except ValueError:
        said = bounded(printable(done.tail(2)), 300)
        raise TransportError(f"{host.name}: `isolab {words[0]}` did not answer in JSON: {said}") from None


def tell(
    hosts: HostsUp, host: ClusterHost, words: Sequence[str], seconds: float, say: Callable[[str], None]
) -> int:
    """Run ``isolab WORDS`` on a host, and say each line as it comes; returns its exit status. Raises
    LabError."""
    deadline = hosts.deadline(seconds)
    talk = hosts.connection(host).start([*_TOGETHER, *hosts.isolab(host, *words)])
    rest = b""
    try:
        talk.end_input()
        while part := talk.receive(deadline):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                _say(line, say)
            rest = rest[-LONGEST_LINE:]
        if rest:
            _say(rest, say)
        return talk.finish(deadline).code
    finally:
        talk.close(at_once=True)


def carry_out(
    hosts: HostsUp, host: ClusterHost, words: Sequence[str], seconds: float, progress: Progress
) -> None:
    """Run ``isolab WORDS`` on a host, and tell its lines with the host's name. Raises LabError, also if it
    does not end with status 0."""
    status = tell(hosts, host, words, seconds, lambda line: progress.tell(f"{host.name}: {line}"))
    if status != Exit.PASSED:
        raise Unavailable(f"`isolab {words[0]}` ended with status {status} on {host.name}: see above")


def _say(line: bytes, say: Callable[[str], None]) -> None:
    text = bounded(printable(line.decode(errors="replace")), LONGEST_LINE).strip()
    text = _STAMP.sub("", text)  # our own progress has one
    if text:
        say(text)
