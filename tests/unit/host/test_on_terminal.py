"""A program on a terminal of its own: its size, and its end with ours."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from habitat import own_number, wait_until

from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table
from orchestrator.host.process import OnTerminal
from orchestrator.host.ready import readable
from orchestrator.paths import ROOT


def shown(program: OnTerminal, wanted: bytes) -> bytes:
    """What it prints, up to these bytes."""
    seen, deadline = b"", Deadline.after(20)
    while wanted not in seen:
        deadline.check(f"waiting for {wanted!r}, got {seen!r}")
        if readable(program.descriptor, 0.1):
            seen += os.read(program.descriptor, 4096)
    return seen


def sleepers(number: str) -> list[int]:
    """The processes that sleep so long."""
    return list(process_table.find(lambda pid: process_table.arguments(pid) == ["sleep", number]))


@pytest.fixture
def number() -> Iterator[str]:
    mine = own_number(71)
    yield mine
    for pid in sleepers(mine):
        process_table.end(pid, patience=0)


def test_a_program_is_told_its_size_and_each_new_one() -> None:
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.01; done"
    program = OnTerminal(["/bin/sh", "-c", script], 91, 23)
    try:
        shown(program, b"23 91")
        program.resize(120, 40)
        shown(program, b"40 120")
    finally:
        program.close()
        program.close()


def test_hanging_up_ends_the_program(number: str) -> None:
    program = OnTerminal(["sleep", number], 80, 24)
    wait_until(lambda: sleepers(number), "it sleeps")
    program.close()
    wait_until(lambda: not sleepers(number), "its end")


def test_the_program_ends_with_us_even_if_we_are_killed(number: str) -> None:
    script = (
        "import time; from orchestrator.host.process import OnTerminal\n"
        f"one = OnTerminal(['sleep', '{number}'], 80, 24)\n"
        "time.sleep(60)"
    )
    with contextlib.closing(process.Conversation([sys.executable, "-c", script], cwd=ROOT)) as us:
        wait_until(lambda: sleepers(number), "it sleeps")
        os.kill(us.pid, signal.SIGKILL)
        wait_until(lambda: not sleepers(number), "its end")
