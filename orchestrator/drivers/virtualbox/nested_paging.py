"""Remember whether VirtualBox's nested paging works on this host, as found by starting machines.

On a host that is itself a virtual machine, the second level of page tables may be so slow that a
guest does not get past its firmware. The only symptom is a silent guest; the finding is remembered
for this boot of the host and this version of VirtualBox.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from orchestrator.host.boot import boot_id
from orchestrator.host.cache import digest, write_atomically
from orchestrator.paths import state_dir


def known_useless(version: str) -> bool:
    """Return whether, since the host booted, guests of this version produced output only without it."""
    try:
        return bool(json.loads(_memory().read_text())["key"] == _key(version))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def remember_useless(version: str) -> None:
    """Remember that a guest that was silent with nested paging produced output without it."""
    write_atomically(_memory(), json.dumps({"key": _key(version)}).encode())


def _memory() -> Path:
    return state_dir() / "virtualbox-nested-paging.json"


def _key(version: str) -> str:
    boot = ""
    with contextlib.suppress(FileNotFoundError):
        boot = boot_id()
    return digest(boot, version)
