"""Why ssh does not get to a host, in words: what OpenSSH's client wrote, explained. Pure.

Source: OpenSSH 8.4 to 10: ssh.c, sshconnect.c, sshconnect2.c, kex.c, readconf.c.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.cluster.model import ClusterHost, Destination
from orchestrator.errors import LabError, SpecError, TransportError, Unavailable
from orchestrator.formatting import bounded, printable

MOST_CHARACTERS = 300


@dataclass(frozen=True)
class _Case:
    """What ssh writes (a regular expression), the error, its reason and its hint. ``{0}``, ``{1}`` are the
    groups found, ``{login}`` is what a person would type."""

    pattern: str
    error: Callable[..., LabError]
    reason: str
    hint: str


_CASES = (
    _Case(
        r"(\S+): line \d+: (.*)|(\S+): terminating, \d+ bad configuration options",
        SpecError,
        "ssh does not accept its settings: {all}",
        "correct that file, then try `{login}`",
    ),
    _Case(
        r"Bad owner or permissions on (\S+)",
        SpecError,
        "ssh does not read {0}: others may write to it",
        "run `chmod go-w {0}`, then try `{login}`",
    ),
    _Case(
        r"stdio forwarding failed|channel \d+: open failed: (.*)",
        TransportError,
        "the jump host cannot reach it: {0}",
        "check the address and port as the jump host sees them, and AllowTcpForwarding in its sshd_config",
    ),
    _Case(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED(?:.|\n)*?\n(SHA256:\S+?)\.?\n",
        Unavailable,
        "its host key is another than the known one ({0} now)",
        "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there: if it was set up anew, "
        "remove the old line with `ssh-keygen -R ADDRESS`; if not, somebody may be in between",
    ),
    _Case(
        r"Host key verification failed|No \S+ host key is known for (\S+)",
        Unavailable,
        "its host key is unknown, and nobody is there to be asked",
        "log in once by hand, and compare the fingerprint before you say yes: `{login}`",
    ),
    _Case(
        r"Load key \"?([^\"\n]+)\"?: (.*)",
        Unavailable,
        "the private key {0} cannot be used: {1}",
        "check the file (mode 0600, its owner you); for one with a passphrase run `ssh-add {0}`",
    ),
    _Case(
        r"(?:(\S+): )?Permission denied(?: \((\S+)\))?",
        Unavailable,
        "it lets nobody in with the keys that ssh offered (it takes: {1})",
        "put your key there with `ssh-copy-id`, or name the right one (identity:, user:); a key with a "
        "passphrase has to be in ssh-agent (`ssh-add`); then `{login}` must work without a question",
    ),
    _Case(
        r"Received disconnect from [^\n]*Too many authentication failures",
        Unavailable,
        "ssh offered too many keys before the right one",
        "name the right one (identity:)",
    ),
    _Case(
        r"Could not resolve hostname (\S+?): (.*)",
        Unavailable,
        "there is no host {0}: {1}",
        "check the address in the hosts file",
    ),
    _Case(
        r"connect to host (\S+) port (\d+): Connection refused",
        TransportError,
        "no SSH server listens at port {1} of {0}",
        "start sshd there (`systemctl start ssh`), or check the port",
    ),
    _Case(
        r"connect to host (\S+) port (\d+): (.*)",
        TransportError,
        "{0} cannot be reached at port {1}: {2}",
        "check that the host is on, and that no firewall is between",
    ),
    _Case(
        r"Connection timed out during banner exchange|Connection to (\S+) port (\d+) timed out",
        TransportError,
        "it does not answer",
        "check that the host is on and not overloaded, and that no firewall is between",
    ),
    _Case(
        r"Connection (?:closed|reset) by UNKNOWN",
        TransportError,
        "the way there that your ssh_config names (ProxyJump, ProxyCommand) does not lead to it",
        "try `{login}`, which says more",
    ),
    _Case(
        r"(?:kex_exchange_identification|banner exchange|ssh_exchange_identification)[^\n]*: (.*)",
        TransportError,
        "what listens there is no SSH server, or it refuses more connections: {0}",
        "check the port; a busy server has a limit, MaxStartups in its sshd_config",
    ),
    _Case(
        r"Unable to negotiate with [^\n]*: (no matching [^\n]*)",
        Unavailable,
        "it and your ssh have no way in common: {0}",
        "upgrade the older of the two",
    ),
)


def explain(host: ClusterHost, words: str) -> LabError:
    """Return the error that says why a host is not reached; ``words`` is what ssh wrote."""
    login, words = login_line(host.ssh), words.replace("\r\n", "\n")
    for case in _CASES:
        if found := re.search(case.pattern, words):
            groups = [_plain(text or "not said") for text in found.groups()]
            about = {"login": login, "all": _plain(found[0])}
            reason, hint = (text.format(*groups, **about) for text in (case.reason, case.hint))
            return case.error(f"{host.name}: {reason}", hint=hint)
    said = [line for line in words.splitlines() if line.strip()]
    last = _plain(said[-1]) if said else "ssh said nothing"
    return TransportError(f"{host.name}: ssh does not get there: {last}", hint=f"try by hand: `{login}`")


def explain_end(host: ClusterHost, words: str) -> LabError:
    """Return the error that says why a connection that stood is there no more; ``words`` is what the master
    wrote, from its beginning."""
    for pattern, reason in _ENDS:
        if found := re.search(pattern, words):
            said = reason.format(*(_plain(text or "") for text in found.groups()))
            return TransportError(f"{host.name}: the connection broke: {said}", hint=_AGAIN)
    return TransportError(f"{host.name}: the connection is not there any more", hint=_AGAIN)


_ENDS = (
    (r"Timeout, server \S+ not responding", "it answered nothing for 15 s"),
    (r"Connection to \S+ closed by remote host", "its SSH server ended it, or the host was shut down"),
    (r"(?:Read from remote host \S+|client_loop: send disconnect): (.*)", "{0}"),
    (r"packet_write_wait: .*: (.*)", "{0}"),
)
_AGAIN = "check the network and the host, then try again"


def login_line(to: Destination) -> str:
    """Return what a person types to get to a host."""
    words = ["ssh"]
    if to.port is not None:
        words += ["-p", str(to.port)]
    if to.identity is not None:
        words += ["-i", str(to.identity)]
    if to.jump is not None:
        words += ["-J", ",".join(reversed(_jumps(to.jump)))]
    return shlex.join([*words, f"{to.user}@{to.address}" if to.user else to.address])


def _jumps(jump: Destination) -> list[str]:
    """Return a jump host and those before it, the nearest to the host first."""
    name = f"{jump.user}@{jump.address}" if jump.user else jump.address
    port = f":{jump.port}" if jump.port is not None else ""
    return [name + port, *(_jumps(jump.jump) if jump.jump else [])]


def _plain(text: str) -> str:
    return bounded(printable(text.strip()), MOST_CHARACTERS)
