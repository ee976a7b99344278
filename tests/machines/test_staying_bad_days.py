"""Bringing machines up to stay, and being stopped in the middle of it; sessions side by side."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from command import started
from consoles import keep_consoles
from habitat import fresh_home, wait_until
from place import LAB, Place, has_qemu

pytestmark = pytest.mark.real


@pytest.fixture
def empty(request: pytest.FixtureRequest) -> Iterator[Place]:
    if os.getuid() != 0:
        pytest.skip("needs root: other users and containers' limits are part of what is tested")
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield Place(home)


class TestBadDays:
    def test_killed_while_it_brings_up_gc_removes_everything(self, empty: Place) -> None:
        with started(empty.home, "up", LAB, "--only", "bare,crate,guest") as run:
            wait_until(lambda: has_qemu(empty.home) or run.child.poll() is not None, "QEMU")
            run.send(signal.SIGKILL)
            assert run.wait() == -signal.SIGKILL
        gone = empty.isolab("gc").stdout
        assert "machine guest of run" in gone
        assert empty.home.settled() == []
        assert empty.json("status") == {"machines": []}
        assert empty.isolab("gc").stdout == "nothing to remove\n"

    def test_interrupted_while_it_brings_up_nothing_is_left(self, empty: Place) -> None:
        with started(empty.home, "up", LAB, "--only", "bare,crate,guest") as run:
            wait_until(lambda: has_qemu(empty.home) or run.child.poll() is not None, "QEMU")
            run.send(signal.SIGINT)
            assert run.wait() == 130, run.said
        assert empty.home.settled() == []
        assert empty.json("status") == {"machines": []}

    def test_two_sessions_of_one_lab_and_what_is_missing(self, empty: Place) -> None:
        empty.isolab("up", LAB, "--only", "bare", "--name", "one")
        empty.isolab("up", LAB, "--only", "bare", "--name", "two")
        assert "name one of: one/bare, two/bare" in empty.isolab("ssh", "bare", "id", code=2).stderr
        assert empty.json("up", LAB, "--only", "bare,caged", "--name", "two") == {
            "session": "two", "up": ["caged"], "were_up": ["bare"], "failed": [],
        }  # fmt: skip
        assert empty.json("down", "one", "two/caged")["down"] == ["one/bare", "two/caged"]
        assert empty.states() == {"two/bare": "up"}
        assert "running machines: two/bare" in empty.isolab("down", code=2).stderr
        empty.isolab("down", "--all")
