"""Paths isolab uses on the controller, and the settings from the environment.

``ISOLAB_CACHE``, ``ISOLAB_STATE``, ``ISOLAB_SCRATCH`` and ``ISOLAB_MIRROR`` override the
defaults from the XDG base directory specification and the host's apt configuration. A home of another user,
as ``sudo`` may leave in the environment, is not used: what we wrote there would lock its owner out.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator import ownership
from orchestrator.errors import Unavailable

_PACKAGE = Path(__file__).resolve().parent
_PACKAGE_DATA = _PACKAGE / "package_data"
"""Exists only in an installed wheel: the build puts there what is next to the package in a checkout."""

IN_CHECKOUT = not _PACKAGE_DATA.is_dir()
"""Whether we run from a source checkout rather than an installed wheel."""
ROOT = _PACKAGE.parent if IN_CHECKOUT else _PACKAGE_DATA
"""The folder with ``labs/``, ``images/``, ``docs/labs/`` and ``tasks.py``; never written to."""
LABS = ROOT / "labs"
EXERCISES = LABS / "exercises"
LAB_PAGES = ROOT / "docs" / "labs"
"""The pages that the built-in labs are taught from."""
RECIPES = ROOT / "images"
GUEST_SOURCES = RECIPES / "guest"
HOST_SOURCES = RECIPES / "host"


STATE_NOTE = ".state-folder"
"""File in a state folder's scratch folder that names the state folder, for ``isolab gc`` of another."""
SOCKET_BYTES = 107
"""How long the path of a UNIX socket may be: unix(7), sun_path, without its final null byte."""


def cache_dir() -> Path:
    """Return the folder for downloads, images, toolchains and compiled programs; all can be rebuilt."""
    return _home("ISOLAB_CACHE", "XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """Return the folder for the journal and what was detected about this host. Raises Unavailable if we
    may not write to it."""
    path = _home("ISOLAB_STATE", "XDG_STATE_HOME", ".local/state")
    if os.access(path, os.W_OK | os.X_OK):
        return path
    owner, elsewhere = path.stat().st_uid, "or set ISOLAB_STATE to another folder"
    if os.getuid() == 0:  # whom no mode keeps out
        raise Unavailable(
            f"cannot write to the state folder {path}: it is read-only",
            hint=f"mount its disk for writing, {elsewhere}",
        )
    raise Unavailable(
        f"cannot write to the state folder {path}, which belongs to {_user_name(owner)}",
        hint=f"make it yours and writable (`sudo chown -R {_user_name(os.getuid())} '{path}'`), {elsewhere}",
    )


def scratch_dir() -> Path:
    """Return the folder for machines' sockets and working files, named after the token of the state
    folder: nothing in it belongs to another one.

    Raises Unavailable if others own the folder above or may write to it.
    """
    state = state_dir()
    path = scratch_base() / ownership.token(state)
    note = path / STATE_NOTE
    if not note.exists():
        make_folder(path, 0o711, exist_ok=True)
        with _said(path, "ISOLAB_SCRATCH"):
            note.write_text(f"{state}\n")
            note.chmod(0o644)
    return path


def scratch_base() -> Path:
    """Return the folder that has a scratch folder for each state folder of this user: a short path, as
    UNIX sockets' end at 107. Raises Unavailable if others own it or may write to it."""
    chosen = os.environ.get("ISOLAB_SCRATCH")
    path = Path(chosen).absolute() if chosen else Path(tempfile.gettempdir()) / f"isolab-{os.getuid()}"
    with _said(path, "ISOLAB_SCRATCH"):
        make_folder(path, 0o711, exist_ok=True)
    about = path.lstat()
    if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode) or about.st_mode & 0o022:
        raise Unavailable(
            f"{path} is not a folder that only this user can write to",
            hint="remove it, or set ISOLAB_SCRATCH to another folder",
        )
    return path


def make_folder(path: Path, mode: int, *, exist_ok: bool = False) -> None:
    """Create a folder, and those missing above it, with this mode whatever the umask.

    Raises FileExistsError if it exists, unless ``exist_ok``; then its mode is left as it is.
    """
    missing = [path, *(above for above in path.parents if not above.exists())]
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=mode)
        except FileExistsError:
            if folder == path and not (exist_ok and path.is_dir()):
                raise
        else:
            folder.chmod(mode)


def require_socket_path(scratch: Path, longest: str) -> None:
    """Check that sockets in a machine's scratch folder can be opened; ``longest`` is the longest name of
    one. Raises Unavailable."""
    path = os.fsencode(scratch / longest)
    if len(path) > SOCKET_BYTES:
        raise Unavailable(
            f"the path of its sockets would be too long: {len(path)} bytes, {SOCKET_BYTES} are possible "
            f"({scratch / longest})",
            hint="set ISOLAB_SCRATCH to a folder with a shorter path, such as /tmp/isolab",
        )


def home() -> Path:
    """Return this user's home: ``HOME``, unless it belongs to another user and is not ours to write to.

    Raises Unavailable if there is none.
    """
    named = os.environ.get("HOME", "")
    if named and not _foreign(Path(named)):
        if Path(named).is_absolute():
            return Path(named)
        raise Unavailable(f"HOME is not an absolute path: {named!r}", hint=_ELSEWHERE)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise Unavailable(
            f"HOME is {'not ours: ' + named if named else 'not set'}, and user {os.getuid()} is not in the "
            "password database",
            hint=_ELSEWHERE,
        ) from None


_ELSEWHERE = "set HOME, or ISOLAB_CACHE and ISOLAB_STATE, to folders you can write to"


def foreign_home() -> str:
    """Return a sentence about a ``HOME`` that is not used because it is another user's, else ""."""
    named = os.environ.get("HOME", "")
    if not named or not _foreign(Path(named)):
        return ""
    return f"HOME ({named}) belongs to another user: cache and state are those in {home()}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _foreign(path: Path) -> bool:
    """Whether a folder belongs to another user; one we may write to as an ordinary user does not count.
    Root may write anywhere, but leaves files there that their neighbours' owner cannot change."""
    try:
        about = path.stat()
    except OSError:
        return False
    return about.st_uid != os.getuid() and (os.getuid() == 0 or not os.access(path, os.W_OK))


def _home(variable: str, xdg: str, default: str) -> Path:
    if chosen := os.environ.get(variable):
        path = Path(chosen).absolute()
    else:
        wanted = os.environ.get(xdg, "")
        # Relative paths are to be ignored (XDG base directory specification).
        usable = wanted.startswith("/") and not _foreign(Path(wanted))
        path = (Path(wanted) if usable else home() / default) / "isolab"
    with _said(path, f"{variable}, or HOME,"):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def _said(path: Path, variable: str) -> Iterator[None]:
    """Turn errors in creating one of our folders into Unavailable, with a hint."""
    try:
        yield
    except OSError as problem:
        raise Unavailable(
            f"cannot create {path}: {problem.strerror}",
            hint=f"set {variable} to a folder you can write to",
        ) from None
