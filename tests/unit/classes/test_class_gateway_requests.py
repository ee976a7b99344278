"""What students ask over SSH: the script that asks, and the class's service that answers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.gateway import requests
from orchestrator.classes.gateway.lifecycle import INSIDE
from orchestrator.classes.gateway.requests import MOST_BYTES, parse_request, serve_requests
from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.host.process import Finished


def handler(seat: str, words: Sequence[str]) -> Generator[str, None, int]:
    yield f"{seat}: "
    if words[0] == "down":
        raise Unavailable("it is down", hint="bring it up")
    yield f"{list(words)}\n"
    return len(words)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the service listens: a path too long for the name of a socket."""
    monkeypatch.setattr(requests, "gateway_id", os.getuid)
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    return folder / "requests.sock"


def ask(place: Path, line: str) -> Finished:
    """What the forced command prints for this command line of ada's."""
    argv: list[str | Path] = [sys.executable, "-I", "-S", INSIDE / "ask.py", place, "ada"]
    return process.run(argv, deadline=Deadline.after(60), check=False, env={"SSH_ORIGINAL_COMMAND": line})


def test_an_answer_comes_with_its_exit_code(place: Path) -> None:
    with serve_requests(place, handler):
        done = ask(place, "isolab hand-in 'a b' ü")
        assert (done.code, done.stdout.decode()) == (3, "ada: ['hand-in', 'a b', 'ü']\n")
        failed = ask(place, "isolab down")
        assert (failed.code, failed.stdout.decode()) == (3, "ada: isolab: it is down\n  hint: bring it up\n")
        long = ask(place, "isolab " + "x" * MOST_BYTES)
        assert (long.code, long.stderr) == (69, b"isolab: this command is too long\n")
    gone = ask(place, "isolab status")
    assert gone.code == 69
    assert gone.stderr.startswith(b"isolab: the class's service does not run")


def answers(place: Path, data: bytes) -> list[dict[str, object]]:
    """The parts of the answer to raw bytes."""
    with socket.socket(socket.AF_UNIX) as line:
        folder = os.open(place.parent, os.O_PATH)
        line.connect(f"/proc/self/fd/{folder}/{place.name}")
        os.close(folder)
        line.settimeout(30)
        line.sendall(data)
        with line.makefile("rb") as lines:
            return [json.loads(part) for part in lines]


def test_what_is_no_request_is_told_so(place: Path) -> None:
    with serve_requests(place, handler):
        for data in (b"\n", b"[]\n", b'{"seat": 1, "line": "x"}\n', b"x" * MOST_BYTES + b"\n", b"\xff\n"):
            parts = answers(place, data)
            assert parts[-1] == {"code": 2}, data
            assert "cannot be read" in str(parts[0]["text"]), data
        assert answers(place, b'{"seat": "bob", "line": "isolab"}\n')[-1] == {"code": 1}


def test_only_the_gateways_user_is_answered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_requests(place, handler):
        monkeypatch.setattr(requests, "gateway_id", lambda: os.getuid() + 1)
        parts: list[dict[str, object]] = []
        with contextlib.suppress(ConnectionError):  # it may be closed before we have said a word
            parts = answers(place, b'{"seat": "bob", "line": "isolab"}\n')
        assert parts == []


def test_there_is_a_limit_to_those_who_ask_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_AT_ONCE", 0)  # none, so this is one too many
    with serve_requests(place, handler):
        parts = answers(place, b'{"seat": "ada", "line": "isolab"}\n')
    assert parts[-1] == {"code": 3}
    assert "too many requests" in str(parts[0]["text"])


def read(raw: bytes) -> tuple[str, tuple[str, ...]] | str:
    """The request's seat and words, or what is said of it."""
    try:
        found = parse_request(raw)
    except ValueError as problem:
        return str(problem)
    return found.seat, found.words


@settings(max_examples=60)
@given(st.binary(max_size=80))
def test_any_bytes_are_told_of(data: bytes) -> None:
    assert str(read(data)).startswith("this request cannot be read")


@settings(max_examples=60)
@given(st.text(alphabet="isolab \"'\\\n-x", max_size=30))
def test_a_command_line_becomes_words_or_a_sentence(line: str) -> None:
    found = read(json.dumps({"seat": "ada", "line": line}).encode())
    assert found == "a quotation mark of this command is not closed" or found[0] == "ada"
