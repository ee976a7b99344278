"""The part of `bench cluster` on each host: whom it hits, and what it reads of programs' marks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.bench.cluster import on_host
from orchestrator.cluster.agent import relay
from orchestrator.cluster.scheduling import worker
from orchestrator.paths import scratch_dir

AGENT = [sys.executable, "-P", "-c", "from orchestrator.cli.main import main; main()", "agent"]
ROLES = {
    "agent": [*AGENT, "--serve"],
    "relay": [sys.executable, "-P", *relay.PROGRAM],
    "worker": [sys.executable, "-P", *worker.PROGRAM],
}


@pytest.mark.parametrize("role", [*ROLES, "guest"])
def test_a_process_has_the_role_of_its_words_if_it_is_of_this_isolab(role: str) -> None:
    guest = ["/usr/bin/qemu-system-aarch64", "-chardev", f"socket,path={scratch_dir()}/run/g0/qmp"]
    every = {**ROLES, "guest": guest}
    assert on_host._is(role, every[role])
    assert not any(on_host._is(role, words) for name, words in every.items() if name != role)
    others = [word.replace(str(scratch_dir()), "/elsewhere") for word in every[role]]
    assert not on_host._is(role, ["/another/python" if role != "guest" else others[0], *others[1:]])
    assert not on_host._is(role, [])


def test_a_relay_that_had_to_start_the_agent_is_one() -> None:
    assert on_host._is("relay", AGENT)


def test_marks_say_how_often_what_ran(tmp_path: Path) -> None:
    (tmp_path / "11").write_text("/tmp/isolab-0/token/run1/p0/work/nap0\n")
    (tmp_path / "12").write_text("/tmp/isolab-0/token/run1/p0/work/nap1\n")
    (tmp_path / "13").write_text("/tmp/isolab-0/token/run1/p0/work/nap0\n/tmp/x/token/run2/p0/work/nap0\n")
    assert on_host._ran(tmp_path, "run1") == {"p0 nap0": 2, "p0 nap1": 1}
