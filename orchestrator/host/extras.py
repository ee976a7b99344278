"""How to install an extra: Python packages that only some features need."""

from __future__ import annotations

import shlex
import sys

from orchestrator.paths import IN_CHECKOUT, ROOT


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra into the Python that runs us, from whatever folder."""
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    if not IN_CHECKOUT:
        return f"{pip} 'isolab[{extra}]'"
    lock = ROOT / "requirements" / f"{extra}.txt"
    return f"{pip} --require-hashes -r {shlex.quote(str(lock))}"
