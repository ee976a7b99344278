"""The ownership token: proves that something on this host was created from this user's state folder.

A random word in a file of the state folder, written before anything is created. Everything isolab creates
carries it: the folder of all machines' files is named after it, and with that folder's path it is in the
command lines of emulators and switches, in containers' labels, libvirt's metadata and VirtualBox's
settings. Another state folder of the same user, or one of the same name in a container, has another token.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
from pathlib import Path

from orchestrator.errors import Unavailable

FILE = "owner-token"
"""Its name in the state folder."""
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH = 8
"""Forty bits, for few characters: the paths of UNIX sockets, which contain it, end at 107."""
_TOKEN = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}")


def token(state: Path) -> str:
    """Return the token of a state folder, making it the first time. Raises Unavailable."""
    if not (state / FILE).exists():
        _make(state)
    found = token_in(state)
    if not found:
        raise Unavailable(
            f"{state / FILE} is damaged or cannot be read",
            hint="remove it: isolab makes a new one, and `isolab gc` then says how to remove what the old "
            "one marked",
        )
    return found


def token_in(state: Path) -> str:
    """Return the token of a state folder, or "" if it has none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        text = (state / FILE).read_text().strip()
        return text if is_token(text) else ""
    return ""


def is_token(name: str) -> bool:
    """Return whether a name has the form of a token."""
    return _TOKEN.fullmatch(name) is not None


def _make(state: Path) -> None:
    """Write a new token, whole or not at all; if another process is first, its token stays."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{FILE}-", dir=state)
        try:
            with os.fdopen(handle, "w") as file:
                file.write("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(name, state / FILE)  # unlike rename(2), never replaces
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as problem:
        raise Unavailable(
            f"cannot write to the state folder {state}: {problem.strerror}",
            hint="free space, make the folder yours, or set ISOLAB_STATE to another folder",
        ) from None
