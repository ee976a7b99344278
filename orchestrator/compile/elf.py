"""What a binary file is, read off its first bytes: a program, an object, a library; for which architecture.

Sources: elf(5); ar(5). Only four fields are needed, of files that may be broken: not worth a library.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from orchestrator.arch import ARCHITECTURES

Kind = Literal["object", "program", "library", "archive"]

_HEAD = 64
_ARCHIVE = b"!<arch>\n"
_THIN = b"!<thin>\n"
_MEMBER = 60
"""Bytes of the header before each member of an archive."""
_REL, _EXEC, _DYN = 1, 2, 3
_INTERPRETER = 3
"""PT_INTERP: the program names its dynamic linker."""
_MACHINES = {
    (62, 64, "little"): "amd64",
    (183, 64, "little"): "arm64",
    (40, 32, "little"): "armhf",
    (243, 64, "little"): "riscv64",
    (21, 64, "little"): "ppc64el",
    (22, 64, "big"): "s390x",
    (3, 32, "little"): "i386",
    (8, 64, "little"): "mips64el",
    (8, 32, "little"): "mipsel",
}  # fmt: skip
assert set(_MACHINES.values()) == set(ARCHITECTURES)


@dataclass(frozen=True)
class Binary:
    """A file with machine code. ``arch`` is Debian's name of its architecture, or what is known of one that
    isolab has no machine for; ``loader`` is whether it needs a dynamic linker to start."""

    kind: Kind
    arch: str
    loader: bool = False


def binary(path: Path) -> Binary | None:
    """What kind of binary a file is; None if it is no ELF file and no archive of some. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith((_ARCHIVE, _THIN)):
            return _archive(file, thin=head.startswith(_THIN))
        return _elf(file, head, 0)


def _archive(file: BinaryIO, *, thin: bool) -> Binary | None:
    """An archive is for the architecture of its first object."""
    place = len(_ARCHIVE)
    while not thin:
        file.seek(place)
        member = file.read(_MEMBER)
        size = member[48:58].strip()
        if len(member) < _MEMBER or not size.isdigit():
            break
        found = _elf(file, file.read(_HEAD), place + _MEMBER)
        if found is not None:
            return Binary("archive", found.arch)
        place += _MEMBER + int(size) + int(size) % 2
    return Binary("archive", "")


def _elf(file: BinaryIO, head: bytes, start: int) -> Binary | None:
    if head[:4] != b"\x7fELF" or len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack(f"{order}HH", head[16:20])
    key = (machine, 64 if wide else 32, "little" if head[5] == 1 else "big")
    arch = _MACHINES.get(key, f"another architecture (ELF machine {machine}, {key[1]} bits, {key[2]}-endian)")
    if kind == _REL:
        return Binary("object", arch)
    if kind not in (_EXEC, _DYN):
        return None
    entry, table = struct.unpack(f"{order}QQ" if wide else f"{order}II", head[24 : 40 if wide else 32])
    size, count = struct.unpack(f"{order}HH", head[54:58] if wide else head[42:46])
    loader = False
    for number in range(count):
        file.seek(start + table + number * size)
        what = file.read(4)
        loader = loader or (len(what) == 4 and struct.unpack(f"{order}I", what)[0] == _INTERPRETER)
    runs = kind == _EXEC or loader or entry != 0
    return Binary("program" if runs else "library", arch, loader)
