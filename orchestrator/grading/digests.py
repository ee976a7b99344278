"""Digests of what a verdict depends on: a submission's files, an exercise, its hidden tests, QEMU.

The digest of several files is that of the list that ``sha256sum`` prints for them, sorted by the bytes of
their names: ``LC_ALL=C sha256sum wire.c wire.h | sha256sum`` gives the same, so that a student can check it.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.exercises.reading_matter import reading_matter
from orchestrator.host import process
from orchestrator.host.cache import sha256_file
from orchestrator.labfile.hidden_files import SOLUTIONS, hidden_names, is_among
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.shared import ABOVE, shared_files
from orchestrator.labfile.writable_copy import entries

_VERSION_SECONDS = 60.0
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
"""How sha256sum writes these characters of a name (coreutils 9); such a line begins with a backslash."""


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """Return one SHA-256, hexadecimal, of files given as name -> contents; the order does not matter."""
    return digest_of_digests({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})


def digest_of_digests(files: Mapping[str, str]) -> str:
    """Return the same of files given as name -> hexadecimal SHA-256 of their contents."""
    lines = sorted((_bytes(name), digest) for name, digest in files.items())
    return hashlib.sha256(b"".join(_line(name, digest) for name, digest in lines)).hexdigest()


def digest_of_exercise(exercise: LoadedExercise) -> tuple[str, str]:
    """Return the digests of an exercise's public files, and of its hidden tests ("" without any).

    Public is all in its folder except the hidden tests, the solutions and what is only read, and what it
    shares with others (as ``../NAME``). Hidden are ``hidden.yaml``, the files that only it names, and the
    folders they are in. Raises OSError.
    """
    hidden = hidden_names(exercise)
    apart = {*SOLUTIONS, *reading_matter(exercise)}
    names = [name for name in _names(exercise) if name.split("/")[0] not in apart]
    found = {name: sha256_file(exercise.folder / name) for name in names}
    secret = {name: digest for name, digest in found.items() if is_among(name, hidden)}
    public = {name: digest for name, digest in found.items() if name not in secret}
    return digest_of_digests(public), digest_of_digests(secret) if exercise.hidden else ""


def qemu_identity(binary: str) -> str:
    """Return what identifies an installed QEMU, such as ``QEMU emulator version 7.2.22 … sha256:HEX``: what
    it says of itself, and its file's digest; asked once of each file. Raises Unavailable, TimedOut."""
    where = shutil.which(binary)
    if where is None:
        raise Unavailable(f"{binary} is not installed", hint="see `isolab doctor`")
    about = Path(where).stat()  # it may be replaced while the agent of a host runs
    return _identity(where, about.st_mtime_ns, about.st_size, about.st_ino)


@functools.cache
def _identity(where: str, _changed: int, _size: int, _inode: int) -> str:
    said = process.run([where, "--version"], deadline=Deadline.after(_VERSION_SECONDS))
    version = said.stdout.decode(errors="replace").partition("\n")[0].strip()
    return f"{version} sha256:{sha256_file(Path(where))}"


def _names(exercise: LoadedExercise) -> Iterator[str]:
    for entry in entries(exercise.folder):
        if not entry.folder and not entry.left_out:
            yield entry.path
    for name in shared_files(exercise.folder, exercise.spec.shares):
        yield f"{ABOVE}{name}"


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _line(name: bytes, digest: str) -> bytes:
    escaped = name
    for char, written in _ESCAPES.items():
        escaped = escaped.replace(char.encode(), written.encode())
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"
