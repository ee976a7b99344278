"""A run that is stopped tells its hosts, and waits for those that answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from factories import RUN

from orchestrator.cli.cluster.source import interrupted
from orchestrator.cluster.model import Unit
from orchestrator.cluster.scheduling.engine import ABANDONED_SECONDS, TEARDOWN_SECONDS, ClusterEngine, _Run
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import TransportError
from orchestrator.labfile.plan import Job
from orchestrator.progress import SilentProgress


class FakeView:
    """Of three hosts; birch is away. ``waits`` says how long each may take to tear down what it has."""

    def __init__(self) -> None:
        self.waits: dict[str, float] = {}

    def trouble(self, host: str) -> str:
        return "the connection broke" if host == "birch" else ""

    def cancel(self, host: str, run: str, deadline: Deadline) -> None:
        assert run == RUN
        self.waits[host] = round(deadline.remaining())
        if host == "birch":
            raise TransportError("birch: no route to host")


class Told(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


def test_only_hosts_that_are_there_have_the_time_to_tear_down(tmp_path: Path) -> None:
    view, told = FakeView(), Told()
    units = [Unit(RUN, "bundle", (Job(RUN, "lab", name, "", ("./a",)),)) for name in ("one", "two")]
    engine = ClusterEngine(tmp_path, cast(Any, view), lambda _: units, cast(Any, None), told, Cancellation())
    run = _Run(engine, units, cast(Any, None), cast(Any, None))
    for task, host in zip([*run._waiting], ("alder", "birch"), strict=True):
        task.lines.give(host, 1)
        run._given[task.unit.key] = task
    run._abandoned.add("cedar")
    run.close()
    assert view.waits == {"alder": TEARDOWN_SECONDS, "birch": ABANDONED_SECONDS, "cedar": ABANDONED_SECONDS}
    assert told.lines == [
        "birch does not say that its machines are removed (birch: no route to host): "
        "they end by themselves within 60 s, with their lease"
    ]
    assert engine.unsure == {"birch": 60.0}


def test_what_is_said_of_machines_is_what_is_known_of_them() -> None:
    assert interrupted("verdicts were kept", {}) == "interrupted: machines were removed, verdicts were kept"
    assert interrupted("verdicts were kept", {"birch": 60.0}) == (
        "interrupted: birch does not say that its machines are removed: they end by themselves within 60 s; "
        "all others were removed, verdicts were kept"
    )
    two = interrupted("records were kept", {"cedar": 60.0, "birch": 60.0})
    assert two.startswith("interrupted: birch, cedar do not say that their machines are removed: ")
