"""Public keys as people write them, and whose they are. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from orchestrator.errors import SpecError
from orchestrator.labfile.ssh_endpoint import KEY_TYPES, fingerprint, key_type
from orchestrator.labfile.suggest import quote

TYPES = (*KEY_TYPES, "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
"""Types of keys that open the gateway: sshd(8), AUTHORIZED_KEYS FILE FORMAT."""
MOST_CHARACTERS = 16384
_HINT = "a public key is one line, such as that in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA…"


def key_line(text: str) -> str:
    """Return ``TYPE BASE64`` of a public key line, without its comment. Raises SpecError for options, private
    keys and anything else."""
    words = text.split()
    if len(text) > MOST_CHARACTERS or len(words) < 2 or len(text.strip().splitlines()) != 1:
        raise SpecError(f"{quote(text[:60])} is not a public SSH key", hint=_HINT)
    if words[0] not in TYPES:
        raise SpecError(f"{quote(words[0][:60])} is not a type of SSH key", hint=_HINT)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if key_type(blob) != words[0]:
        raise SpecError(f"the {words[0]} key {quote(words[1][:30])} is damaged", hint=_HINT)
    return f"{words[0]} {words[1]}"


def key_fingerprint(line: str) -> str:
    """Return ``SHA256:…`` of a line of ``key_line``, as sshd logs it."""
    return fingerprint(base64.b64decode(line.split()[1])).split()[0]


def owners(keys: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the seat of each key, as ``key_line`` has it; ``keys`` are each seat's lines.

    Raises SpecError for a key of two seats: it says who comes, so it can be only one's.
    """
    found: dict[str, str] = {}
    for seat, lines in keys.items():
        for line in map(key_line, lines):
            other = found.setdefault(line, seat)
            if other != seat:
                raise SpecError(
                    f"one SSH key ({key_fingerprint(line)}) is that of two seats, {other} and {seat}",
                    hint="in the roster a key belongs to one student, or to one group",
                )
    return found
