"""The file that an emulator is frozen into: as the loader reads it, and refused when it is damaged."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orchestrator.drivers.qemu.thaw import image_file
from orchestrator.drivers.qemu.thaw.image_file import (
    FROM_FILE,
    FROM_IMAGE,
    NOTHING,
    PAGE,
    Counter,
    FileMapping,
    Frozen,
    KernelPages,
    Part,
)

LIBRARY = FileMapping("/usr/lib/libc.so.6", 5, 77, 8192, 1_000_000_001)
KERNEL = KernelPages((0x7F0000000000, 2 * PAGE), (0x7F0000002000, PAGE), code=b"\x90" * 2 * PAGE)
PARTS = (
    Part(0x7F1000000000, 4 * PAGE, 3, NOTHING),
    Part(0x7F1000001000, 2 * PAGE, 3, FROM_IMAGE),
    Part(0x7F2000000000, 2 * PAGE, 5, FROM_FILE, PAGE, LIBRARY),
    Part(0x7F2000001000, PAGE, 5, FROM_IMAGE),
)
FROZEN = Frozen(0x7F1000001234, KERNEL, PARTS, (Counter(4, 0o2004000, 3),), 0x4002, 6)


def memory(address: int, length: int) -> bytes:
    """The second page of the first part is empty."""
    pages = {0x7F1000001000: b"\x01" * PAGE, 0x7F2000001000: b"\x02" * PAGE}
    return b"".join(pages.get(address + at, bytes(PAGE)) for at in range(0, length, PAGE))


def test_the_table_is_a_header_then_parts_names_code_and_events() -> None:
    table = image_file.table(FROZEN)
    assert len(table) % PAGE == 0
    magic, version, size, context = struct.unpack_from("<IIQQ", table)
    assert (magic.to_bytes(4, "little"), version, size, context) == (b"thaw", 1, len(table), FROZEN.context)
    code, parts, names, events, counters, signals, signal_fd = struct.unpack_from("<QQQQQQq", table, 72)
    assert table[code : code + 2 * PAGE] == KERNEL.code
    assert (parts, counters, signals, signal_fd) == (4, 1, 0x4002, 6)
    assert struct.unpack_from("<IIQ", table, events) == (4, 0o2004000, 3)
    third = struct.unpack_from("<QQQIIQQQQQ", table, 128 + 2 * 72)
    assert third == (0x7F2000000000, 2 * PAGE, PAGE, 5, FROM_FILE, 0, 5, 77, 8192, 1_000_000_001)
    assert table[names : names + 19] == b"/usr/lib/libc.so.6\0"


def test_its_layout_is_that_of_the_header_file() -> None:
    """``struct image`` and ``struct part`` have no padding: all is aligned to its own size."""
    assert struct.calcsize("<IIQQ2Q2Q2QQQQQQQq") == 128
    assert struct.calcsize("<QQQIIQQQQQ") == 72


def test_memory_follows_and_empty_pages_take_no_room(tmp_path: Path) -> None:
    path = tmp_path / "emulator"
    stored = image_file.write(path, FROZEN, memory)
    table = len(image_file.table(FROZEN))
    assert path.read_bytes()[table:] == b"\x01" * PAGE + bytes(PAGE) + b"\x02" * PAGE
    assert stored == table + 2 * PAGE


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "emulator"
    before = os.umask(0)
    try:
        image_file.write(path, FROZEN, memory)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_already_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "emulator").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        image_file.write(tmp_path / "emulator", FROZEN, memory)


@settings(max_examples=30)
@given(at=some.integers(min_value=0, max_value=3 * PAGE - 1))
def test_any_changed_byte_of_the_table_is_seen(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    path = tmp_path_factory.mktemp("image") / "emulator"
    image_file.write(path, FROZEN, memory)
    digest = image_file.table_digest(path)
    whole = bytearray(path.read_bytes())
    whole[at] ^= 0x10
    path.write_bytes(whole)
    assert digest
    assert image_file.table_digest(path) != digest


def test_what_is_no_image_has_no_digest(tmp_path: Path) -> None:
    for content in (b"", b"thaw", bytes(200), b"\x7fELF" * 100):
        (tmp_path / "f").write_bytes(content)
        assert image_file.table_digest(tmp_path / "f") == ""


def test_a_file_in_place_of_another_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "library"
    path.write_bytes(b"one")
    about = path.stat()
    mapped = FileMapping(str(path), about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    assert mapped.is_still_there()
    path.write_bytes(b"other")
    assert not mapped.is_still_there()
    path.unlink()
    assert not mapped.is_still_there()
