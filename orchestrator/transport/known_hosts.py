"""Look up host keys in OpenSSH's known_hosts files; nothing is ever added.

The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": comma-separated patterns, negation,
hashed names, ``@revoked``. ``@cert-authority`` lines are skipped: certificates are not used.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fnmatch
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.errors import Unavailable
from orchestrator.labfile.ssh_endpoint import KEY_TYPES, SSH_PORT, Endpoint, key_type


def files() -> tuple[Path, ...]:
    """Where OpenSSH's client looks: ssh_config(5), UserKnownHostsFile and GlobalKnownHostsFile."""
    home = Path.home() / ".ssh"
    return (home / "known_hosts", home / "known_hosts2", Path("/etc/ssh/ssh_known_hosts"))


def trusted(server: Endpoint, through: str = "") -> tuple[bytes, ...]:
    """The keys this server may present, as on the wire, best first. ``through`` is its jump host.

    Raises Unavailable with the command to run if none is known.
    """
    text = ""
    for file in files():
        with contextlib.suppress(OSError):
            text += file.read_text(errors="replace") + "\n"
    keys = known_keys(text, server)
    if keys:
        return keys
    raise Unavailable(
        f"the host key of {server} is unknown, so its identity cannot be verified",
        hint=f"run `{_how_to_learn(server, through)}` and compare the fingerprint with the one shown by "
        "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the machine's console, or set "
        "`host_key:` in the lab",
    )


def _how_to_learn(server: Endpoint, through: str) -> str:
    port = f"-p {server.port} " if server.port != SSH_PORT else ""
    if through:
        return f"ssh -J {through} {port}{server.host}"
    return f"ssh-keyscan {port}{server.host} >> ~/.ssh/known_hosts"


def known_keys(text: str, server: Endpoint) -> tuple[bytes, ...]:
    """The keys a known_hosts file has for a server, without revoked ones, best type first. Pure."""
    found: list[bytes] = []
    revoked: set[bytes] = set()
    for marker, names, blob in _entries(text):
        if marker == "@revoked":
            revoked.add(blob)
        elif not marker and _matches(names, server.known_as) and blob not in found:
            found.append(blob)
    usable = [blob for blob in found if blob not in revoked and key_type(blob) in KEY_TYPES]
    return tuple(sorted(usable, key=lambda blob: KEY_TYPES.index(key_type(blob))))


def _entries(text: str) -> Iterator[tuple[str, Sequence[str], bytes]]:
    """Marker, name patterns and key of each valid line."""
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        with contextlib.suppress(binascii.Error, ValueError):
            yield marker, words[0].split(","), base64.b64decode(words[2], validate=True)


def _matches(patterns: Sequence[str], name: str) -> bool:
    """Whether one pattern matches and no negated one does."""
    if any(p.startswith("!") and _matches_one(p[1:], name) for p in patterns):
        return False
    return any(_matches_one(p, name) for p in patterns if not p.startswith("!"))


def _matches_one(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        with contextlib.suppress(binascii.Error, ValueError):
            salt, digest = (base64.b64decode(part) for part in pattern[3:].split("|"))
            return hmac.compare_digest(hmac.new(salt, name.lower().encode(), hashlib.sha1).digest(), digest)
        return False
    # Only * and ? are special to OpenSSH; brackets belong to the name of a port.
    escaped = pattern.lower().replace("[", "[[]")
    return fnmatch.fnmatchcase(name.lower(), escaped)
