"""Public keys as people write them, and whose they are. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from orchestrator.errors import SpecError
from orchestrator.labfile.ssh_endpoint import fingerprint
from orchestrator.labfile.suggest import quote
from orchestrator.submissions.public_key import identity, public_key


def key_line(text: str) -> str:
    """Return ``TYPE BASE64`` of a public key line, without its comment. Raises SpecError for options, private
    keys and anything else."""
    try:
        if len(text.strip().splitlines()) > 1:
            raise ValueError("these are several lines", "give one key")
        return identity(public_key(text))
    except ValueError as problem:
        message, hint = problem.args
        raise SpecError(f"{quote(text[:60])} is not a public SSH key: {message}", hint=hint) from None


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
