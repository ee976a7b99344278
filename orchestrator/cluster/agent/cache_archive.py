"""Folders of the cache on their way to another host: images, and templates with their holes.

A stream of zlib: the head of each file (JSON), then its data with their offsets. A template is a memory of
hundreds of MiB with mostly nothing in it, which no format of ``tarfile`` leaves out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from orchestrator.cluster.agent.refusal import Refused
from orchestrator.errors import SpecError
from orchestrator.host import cache, sparse
from orchestrator.images import damaged
from orchestrator.machines.templates import ARRIVED

IMAGES, TEMPLATES = "images", "templates"
LEVEL = 1
"""Of zlib: 66 MiB of memory become 19 in a second; more effort takes longer than it saves on a network."""
MOST_FILES, MOST_SIZE = 64, 64 * 2**30
BLOCK = 2**20
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*-[a-z0-9]+-[0-9a-f]{20}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HEAD = struct.Struct(">I")
_PIECE = struct.Struct(">QI")
"""Offset and length of what follows; a length of 0 ends the file."""


def place_of(kind: str, key: str) -> Path:
    """Return where the cache has an image or a template. Raises SpecError for what is no key."""
    if kind not in (IMAGES, TEMPLATES) or not _KEY.fullmatch(key):
        raise SpecError(f"{kind}/{key} is nothing that hosts give each other")
    return cache.place(kind, key)


def packed(kind: str, key: str) -> Iterator[bytes]:
    """Yield the stream of a folder of the cache, in blocks. Raises Refused if this host does not have it, or
    others cannot use it, OSError."""
    folder = place_of(kind, key)
    if not (folder / cache.META).is_file():
        raise Refused(f"this host does not have {kind}/{key}")
    if kind == TEMPLATES and (words := _only_here(folder)):
        raise Refused(f"template {key}: {words}", hint="make it on the other host")
    squeeze = zlib.compressobj(LEVEL)
    for file in sorted(folder.iterdir()):
        for data in _file(file):
            yield squeeze.compress(data)
    yield squeeze.flush()


def _only_here(folder: Path) -> str:
    """Return why a template is of no use elsewhere; "" if it is."""
    about = cache.meta(folder)
    if about.get("reason"):
        return str(about["reason"])
    if about.get("accel") != "tcg":
        return "it was made under KVM, and depends on the processor"
    if (folder / "disk.qcow2").exists():
        return "its disk is a layer over the image's on this host"
    return ""


def _file(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:  # also through a link into another folder of the cache
        about = os.fstat(content.fileno())
        if not stat.S_ISREG(about.st_mode):
            return
        head = {"name": file.name, "size": about.st_size, "mode": stat.S_IMODE(about.st_mode)}
        text = json.dumps(head).encode()
        yield _HEAD.pack(len(text)) + text
        for place, data in sparse.chunks(content.fileno()):
            if data.count(0) != len(data):
                yield _PIECE.pack(place, len(data)) + data
        yield _PIECE.pack(0, 0)


def unpack(archive: Path, kind: str, key: str) -> None:
    """Put what came from another host into the cache. A template is taken into use only when it is tested
    here, see ``machines.templates``; an image must have the files that its maker noted.

    Raises SpecError for what is damaged or none, OSError; then nothing is left of it.
    """
    target = place_of(kind, key) if kind == IMAGES else cache.place(ARRIVED, place_of(kind, key).name)
    if (place_of(kind, key) / cache.META).exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=target.parent))
    try:
        fresh.chmod(0o755)
        _unpack(archive, fresh, key)
        if kind == IMAGES and (wrong := damaged(fresh)):
            raise SpecError(f"image {key} arrived damaged: {', '.join(wrong)}")
        if not (fresh / cache.META).is_file():
            raise SpecError(f"{kind}/{key} is not whole: it has no {cache.META}")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def forget_arrived(seconds: float) -> None:
    """Remove templates that came so long ago and were never wanted."""
    for folder in cache.place(ARRIVED, "x").parent.glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # being taken into use
            if time.time() - folder.stat().st_mtime > seconds:
                shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: Path, folder: Path, key: str) -> None:
    with archive.open("rb") as raw:
        stream = _Inflated(raw, key)
        for _ in range(MOST_FILES):
            size = stream.read(_HEAD.size, may_end=True)
            if not size:
                return
            _unpack_file(stream, stream.read(min(4096, _HEAD.unpack(size)[0])), folder)
    raise stream.wrong("it has too many files")


def _unpack_file(stream: _Inflated, head: bytes, folder: Path) -> None:
    try:
        about = json.loads(head)
        name, size, mode = about["name"], about["size"], about["mode"]
    except (ValueError, TypeError, KeyError):
        raise stream.wrong("the head of a file cannot be read") from None
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(size, int):
        raise stream.wrong("a file has no plain name, or no size")
    if not 0 <= size <= MOST_SIZE or not isinstance(mode, int):
        raise stream.wrong(f"{name} is too large")
    with (folder / name).open("xb") as file:
        os.fchmod(file.fileno(), mode & 0o755)
        while True:
            place, length = _PIECE.unpack(stream.read(_PIECE.size))
            if not length:
                break
            if length > BLOCK or place + length > size:
                raise stream.wrong(f"a piece of {name} lies outside it")
            os.pwrite(file.fileno(), stream.read(length), place)
        file.truncate(size)


class _Inflated:
    """Reads an exact number of bytes of a zlib stream."""

    def __init__(self, raw: IO[bytes], key: str) -> None:
        self._raw, self._key = raw, key
        self._inflate = zlib.decompressobj()
        self._data = bytearray()

    def read(self, size: int, *, may_end: bool = False) -> bytes:
        """Return so many bytes; b"" at the end if there may be one. Raises SpecError."""
        while len(self._data) < size:
            block = self._inflate.unconsumed_tail or self._raw.read(65536)
            try:
                more = self._inflate.decompress(block, BLOCK)
            except zlib.error as problem:
                raise self.wrong(str(problem)) from None
            if not more and not block:
                if may_end and not self._data and self._inflate.eof:
                    return b""
                raise self.wrong("it ends too early")
            self._data += more
        found = bytes(self._data[:size])
        del self._data[:size]
        return found

    def wrong(self, words: str) -> SpecError:
        return SpecError(f"{self._key} cannot be unpacked: {words}")
