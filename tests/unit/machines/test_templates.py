"""A template that cannot be built for want of space costs its machines the clone, not the start."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories import handle, order
from machines_made_up import context_of

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, Order, Template
from orchestrator.errors import BootError
from orchestrator.host import cache
from orchestrator.machines import templates
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress


class Killed:
    """A driver whose emulator is killed while it writes a guest's memory."""

    def template_identity(self, _order: Order) -> tuple[object, ...]:
        return ()

    def prepare(self, order: Order) -> Handle:
        return handle(order.name, run=order.run)

    def build_template(self, *_: Order | Handle | Template | Deadline | Progress) -> float:
        raise BootError("QEMU exited while booting a template")

    def down(self, _handle: Handle) -> None:
        pass


@pytest.fixture
def obtain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    wanted = replace(order("amd64"), scratch=tmp_path / "run" / "vm", logs=tmp_path / "logs")

    def call(free: int) -> object:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        driver: Any = Killed()
        return templates.obtain(wanted, driver, context_of(Journal()))

    return call


def test_without_space_the_machine_boots_and_says_why(obtain: Any, tmp_path: Path) -> None:
    reason = obtain(free=3 * 2**20)
    assert reason.startswith(
        f"no space for a template on the disk of the cache, {tmp_path / 'CACHE'}: 3 MiB free"
    )
    assert "ISOLAB_CACHE" in reason
    assert list(cache.place("templates", "").iterdir()) == []  # tried again when there is space


def test_with_space_it_is_a_fault(obtain: Any) -> None:
    with pytest.raises(BootError, match="QEMU exited while booting"):
        obtain(free=2**30)
