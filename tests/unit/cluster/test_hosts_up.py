"""What is asked of all hosts at once ends with Ctrl-C; and they are still told to clean up."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from orchestrator.cluster.hosts_up import CLEAN_UP_SECONDS, HostsUp
from orchestrator.cluster.model import Cluster, ClusterHost, Destination
from orchestrator.deadline import Cancellation, poll
from orchestrator.errors import Interrupted, LabError, Unavailable

SECONDS = 60.0
NAMES = ("alder", "birch", "cedar")


@pytest.fixture
def up(tmp_path: Path) -> HostsUp:
    listed = tuple(ClusterHost(name, Destination(name)) for name in NAMES)
    return HostsUp(Cluster(tmp_path / "hosts.yaml", listed), Cancellation(), tmp_path)


def interrupted(up: HostsUp, ended: dict[str, type[LabError]]) -> None:
    """Ask all hosts: at the first we are interrupted, the others are silent."""

    all_asked = threading.Barrier(len(NAMES), timeout=SECONDS)

    def ask(host: ClusterHost) -> None:
        all_asked.wait()
        if host.name == "alder":
            raise KeyboardInterrupt
        try:
            poll(lambda: False, up.deadline(SECONDS), "an answer")
        except LabError as problem:
            ended[host.name] = type(problem)
            raise

    up.each(ask)


def test_ctrl_c_does_not_wait_for_hosts_that_are_silent(up: HostsUp) -> None:
    ended: dict[str, type[LabError]] = {}
    with pytest.raises(KeyboardInterrupt):
        interrupted(up, ended)
    assert ended == {"birch": Interrupted, "cedar": Interrupted}


def test_a_host_that_fails_interrupts_no_other(up: HostsUp) -> None:
    def ask(host: ClusterHost) -> str:
        if host.name == "alder":
            raise Unavailable("it is off")
        return host.name

    assert up.each(ask) == ({"birch": "birch", "cedar": "cedar"}, {"alder": "it is off"})
    assert not up.cancellation.cancelled


def test_after_ctrl_c_hosts_are_asked_to_clean_up_and_not_waited_for(up: HostsUp) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(up, {})
    begun = up.deadline()
    up.clean_up()
    assert up.each(lambda _: up.deadline(SECONDS).check("it")) == (dict.fromkeys(NAMES), {})
    assert up.deadline(SECONDS).remaining() <= CLEAN_UP_SECONDS
    with pytest.raises(Interrupted):
        begun.check("what was begun before")
