"""Log in to an existing SSH server: connection, algorithms, our key.

Never asks for a password or anything else: where one is needed, an error says what to do instead.
Sources: ssh(1), RFC 4252, RFC 4254 section 7.2, the documentation of paramiko.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError, Unavailable
from orchestrator.labfile.ssh_endpoint import Endpoint, key_type

DIAL_SECONDS = 30.0
"""How long a server may take to accept a connection; TCP itself would try for minutes."""

_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Signature algorithms for a key type whose name they do not share: RFC 8332."""

_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
Identity = tuple[str, paramiko.PKey]
"""A key's name in messages, and the key."""


def dial(host: str, port: int, name: str, deadline: Deadline) -> socket.socket:
    """Open a TCP connection. Raises TransportError saying what is wrong and where to look."""
    where = Endpoint(host, port)
    wait = max(0.1, deadline.within(DIAL_SECONDS).remaining())
    try:
        sock = socket.create_connection((host, port), timeout=wait)
    except socket.gaierror as problem:
        raise TransportError(
            f"{name}: cannot resolve {host}: {problem.strerror}",
            hint="check `address:` in the lab",
        ) from None
    except TimeoutError:
        deadline.check(f"{name}: connecting to {where}")
        raise TransportError(
            f"{name}: {where} does not respond",
            hint="check that it is switched on and that no firewall blocks SSH",
        ) from None
    except OSError as problem:
        raise TransportError(
            f"{name}: cannot connect to {where}: {problem.strerror or problem}",
            hint="check that its SSH server is running and the port is right",
        ) from None
    # The handshake is a dialogue of small packets; none must wait for another's acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def tunnel(
    jump: paramiko.Transport, host: str, port: int, name: str, via: str, deadline: Deadline
) -> paramiko.Channel:
    """Open a connection through the jump host ``via``. Raises TransportError."""
    wait = max(0.1, deadline.within(DIAL_SECONDS).remaining())
    try:
        return jump.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=wait)
    except paramiko.ChannelException as problem:
        forbidden = problem.code == 1  # RFC 4254, section 5.1: administratively prohibited
        hint = "set AllowTcpForwarding in its sshd_config" if forbidden else f"run there: nc -z {host} {port}"
        raise TransportError(
            f"{name}: jump host {via} cannot reach {Endpoint(host, port)}: {problem.text}", hint=hint
        ) from None
    except Exception as problem:  # noqa: BLE001 - whatever paramiko's thread met
        deadline.check(f"{name}: connecting through jump host {via}")
        raise TransportError(
            f"{name}: jump host {via} cannot reach {Endpoint(host, port)}: {in_words(problem)}"
        ) from None


def hang_up(end: paramiko.Channel | paramiko.Transport | socket.socket) -> None:
    """Close it; never raises. paramiko says goodbye to the other side when it closes, and fails at that where
    the connection is lost; then there is nothing left to close."""
    with contextlib.suppress(Exception):
        end.close()


def in_words(problem: Exception) -> str:
    """Return what an exception of paramiko says; many an EOFError says nothing."""
    return str(problem) or (
        "the other side ended it" if isinstance(problem, EOFError) else type(problem).__name__
    )


def algorithms(keys: tuple[bytes, ...]) -> tuple[str, ...]:
    """The host key algorithms for these keys, in the same order."""
    names = [name for key in keys for name in _ALGORITHMS.get(key_type(key), (key_type(key),))]
    return tuple(dict.fromkeys(names))


def authenticate(
    connection: paramiko.Transport, user: str, client_key: Path | None, name: str, where: str
) -> None:
    """Log in with this key, or else with the agent's and the default ones.

    Raises Unavailable for an unusable key, TransportError if none is accepted.
    """
    tried: list[str] = []
    with contextlib.ExitStack() as stack:
        for label, key in _identities(client_key, tried, stack):
            try:
                further = connection.auth_publickey(user, key)
            except paramiko.BadAuthenticationType as problem:
                raise _refused(name, user, where, _methods(problem)) from None
            except (paramiko.SSHException, EOFError):
                tried.append(label)
                if connection.is_active():
                    continue
                break  # too many attempts: sshd_config(5), MaxAuthTries
            if not further:
                return
            raise _refused(name, user, where, f"it also requires {', '.join(further)}")
    raise _refused(name, user, where, f"tried {', '.join(tried)}" if tried else "no key to try")


def _methods(problem: paramiko.BadAuthenticationType) -> str:
    return f"it accepts no keys, only {', '.join(problem.allowed_types)}"


def _refused(name: str, user: str, where: str, why: str) -> TransportError:
    return TransportError(
        f"{name}: login as {where} failed: {why}",
        hint=f"install your public key there (`ssh-copy-id {user}@…`), or set `key:` in the lab",
    )


def _identities(
    client_key: Path | None, skipped: list[str], stack: contextlib.ExitStack
) -> Iterator[Identity]:
    """Yield the keys to try; unusable ones are added to ``skipped`` with the reason."""
    if client_key is not None:
        yield str(client_key), _named(client_key, stack)
        return
    yield from _agent(stack)
    for path in (Path.home() / ".ssh" / usual for usual in _USUAL):
        if path.exists():
            try:
                yield str(path), _load(path)
            except Unavailable as problem:
                skipped.append(f"{path}: skipped ({problem.message.removeprefix(f'{path}: ')})")


def _named(path: Path, stack: contextlib.ExitStack) -> paramiko.PKey:
    """Load a key by its path; one with a passphrase may be in the agent."""
    try:
        return _load(path)
    except Unavailable:
        with contextlib.suppress(OSError, IndexError):
            blob = Path(f"{path}.pub").read_text().split()[1]
            for _, key in _agent(stack):
                if key.get_base64() == blob:
                    return key
        raise


def _agent(stack: contextlib.ExitStack) -> list[Identity]:
    """The keys in the user's agent, which must stay connected while they sign."""
    try:
        agent = paramiko.Agent()
        stack.callback(agent.close)
        return [(f"the agent's {key.get_name()}", key) for key in agent.get_keys()]
    except (paramiko.SSHException, OSError):
        return []  # no agent, or a dead one: fall back to the files


def _load(path: Path) -> paramiko.PKey:
    """Load a private key. Raises Unavailable with what to do about it."""
    try:
        return paramiko.PKey.from_path(str(path))
    except OSError as problem:
        raise Unavailable(
            f"{path}: cannot read the key: {problem.strerror}", hint="check `key:` in the lab file"
        ) from None
    except (paramiko.PasswordRequiredException, TypeError):  # TypeError: what cryptography raises
        raise Unavailable(
            f"{path}: the key has a passphrase, which isolab does not ask for",
            hint=f"run: ssh-add {path}",
        ) from None
    except (paramiko.SSHException, UnknownKeyType, ValueError) as problem:
        raise Unavailable(
            f"{path}: unusable private key: {in_words(problem)}",
            hint="use an Ed25519, ECDSA or RSA key in OpenSSH or PEM format, or load it into ssh-agent",
        ) from None
