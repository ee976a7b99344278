"""Functions that manual pages promise, glibc has and musl has not, such as close_range(2).

A student who compiles with glibc at home and is graded with musl would otherwise lose all points for a call
that the manual page's synopsis names. The declarations are added to musl's own headers, where glibc has
them, and the functions to its archive, one object each: a program's own function of such a name comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.host.sparse import digest_of
from orchestrator.paths import GUEST_SOURCES

PARTS = (
    "close_range",
    "closefrom",
    "execveat",
    "pidfd_open",
    "pidfd_send_signal",
    "pidfd_getfd",
    "sigabbrev_np",
    "sigdescr_np",
)
_FOLDER = GUEST_SOURCES / "glibc_names"
_SOURCE = _FOLDER / "names.c"
_HEADERS = ("unistd.h", "string.h", "sys/pidfd.h")
_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g0", "-fno-builtin", "-fno-ident", "-Wall", "-Wextra")


def key() -> tuple[str, ...]:
    """What decides how a toolchain comes out."""
    return *_FLAGS, *PARTS, *(digest_of(_FOLDER / name) for name in (*_HEADERS, "names.c"))


def add(folder: Path, compiler: list[str | Path], run: Callable[[list[str | Path], str], object]) -> None:
    """Add them to a toolchain's folder, with a compiler that finds its headers. ``run`` runs a command in the
    folder and raises BuildError with these words if it fails."""
    for name in _HEADERS:
        with (folder / "include" / name).open("ab") as header:
            header.write((_FOLDER / name).read_bytes())
    objects = [f"{part}.o" for part in PARTS]
    for part, made in zip(PARTS, objects, strict=True):
        command = [*compiler, *_FLAGS, f"-DPART_{part}", "-c", _SOURCE, "-o", made]
        run(command, f"{_SOURCE.name} does not compile")
    run([compiler[0], "ar", "qs", "libc.a", *objects], "libc.a cannot be extended")
    for made in objects:
        (folder / made).unlink()
