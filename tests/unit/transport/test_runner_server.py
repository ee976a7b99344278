"""One runner for all programs of a machine: orders in a row, and a new runner after any trouble."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from factories import FakeTransport, answer

from orchestrator.deadline import Deadline
from orchestrator.errors import Interrupted, TransportError
from orchestrator.host.process import Finished
from orchestrator.transport.base import LIMIT, EndingStream
from orchestrator.transport.runner_server import runner_server

RUNNER = "/usr/lib/isolab/run"


@dataclass
class FakeStream:
    """Gives blocks in order, then has ended; an exception among them is raised."""

    blocks: list[bytes | Exception]
    sent: bytes = b""
    closed: bool = False
    complaint: str = ""

    def send(self, data: bytes, deadline: Deadline) -> None:
        self.sent += data

    def receive(self, deadline: Deadline) -> bytes:
        block = self.blocks.pop(0) if self.blocks else b""
        if isinstance(block, Exception):
            raise block
        return block

    def complaints(self) -> str:
        return self.complaint

    def end_input(self) -> None:
        pass

    def finish(self, deadline: Deadline) -> Finished:
        return Finished((), 0, b"", b"")

    def close(self) -> None:
        self.closed = True


@dataclass
class Streaming(FakeTransport):
    """A machine whose runners are the given streams, one after the other."""

    streams: list[FakeStream] = field(default_factory=list)
    opened: list[list[str]] = field(default_factory=list)

    def open(self, argv: Sequence[str], deadline: Deadline) -> EndingStream:
        self.opened.append(list(argv))
        return self.streams[len(self.opened) - 1]


def machine(*runners: list[bytes | Exception]) -> Streaming:
    return Streaming([b"plain"], streams=[FakeStream(blocks) for blocks in runners])


def order(transport: Streaming, times: int = 1) -> list[bytes]:
    """The answers to the same order, given again and again to one served machine."""
    with runner_server(transport, RUNNER) as runner:
        return [
            runner.run(
                [RUNNER, "--dir", "/a b"], deadline=Deadline.after(20), stdin=b"in", hold_stdin=True
            ).stdout
            for _ in range(times)
        ]


def test_several_orders_share_one_runner() -> None:
    there = machine([answer(b"one"), answer(b"two")])
    assert order(there, 2) == [answer(b"one"), answer(b"two")]
    assert there.opened == [[RUNNER, "--serve"]]
    assert there.streams[0].sent == 2 * b"11 2\n--dir\0/a b\0in"
    assert there.streams[0].closed


def test_answers_may_arrive_in_any_pieces() -> None:
    both = answer(b"one", b"err") + answer(b"", b"two")
    there = machine([both[n : n + 7] for n in range(0, len(both), 7)])
    assert order(there, 2) == [answer(b"one", b"err"), answer(b"", b"two")]


def test_other_commands_go_underneath() -> None:
    there = machine()
    with runner_server(there, RUNNER) as transport:
        assert transport.run(["true"], deadline=Deadline.after(20)).stdout == b"plain"
        assert transport.run([RUNNER, "--facts"], deadline=Deadline.after(20)).stdout == b"plain"
    assert there.opened == []


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [b'{"stdout": 5'],
        [answer(b"cut short")[:-3]],
        [b"nonsense\n"],
        [b"{" * 5000 + b"\n"],
        [b"x" * 100_000],
        [answer(stdout=LIMIT + 1)],
        [answer(stdout=-1)],
        [answer(stdout=float("inf"))],
        [answer(stdout="many")],
    ],
    ids=[
        "silent",
        "cut-head",
        "cut-body",
        "nonsense",
        "deep",
        "flood",
        "too-much",
        "negative",
        "infinite",
        "text",
    ],
)
def test_a_report_that_makes_no_sense_ends_that_runner(blocks: list[bytes | Exception]) -> None:
    there = machine(blocks)
    with pytest.raises(TransportError):
        order(there)
    assert there.streams[0].closed


def test_after_trouble_the_next_order_gets_a_new_runner() -> None:
    there = machine([b"late answer of the", Interrupted()], [answer(b"fresh")])
    with runner_server(there, RUNNER) as transport:
        with pytest.raises(Interrupted):
            transport.run([RUNNER], deadline=Deadline.after(20), hold_stdin=True)
        again = transport.run([RUNNER], deadline=Deadline.after(20), hold_stdin=True)
    assert again.stdout == answer(b"fresh")
    assert all(stream.closed for stream in there.streams)


def test_the_runners_last_words_are_told() -> None:
    there = machine([b"half a rep"])
    there.streams[0].complaint = "run: order: bad first line"
    with pytest.raises(TransportError, match="ended before it reported: run: order: bad first line"):
        order(there)


def test_arguments_of_any_bytes_and_length_are_ordered() -> None:
    there = machine([answer()])
    words = [RUNNER, "--", os.fsdecode(b"caf\xe9"), "y" * 2**20]
    with runner_server(there, RUNNER) as runner:
        runner.run(words, deadline=Deadline.after(20), hold_stdin=True)
    head, _, rest = there.streams[0].sent.partition(b"\n")
    assert rest == b"--\0caf\xe9\0" + b"y" * 2**20 + b"\0"
    assert head == b"%d 0" % len(rest)
