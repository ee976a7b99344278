"""A version of isolab as hosts have it: which parts, which Python, and the scripts that start it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.cluster.agent import relay
from orchestrator.cluster.install.parts import Part
from orchestrator.cluster.install.probe import HostPython

_RUN = """\
#!/bin/sh
# Python with isolab, as `isolab cluster up` put it here: it is never changed, only replaced.
set -eu
here=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd -P)
top=$(cd -- "$here/../.." && pwd -P)
# Several hosts may have this folder in common: each has a state of its own.
name=$(uname -n | tr -cd 'A-Za-z0-9.-' | cut -c 1-40)
mark=$({ cat /etc/machine-id 2>/dev/null || :; uname -n; } | cksum | cut -d ' ' -f 1)
ISOLAB_STATE=$top/hosts/$name-$mark
export ISOLAB_STATE
unset PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE
# What was not started for a month is removed when another version comes.
touch -- "$here" 2>/dev/null || :
[ -d "$ISOLAB_STATE" ] || (umask 077 && mkdir -p -- "$ISOLAB_STATE")
"""
_CACHE = """\
ISOLAB_CACHE=$top/cache
export ISOLAB_CACHE
"""
"""A host whose folder was chosen has everything of isolab's there; else the cache is that of the login, which
an isolab used by hand has already filled."""
_PYTHON = 'exec "$here/bin/python" -P "$@"\n'
_ISOLAB = """exec "$here/bin/python" -P -c 'from orchestrator.cli.main import main; main()' "$@"\n"""


@dataclass(frozen=True)
class Version:
    """What is to be installed. ``digest`` is the same for the same parts, Python and scripts."""

    parts: tuple[str, ...]
    python: str
    release: str
    own_cache: bool

    @property
    def digest(self) -> str:
        """20 hexadecimal digits."""
        about = [self.parts, self.python, self.release, self.scripts]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def scripts(self) -> dict[str, str]:
        """The scripts by their names: ``bin/isolab``, the command, and ``bin/run``, Python with isolab."""
        first = _RUN + (_CACHE if self.own_cache else "")
        return {"bin/isolab": first + _ISOLAB, "bin/run": first + _PYTHON}

    def order(self) -> dict[str, Any]:
        """Return it as ``inside/receive.py`` takes it."""
        return {
            "digest": self.digest,
            "parts": list(self.parts),
            "python": self.python,
            "release": self.release,
            "scripts": self.scripts,
        }


def wanted(parts: Sequence[Part], found: HostPython, *, own_cache: bool) -> Version:
    """Return the version a host needs that has this Python; ``own_cache``: its folder was chosen."""
    return Version(tuple(sorted(part.key for part in parts)), found.python, found.release, own_cache)


@dataclass(frozen=True)
class Installed:
    """A version on a host: its digest and the folder it is in, there."""

    digest: str
    folder: str

    def isolab(self, *words: str) -> list[str]:
        """Return the command that runs isolab there."""
        return [f"{self.folder}/bin/isolab", *words]

    def python(self, *words: str) -> list[str]:
        """Return the command that runs Python there with isolab and the packages it needs, and isolab's
        state and cache of that host; for a worker of Dask's."""
        return [f"{self.folder}/bin/run", *words]

    def relay(self) -> list[str]:
        """Return the command whose standard input and output lead to the host's agent there."""
        return self.python(*relay.PROGRAM)
