"""Console logs: a bounded, clean view of whatever a guest wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.host.console_log import Console


def console(folder: Path, content: bytes) -> Console:
    path = folder / "console.log"
    path.write_bytes(content)
    return Console(path)


def test_the_tail_is_the_last_lines_that_say_something(tmp_path: Path) -> None:
    log = console(tmp_path, b"one\r\n\r\n  \ntwo\nthree\n\n")
    assert log.tail(2) == "two\nthree"
    assert log.last_line() == "three"


def test_only_the_end_of_a_flood_is_read(tmp_path: Path) -> None:
    assert len(console(tmp_path, b"x\n" * 1_000_000).tail(10**9)) <= 8192
    assert len(console(tmp_path, b"x" * 1_000_000).last_line()) == 70


def test_a_missing_log_is_an_empty_one(tmp_path: Path) -> None:
    log = Console(tmp_path / "none")
    assert (log.tail(), log.last_line(), log.panicked()) == ("", "", False)


def test_colours_and_controls_are_left_out(tmp_path: Path) -> None:
    raw = b"\x1b[1;31mred\x1b[0m \x07bell\x08 \x1b]0;title\x07 caf\xc3\xa9\n"
    assert console(tmp_path, raw).tail() == "red bell ]0;title caf"


def test_what_systemd_shortened_is_shown_as_such(tmp_path: Path) -> None:
    raw = "Starting modprobe@dm_mod.s…[0m - Load, random-se…ice \x1b[0;".encode()
    assert console(tmp_path, raw).tail() == "Starting modprobe@dm_mod.s... - Load, random-se...ice "


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_whatever_is_written_reads_as_plain_ascii(tmp_path: Path, raw: bytes) -> None:
    text = console(tmp_path, raw).tail()
    assert all(" " <= char <= "~" or char == "\n" for char in text)


@pytest.mark.parametrize(
    ("line", "gave_up"),
    [
        (b"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs", True),
        (b"[    1.2] Kernel \x1b[31mpanic - not\x1b[0m syncing: Attempted to kill init!", True),
        (b"isolab: 0.41 failed: no port", True),
        (b"isolab: 0.41 ready", False),
        (b"a program prints: panic", False),
    ],
)
def test_a_panic_is_noticed_with_its_trace_after_it(tmp_path: Path, line: bytes, gave_up: bool) -> None:
    trace = b"".join(b"[    1.3] frame %d\n" % n for n in range(30))
    assert console(tmp_path, b"booting\n" + line + b"\n" + trace).panicked() is gave_up
