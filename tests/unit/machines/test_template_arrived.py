"""A template that came from another host: tested here before it is used, or made here after all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, order
from machines_made_up import NotedDriver, context_of

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, Order, Template
from orchestrator.errors import BootError, Interrupted
from orchestrator.host import cache
from orchestrator.machines import templates as module
from orchestrator.machines.journal import Journal
from orchestrator.machines.templates import ARRIVED, key, obtain
from orchestrator.progress import Progress

FILES = ("memory", "state", "kernel", "initrd")


@dataclass
class CloningDriver(NotedDriver):
    """Builds templates whose memory says where it was made."""

    built: list[str] = field(default_factory=list)

    def cannot_clone(self, order: Order) -> str:
        return ""

    def template_identity(self, order: Order) -> tuple[object, ...]:
        return ("made up",)

    def build_template(
        self, order: Order, handle: Handle, template: Template, deadline: Deadline, progress: Progress
    ) -> float:
        self.built.append(order.name)
        for name in FILES:
            (template.folder / name).write_text("made here")
        return 2.0

    def own_memory(self, handle: Handle) -> int:
        return 0


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloningDriver:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    return CloningDriver(Journal())


def _wanted(folder: Path) -> Order:
    return replace(order(), name="vm", scratch=folder / RUN / "vm", logs=folder / "logs" / "vm")


def _arrive(folder: Path, driver: CloningDriver, *files: str, **about: Any) -> Path:
    place = cache.place(ARRIVED, key(_wanted(folder), driver))
    place.mkdir(parents=True)
    for name in files:
        (place / name).write_text("made elsewhere")
    (place / cache.META).write_text(json.dumps({"boot_seconds": 9.0, "facts": {"bits": 1}, **about}))
    return place


def _tests(patch: pytest.MonkeyPatch, failing: str = "", problem: Exception | None = None) -> list[str]:
    """The memories that are tested from now on; the test of those that say ``failing`` fails."""
    tested: list[str] = []

    def test(tried: Order, *_: object) -> dict[str, Any]:
        assert tried.template is not None
        assert tried.template.on_trial
        tested.append(tried.template.memory.read_text())
        if tested[-1] == failing:
            raise problem or BootError("a clone's timers do not run")
        return {"facts": {"bits": 64}, "clone_seconds": 0.3}

    patch.setattr(module, "_test", test)
    return tested


def test_it_is_tested_and_used(
    tmp_path: Path, driver: CloningDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested, place = _tests(monkeypatch), _arrive(tmp_path, driver, *FILES)
    found = obtain(_wanted(tmp_path), driver, context_of(driver.journal))
    assert isinstance(found, Template)
    assert tested == ["made elsewhere"]
    assert driver.built == []
    assert {path.name for path in found.folder.iterdir()} == {*FILES, cache.META}
    about = cache.meta(found.folder)
    assert (about["boot_seconds"], about["facts"], about["accel"]) == (9.0, {"bits": 64}, "tcg")
    assert not place.exists()
    assert obtain(_wanted(tmp_path), driver, context_of(driver.journal)) == found
    assert len(tested) == 1


def test_one_that_does_not_work_here_is_made_here(
    tmp_path: Path, driver: CloningDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested, place = _tests(monkeypatch, "made elsewhere"), _arrive(tmp_path, driver, *FILES, "more")
    found = obtain(_wanted(tmp_path), driver, context_of(driver.journal))
    assert isinstance(found, Template)
    assert tested == ["made elsewhere", "made here"]
    assert found.memory.read_text() == "made here"
    assert cache.meta(found.folder)["boot_seconds"] == 2.0
    assert not place.exists()


@pytest.mark.parametrize(
    ("files", "about"),
    [(FILES[:2], {}), ((), {}), (FILES, {"boot_seconds": "?"}), (FILES, {"boot_seconds": None})],
)
def test_one_that_is_not_whole_is_made_here(
    tmp_path: Path,
    driver: CloningDriver,
    monkeypatch: pytest.MonkeyPatch,
    files: tuple[str, ...],
    about: dict[str, Any],
) -> None:
    tested, place = _tests(monkeypatch), _arrive(tmp_path, driver, *files, **about)
    found = obtain(_wanted(tmp_path), driver, context_of(driver.journal))
    assert isinstance(found, Template)
    assert tested == ["made here"]
    assert not place.exists()


def test_an_interruption_of_its_test_blames_nobody(
    tmp_path: Path, driver: CloningDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tests(monkeypatch, "made elsewhere", Interrupted())
    _arrive(tmp_path, driver, *FILES)
    with pytest.raises(Interrupted):
        obtain(_wanted(tmp_path), driver, context_of(driver.journal))
    assert not cache.place("templates", key(_wanted(tmp_path), driver)).exists()
    assert driver.built == []


def test_its_key_does_not_depend_on_where_the_cache_is() -> None:
    qemu: Any = drivers.load("qemu")
    here = order("arm64")
    there = replace(here, image=replace(here.image, folder=Path("/elsewhere/images/micro")))
    assert key(here, qemu) == key(there, qemu)
    assert key(here, qemu) != key(order("arm64", memory="512MiB"), qemu)
