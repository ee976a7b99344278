"""What machines start from is made before the first unit, and what cannot be made is told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from agents import Agent, agent_in, soon
from factories import order
from machines_made_up import NotedDriver, lab_context_of

from orchestrator.cluster.agent import warm as module
from orchestrator.cluster.agent.warm import machines_of
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Order, Template
from orchestrator.errors import ImageError, SpecError, Unavailable
from orchestrator.host import cache
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.machines.journal import Journal
from orchestrator.machines.provision import LabContext

KEY = "micro-amd64-00112233445566778899"
PAIRS = [("micro", "amd64"), ("micro", "arm64")]


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    driver = NotedDriver(Journal(tmp_path / "machines.db"))

    @contextlib.contextmanager
    def lab_context(lab: LoadedLab, _names: object, *about: Any, cold: bool) -> Iterator[LabContext]:
        found = lab_context_of(lab, driver, tmp_path, monkeypatch)
        machines = replace(found.machines, progress=about[2])
        with contextlib.closing(contextlib.ExitStack()):
            yield replace(found, machines=machines)

    monkeypatch.setattr(module, "lab_context", lab_context)
    (tmp_path / "agent").mkdir()
    return agent_in(tmp_path / "agent")


def _ready(patch: pytest.MonkeyPatch, made: dict[str, Any]) -> None:
    """Machines are ready with these templates, None, or not because of this error."""

    def make_ready(job: Job, _context: LabContext) -> Order:
        if isinstance(made[job.machine], Exception):
            raise made[job.machine]
        return replace(order(), template=made[job.machine])

    patch.setattr(module, "make_ready", make_ready)


def test_what_cannot_be_made_is_told_and_the_rest_is(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    template = Template(Path("/cache/templates") / KEY)
    _ready(monkeypatch, {"micro-amd64": template, "micro-arm64": ImageError("no mirror\nin detail")})
    words: list[str] = []
    with agent.client() as client:
        assert list(client.warm(words.append, soon(), images=PAIRS)) == [KEY]
    assert "micro-amd64: ready" in words
    assert "micro-arm64 cannot be prepared: no mirror" in words


def test_a_lab_that_was_sent_is_made_ready(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    from agents import DIGEST

    _ready(monkeypatch, {"m": None})
    words: list[str] = []
    with agent.client() as client:
        assert client.warm(words.append, soon(), bundle=DIGEST) == {}
        assert words == ["m: ready"]


def test_templates_are_named_without_being_made(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    there, failed = KEY, KEY.replace("0011", "ffff")
    for key, reason in ((there, ""), (failed, "its timers do not run")):
        folder = cache.place("templates", key)
        folder.mkdir(parents=True)
        (folder / cache.META).write_text(json.dumps({"reason": reason, "boot_seconds": 3.5}))
    keys = {"micro-amd64": there, "micro-arm64": failed}
    monkeypatch.setattr(module, "template_key", lambda job, _: keys[job.machine])
    with agent.client() as client:
        found = client.warm(lambda _: None, soon(), images=PAIRS, templates=False)
        assert found == {there: 3.5, failed: 0.0}
        keys["micro-arm64"] = ""
        assert client.warm(lambda _: None, soon(), images=PAIRS, templates=False) == {there: 3.5}


def test_what_the_host_lacks_for_all_is_an_error(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise Unavailable("this host lacks QEMU", hint="install it")

    monkeypatch.setattr(module, "lab_context", lacks)
    with agent.client() as client, pytest.raises(Unavailable, match="this host lacks QEMU"):
        client.warm(lambda _: None, soon(), images=PAIRS)


def test_nothing_is_made_for_who_is_gone(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def make_ready(_job: Job, context: LabContext) -> Order:
        begun.set()
        try:
            Deadline.after(60, context.cancellation).cancellation.wait(60)
            context.cancellation.check()
            return cast(Order, pytest.fail("it was not cancelled"))
        finally:
            ended.set()

    monkeypatch.setattr(module, "make_ready", make_ready)
    with agent.line() as line:
        line.sendall(b'{"id": 1, "ask": "warm", "images": [["micro", "amd64"]], "templates": true}\n')
        assert begun.wait(60)
    assert ended.wait(60)


@pytest.mark.parametrize("images", [None, 7, ["micro"], [["micro"]], [["micro", 7]], [["micro", "vax"]]])
def test_what_is_no_image_is_said(images: object) -> None:
    with pytest.raises(SpecError, match="by image and architecture"):
        machines_of(images)
