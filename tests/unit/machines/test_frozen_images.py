"""Frozen emulators: when one is made, what is remembered of a failure, and what is done about damage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, order
from machines_made_up import NotedDriver, context_of
from pydantic import TypeAdapter

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import FrozenImage, Handle, Order, Template
from orchestrator.errors import BootError
from orchestrator.host import boot, cache
from orchestrator.machines import frozen_images
from orchestrator.machines.journal import Journal
from orchestrator.machines.trial import Trial
from orchestrator.progress import Progress


@dataclass
class ThawingDriver(NotedDriver):
    """Freezes what is asked for, or says why not; ``wrong`` is what it finds of an image later."""

    obstacle: str = ""
    failure: str = ""
    wrong: str = ""
    host: str = "one kernel"
    frozen: list[str] = field(default_factory=list)

    def cannot_thaw(self, order: Order) -> str:
        return self.obstacle

    def frozen_identity(self, order: Order) -> tuple[object, ...]:
        return (self.host,)

    def own_memory(self, handle: Handle) -> int:
        return 3 * 2**20

    def freeze(
        self, order: Order, handle: Handle, frozen: FrozenImage, deadline: Deadline, progress: Progress
    ) -> Mapping[str, Any]:
        self.frozen.append(handle.machine)
        if self.failure:
            raise BootError(f"{self.failure}\nconsole: nothing")
        frozen.image.write_bytes(b"an emulator")
        return {"descriptors": {"tcp": [12, 2]}, "stored": 11}

    def damage(self, frozen: FrozenImage, *, whole: bool) -> str:
        return self.wrong


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ThawingDriver:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    trial = Trial(0.2, {"kernel": "6.1", "spin_us": 4000}, 2**20)
    monkeypatch.setattr(frozen_images, "trial", lambda *_: trial)
    return ThawingDriver(Journal())


def wanted(folder: Path, run: str = RUN) -> Order:
    template = Template(cache.place("templates", "micro-amd64-0"))
    template.folder.mkdir(parents=True, exist_ok=True)
    if not template.memory.exists():
        template.memory.write_bytes(b"memory")
        (template.folder / cache.META).write_text("{}")
    place = folder / "s" / run / "vm"
    return replace(order(), run=run, name="vm", scratch=place, logs=folder / "logs" / "vm", template=template)


def obtained(folder: Path, driver: ThawingDriver) -> FrozenImage | str:
    return frozen_images.obtain(wanted(folder), driver, context_of(driver.journal))  # type: ignore[arg-type]


def test_it_is_made_once(tmp_path: Path, driver: ThawingDriver) -> None:
    first = obtained(tmp_path, driver)
    assert isinstance(first, FrozenImage)
    assert (first.descriptors, first.thaw_seconds) == ({"tcp": (12, 2)}, 0.2)
    assert obtained(tmp_path, driver) == first
    assert driver.frozen == ["vm-thaw"]
    assert driver.downs == ["vm-thaw"]


def test_of_what_cannot_be_thawed_nothing_is_tried(tmp_path: Path, driver: ThawingDriver) -> None:
    driver.obstacle = "it has a home disk"
    assert obtained(tmp_path, driver) == "it has a home disk"
    assert driver.frozen == []


def test_a_failure_is_remembered_for_a_while(
    tmp_path: Path, driver: ThawingDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.failure = "QEMU has something open that cannot be frozen"
    assert obtained(tmp_path, driver) == driver.failure
    assert obtained(tmp_path, driver) == driver.failure
    assert len(driver.frozen) == 1
    later = time.time() + frozen_images.NOTE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    driver.failure = ""
    assert isinstance(obtained(tmp_path, driver), FrozenImage)


def test_a_damaged_one_is_made_again(tmp_path: Path, driver: ThawingDriver) -> None:
    obtained(tmp_path, driver)
    driver.wrong = "its table is damaged"
    assert isinstance(obtained(tmp_path, driver), FrozenImage)
    assert len(driver.frozen) == 2


def test_one_from_before_the_hosts_last_boot_is_tested_again(
    tmp_path: Path, driver: ThawingDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    obtained(tmp_path, driver)
    (tmp_path / "boot").write_text("another\n")
    monkeypatch.setattr(boot, "_BOOT_ID", tmp_path / "boot")
    tested = []

    def trial(*_: object) -> Trial:
        tested.append(1)
        return Trial(0.2, {}, 0)

    monkeypatch.setattr(frozen_images, "trial", trial)
    for _ in range(2):
        assert isinstance(obtained(tmp_path, driver), FrozenImage)
    assert (len(tested), len(driver.frozen)) == (1, 1)


def test_one_that_fails_that_test_is_made_again(
    tmp_path: Path, driver: ThawingDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    obtained(tmp_path, driver)
    (tmp_path / "boot").write_text("another\n")
    monkeypatch.setattr(boot, "_BOOT_ID", tmp_path / "boot")
    answers: list[Exception | None] = [BootError("its timers do not run"), None]

    def trial(*_: object) -> Trial:
        if problem := answers.pop(0):
            raise problem
        return Trial(0.2, {}, 0)

    monkeypatch.setattr(frozen_images, "trial", trial)
    assert isinstance(obtained(tmp_path, driver), FrozenImage)
    assert len(driver.frozen) == 2


def test_another_kernel_has_its_own_and_the_former_goes(tmp_path: Path, driver: ThawingDriver) -> None:
    first = obtained(tmp_path, driver)
    driver.host = "another kernel"
    second = obtained(tmp_path, driver)
    assert isinstance(first, FrozenImage)
    assert isinstance(second, FrozenImage)
    assert [path.name for path in first.folder.parent.iterdir()] == [second.folder.name]


def test_an_order_with_one_is_kept_as_it_is(tmp_path: Path, driver: ThawingDriver) -> None:
    """In the journal, for a machine that is reset."""
    frozen = obtained(tmp_path, driver)
    assert isinstance(frozen, FrozenImage)
    whole = replace(wanted(tmp_path), frozen=frozen)
    orders = TypeAdapter(Order)
    assert orders.validate_json(orders.dump_json(whole)) == whole
