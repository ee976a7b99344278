"""Waiting for descriptors, also for those that select(2) does not know."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator

import pytest

from orchestrator.host.ready import readable, writable


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose ends have numbers above 1023."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2048), before[1]))
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 1024) for end in ends)
    for end in ends:
        os.close(end)
    yield high[0], high[1]
    for end in high:
        os.close(end)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_can_be_read_and_written_is_ready(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    assert not readable(reads, 0.001)
    assert writable(writes, 0)
    os.write(writes, b"x" * 4096)
    assert readable(reads, 0)


def test_a_full_pipe_is_not_and_a_closed_one_is(pipe: tuple[int, int]) -> None:
    writes = pipe[1]
    os.set_blocking(writes, False)
    while writable(writes, 0):
        os.write(writes, b"x" * 65536)
    assert not writable(writes, 0.001)
    other_reads, other_writes = os.pipe()
    os.close(other_writes)
    assert readable(other_reads, 0)
    os.close(other_reads)
