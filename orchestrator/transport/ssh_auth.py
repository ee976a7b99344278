"""Getting into an SSH server that is there already: the way to it, its algorithms, our identity.

Never a password, never a question: what needs one is an error that says what to do instead.
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
"""How a server may sign with a key of this type where the names differ: RFC 8332."""

_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
Identity = tuple[str, paramiko.PKey]
"""What a key is called in messages, and the key."""


def dial(host: str, port: int, name: str, deadline: Deadline) -> socket.socket:
    """A TCP connection. Raises TransportError saying what is wrong and where to look."""
    where = Endpoint(host, port)
    wait = max(0.1, deadline.within(DIAL_SECONDS).remaining())
    try:
        sock = socket.create_connection((host, port), timeout=wait)
    except socket.gaierror as problem:
        raise TransportError(
            f"{name}: the host {host} is not known: {problem.strerror}",
            hint="check the `address:` of the lab",
        ) from None
    except TimeoutError:
        deadline.check(f"{name}: connecting to {where}")
        raise TransportError(
            f"{name}: {where} does not answer",
            hint="is it switched on, and does a firewall let SSH through?",
        ) from None
    except OSError as problem:
        raise TransportError(
            f"{name}: cannot connect to {where}: {problem.strerror or problem}",
            hint="is its SSH server running, and is the port right?",
        ) from None
    # The handshake is a dialogue of small packets; none must wait for another's acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def tunnel(
    jump: paramiko.Transport, host: str, port: int, name: str, via: str, deadline: Deadline
) -> paramiko.Channel:
    """A connection made by the jump host ``via``. Raises TransportError."""
    wait = max(0.1, deadline.within(DIAL_SECONDS).remaining())
    try:
        return jump.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=wait)
    except paramiko.ChannelException as problem:
        forbidden = problem.code == 1  # RFC 4254, section 5.1: administratively prohibited
        hint = "AllowTcpForwarding of its sshd_config forbids it" if forbidden else "ask from there: nc -z"
        raise TransportError(
            f"{name}: the jump host {via} does not reach {Endpoint(host, port)}: {problem.text}", hint=hint
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as problem:
        deadline.check(f"{name}: going through the jump host {via}")
        raise TransportError(
            f"{name}: the jump host {via} does not reach {Endpoint(host, port)}: {problem}"
        ) from None


def algorithms(keys: tuple[bytes, ...]) -> tuple[str, ...]:
    """The host key algorithms that fit the keys we know, in their order."""
    names = [name for key in keys for name in _ALGORITHMS.get(key_type(key), (key_type(key),))]
    return tuple(dict.fromkeys(names))


def authenticate(
    connection: paramiko.Transport, user: str, client_key: Path | None, name: str, where: str
) -> None:
    """Prove who we are, by this key or else by the agent's and the usual ones.

    Raises Unavailable for a key that cannot be used, TransportError when none is accepted.
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
                break  # it has had enough of our tries: sshd_config(5), MaxAuthTries
            if not further:
                return
            raise _refused(name, user, where, f"beside the key it wants {', '.join(further)}")
    raise _refused(name, user, where, f"tried {', '.join(tried) or 'nothing: there is no key to try'}")


def _methods(problem: paramiko.BadAuthenticationType) -> str:
    return f"it takes no keys, only {', '.join(problem.allowed_types)}"


def _refused(name: str, user: str, where: str, why: str) -> TransportError:
    return TransportError(
        f"{name}: {where} does not let {user} in: {why}",
        hint=f"put your public key there (`ssh-copy-id {user}@…`), or name the right one: `key:` in the lab",
    )


def _identities(
    client_key: Path | None, skipped: list[str], stack: contextlib.ExitStack
) -> Iterator[Identity]:
    """The keys to try; of those that cannot be used, ``skipped`` is told why."""
    if client_key is not None:
        yield str(client_key), _named(client_key, stack)
        return
    yield from _agent(stack)
    for path in (Path.home() / ".ssh" / usual for usual in _USUAL):
        if path.exists():
            try:
                yield str(path), _load(path)
            except Unavailable as problem:
                skipped.append(f"not {path} ({problem.message.removeprefix(f'{path}: ')})")


def _named(path: Path, stack: contextlib.ExitStack) -> paramiko.PKey:
    """A key by its path; one with a passphrase may be in the agent."""
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
    """The keys of the user's agent; it must stay connected while they sign."""
    try:
        agent = paramiko.Agent()
        stack.callback(agent.close)
        return [(f"the agent's {key.get_name()}", key) for key in agent.get_keys()]
    except (paramiko.SSHException, OSError):
        return []  # no agent, or a dead one: then there are the files


def _load(path: Path) -> paramiko.PKey:
    """Raises Unavailable with what to do about it."""
    try:
        return paramiko.PKey.from_path(str(path))
    except OSError as problem:
        raise Unavailable(
            f"{path}: the key cannot be read: {problem.strerror}", hint="check `key:` in the lab file"
        ) from None
    except (paramiko.PasswordRequiredException, TypeError):  # TypeError: what cryptography raises
        raise Unavailable(
            f"{path}: the key has a passphrase, and nobody is asked for it",
            hint=f"type: ssh-add {path}",
        ) from None
    except (paramiko.SSHException, UnknownKeyType, ValueError) as problem:
        raise Unavailable(
            f"{path}: not a private key that can be used: {problem or type(problem).__name__}",
            hint="Ed25519, ECDSA and RSA keys in OpenSSH's or PEM format are; others by the agent",
        ) from None
