"""Which Python a host has, and what of isolab is there already."""

from __future__ import annotations

import json
import sys
import sysconfig
from dataclasses import dataclass
from importlib import resources

from orchestrator.cluster.reach.connection import HostConnection
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TransportError, Unavailable
from orchestrator.formatting import bounded, printable

LOOK_SECONDS = 60.0
NONE, TOO_OLD = 93, 94
"""The script's own statuses: no Python, and none that is new enough."""
_RELEASE = f"{sys.version_info[0]}.{sys.version_info[1]}"
_FIND = f"""\
for name in python{_RELEASE} python3 python3.14 python3.13 python3.12 python3.11; do
  found=$(command -v -- "$name") || continue
  "$found" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  exec "$found" -I - "$1"
done
old=$(command -v python3) || exit {NONE}
"$old" --version
exit {TOO_OLD}
"""
"""Our own release first: packages that are compiled fit no other."""


@dataclass(frozen=True)
class HostPython:
    """A host's Python: its program there, release (``3.11``) and ABI, as sysconfig's SOABI; the folder of
    isolab there, absolute, and the keys of the parts and digests of the versions that are below."""

    python: str
    release: str
    abi: str
    folder: str
    parts: frozenset[str]
    versions: frozenset[str]


def program(name: str) -> bytes:
    """Return one of the programs that run on hosts."""
    return resources.files("orchestrator.cluster.install.inside").joinpath(f"{name}.py").read_bytes()


def look(connection: HostConnection, deadline: Deadline) -> HostPython:
    """Look what a host has.

    Raises Unavailable if there is no Python that isolab can use, or the login's shell prints text of its own;
    TransportError, TimedOut, Interrupted.
    """
    host = connection.host
    folder = str(host.folder) if host.folder is not None else ""
    done = connection.run(
        ["sh", "-c", _FIND, "sh", folder],
        deadline=deadline.within(LOOK_SECONDS),
        stdin=program("look"),
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    if done.code == 0:
        return read_look(host.name, said)
    raise _no_python(host.name, done.code, said or done.stderr.decode(errors="replace"))


def read_look(host: str, said: str) -> HostPython:
    """Return what the program said; pure. Raises Unavailable, or TransportError for what it cannot have
    said."""
    before, mark, line = said.rpartition("isolab-look ")
    if before.strip() and mark:
        words = bounded(printable(before.strip()), 80)
        raise Unavailable(
            f"{host}: its shell prints text in non-interactive sessions: '{words}'",
            hint="let ~/.bashrc there print only where `[ -t 1 ]`, and try again",
        )
    try:
        found = json.loads(line if mark else "")
        lacks = [str(name) for name in found["lacks"]]
        python, release, abi, folder = (str(found[name]) for name in ("python", "release", "abi", "folder"))
        parts, versions = (frozenset(map(str, found[name])) for name in ("parts", "versions"))
    except (ValueError, KeyError, TypeError):
        raise TransportError(
            f"{host}: python3 there answered nothing that isolab understands: '{_short(said)}'",
            hint="log in there and try `python3 -V`",
        ) from None
    if lacks:
        raise Unavailable(
            f"{host}: Python's own modules are missing there: {', '.join(map(printable, lacks))}",
            hint="install all of Python's standard library there (Debian's package python3)",
        )
    return HostPython(python, release, abi, folder, parts, versions)


def require_fitting(host: str, found: HostPython) -> None:
    """Raise Unavailable if our packages do not fit a host's Python: those that are compiled fit one release
    of it, on one architecture."""
    ours = sysconfig.get_config_var("SOABI") or ""
    if found.abi == ours:
        return
    raise Unavailable(
        f"{host}: its Python is {printable(found.release)} ({printable(found.abi)}), and the packages of "
        f"this isolab are for {_RELEASE} ({ours})",
        hint=f"install python{_RELEASE} there beside the other, or run isolab here with Python "
        f"{printable(found.release)} (ISOLAB_PYTHON)",
    )


def _no_python(host: str, code: int, said: str) -> LabError:
    if code == NONE:
        return Unavailable(
            f"{host}: there is no python3", hint="install it there: `apt-get install python3` as root"
        )
    if code == TOO_OLD:
        return Unavailable(
            f"{host}: isolab needs Python 3.11 or newer, and there is {_short(said)}",
            hint=f"install a newer one beside it, such as the package python{_RELEASE}",
        )
    return Unavailable(
        f"{host}: no commands can be run there: {_short(said) or f'status {code}'}",
        hint="the login needs an ordinary shell",
    )


def _short(text: str) -> str:
    return bounded(printable(text.strip()), 200)
