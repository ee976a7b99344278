"""Templates: what is remembered of one that cannot be cloned, and a disk without room for one."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from factories import RUN, order
from machines_made_up import NotedDriver, context_of

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, Order, Template
from orchestrator.errors import BootError
from orchestrator.host import disk_space
from orchestrator.machines.journal import Journal
from orchestrator.machines.templates import key, obtain
from orchestrator.progress import Progress

Usage = namedtuple("Usage", "total used free")


@dataclass
class CloningDriver(NotedDriver):
    """Builds templates, or fails to, and starts clones as far as ``before_up`` lets it."""

    build: Callable[[], None] = lambda: None

    def cannot_clone(self, order: Order) -> str:
        return ""

    def template_identity(self, order: Order) -> tuple[object, ...]:
        return ("made up",)

    def build_template(
        self, order: Order, handle: Handle, template: Template, deadline: Deadline, progress: Progress
    ) -> float:
        template.memory.write_bytes(b"memory")
        self.build()
        return 2.0

    def own_memory(self, handle: Handle) -> int:
        return 3 * 2**20

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        assert order.template is not None
        assert order.template.on_trial
        return super().up(order, handle, deadline, progress)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloningDriver:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    return CloningDriver(Journal())


def wanted(folder: Path) -> Order:
    return replace(order(), name="vm", scratch=folder / RUN / "vm", logs=folder / "logs" / "vm")


def stored(folder: Path, driver: CloningDriver) -> bool:
    return (folder / "cache" / "templates" / key(wanted(folder), driver)).exists()


def test_the_reason_of_one_that_cannot_be_cloned_is_the_first_clones_error(
    tmp_path: Path, driver: CloningDriver
) -> None:
    def refuse(_: Handle) -> None:
        raise BootError("QEMU rejected migrate-incoming: migration to a file is not supported\nconsole: …")

    driver.before_up = refuse
    found = obtain(wanted(tmp_path), driver, context_of(driver.journal))
    assert found == "QEMU rejected migrate-incoming: migration to a file is not supported"
    assert obtain(wanted(tmp_path), driver, context_of(driver.journal)) == found
    assert driver.downs == ["vm-build", "vm-test1"]  # not tried again


def with_free(monkeypatch: pytest.MonkeyPatch, *mib: int) -> None:
    left = list(mib)

    def disk_usage(_: Path) -> Usage:
        return Usage(0, 0, (left.pop(0) if len(left) > 1 else left[0]) * disk_space.MIB)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)


class TestADiskWithoutRoom:
    def test_is_named_before_anything_is_started(
        self, tmp_path: Path, driver: CloningDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_free(monkeypatch, 100)
        found = obtain(wanted(tmp_path), driver, context_of(driver.journal))
        assert isinstance(found, str)
        assert f"not enough space on the disk of {tmp_path / 'cache'}" in found
        assert "a template may need 256 MiB, 100 MiB are free" in found
        assert "ISOLAB_CACHE" in found
        assert driver.downs == []
        assert not stored(tmp_path, driver)

    @pytest.mark.parametrize(
        "problem", [BootError("QEMU exited"), OSError(errno.ENOSPC, "No space left on device")]
    )
    def test_that_fills_meanwhile_is_named_instead_of_what_it_caused(
        self, tmp_path: Path, driver: CloningDriver, monkeypatch: pytest.MonkeyPatch, problem: Exception
    ) -> None:
        def build() -> None:
            raise problem

        driver.build = build
        with_free(monkeypatch, 900, 3)
        found = obtain(wanted(tmp_path), driver, context_of(driver.journal))
        assert isinstance(found, str)
        assert "a template may need 256 MiB, 3 MiB are free" in found
        assert driver.downs == ["vm-build"]
        assert not stored(tmp_path, driver)

    def test_is_not_blamed_for_other_failures(
        self, tmp_path: Path, driver: CloningDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def build() -> None:
            raise BootError("the guest's kernel panicked")

        driver.build = build
        with_free(monkeypatch, 900)
        with pytest.raises(BootError, match="panicked"):
            obtain(wanted(tmp_path), driver, context_of(driver.journal))
