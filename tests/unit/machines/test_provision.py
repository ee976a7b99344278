"""What cache or scratch folder cannot take is told before anything is built, or costs only the clone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories import order

from orchestrator import drivers
from orchestrator.arch import ARCHITECTURES
from orchestrator.drivers.model import FrozenImage, Order, Template
from orchestrator.drivers.qemu.thaw import identity
from orchestrator.errors import Unavailable
from orchestrator.host.cache import CacheUnwritableError
from orchestrator.labfile.models import Machine
from orchestrator.machines import frozen_images
from orchestrator.machines import provision as module


class Told:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def tell(self, words: str) -> None:
        self.words.append(words)


def test_a_cache_that_cannot_be_written_costs_the_clone_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise CacheUnwritableError("cannot write to the cache /c")

    monkeypatch.setattr(module, "obtain", refuse)
    context: Any = SimpleNamespace(cold=False, thaw=False, machines=None, progress=Told())
    wanted = order("amd64")
    assert module._with_template(wanted, drivers.load("qemu"), context) == wanted
    assert context.progress.words == [f"{wanted.name}: cold boot: cannot write to the cache /c"]


FROZEN = FrozenImage(Path("/cache/frozen/micro-amd64-0"))


class TestThawing:
    def order(self, thaw: bool, found: FrozenImage | str, patch: pytest.MonkeyPatch) -> tuple[Order, Told]:
        """What is ordered of a machine that has a template, and what is told."""
        template, context = Template(Path("/cache/templates/t")), Told()
        patch.setattr(module, "obtain", lambda *_: template)
        patch.setattr(identity, "host_arch", lambda: ARCHITECTURES["amd64"])
        patch.setattr(frozen_images, "obtain", lambda *_: found)
        once = module.ToldOnce()
        about: Any = SimpleNamespace(cold=False, thaw=thaw, machines=None, progress=context, not_thawed=once)
        return module._with_template(order("amd64"), drivers.load("qemu"), about), context

    def test_only_where_it_is_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ordered, told = self.order(False, FROZEN, monkeypatch)
        assert (ordered.frozen, told.words) == (None, [])
        assert ordered.template is not None

    def test_where_there_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ordered, told = self.order(True, FROZEN, monkeypatch)
        assert (ordered.frozen, told.words) == (FROZEN, [])

    def test_the_reason_for_a_clone_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ordered, told = self.order(True, "its timers do not run", monkeypatch)
        assert ordered.frozen is None
        assert told.words == ["amd64: a clone, not thawed: its timers do not run"]

    def test_why_machines_are_never_thawed_is_told_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "obtain", lambda *_: Template(Path("/cache/templates/t")))
        monkeypatch.setattr(identity, "host_arch", lambda: ARCHITECTURES["amd64"])
        context: Any = SimpleNamespace(
            cold=False, thaw=True, machines=None, progress=Told(), not_thawed=module.ToldOnce()
        )
        qemu, libvirt = drivers.load("qemu"), drivers.load("libvirt")
        cloud = replace(order("amd64"), image=replace(order("amd64").image, kind="cloud"))
        hardware = replace(order("amd64"), accel="kvm")
        remote, sandbox = (replace(cloud, machine=Machine(driver=name)) for name in ("libvirt", "sandbox"))
        for wanted, driver in [
            (cloud, qemu),
            (cloud, qemu),
            (hardware, qemu),
            (remote, libvirt),
            (sandbox, drivers.load("sandbox")),
        ]:
            assert module._with_template(wanted, driver, context).frozen is None
        once = "(told once for all such machines)"
        assert context.progress.words == [
            f"amd64: not thawed: images of kind cloud are not frozen {once}",
            f"amd64: not thawed: it is not emulated (kvm) {once}",
            f"amd64: not thawed: machines of driver libvirt cannot be {once}",
        ]

    def test_nothing_is_told_where_no_thawing_is_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(drivers.load("qemu")), "cannot_thaw", lambda *_: "it has a home disk")
        ordered, told = self.order(False, FROZEN, monkeypatch)
        assert (ordered.frozen, told.words) == (None, [])

    def test_a_cache_without_room_costs_the_thawing_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "obtain", lambda *_: Template(Path("/cache/templates/gone")))
        monkeypatch.setattr(identity, "host_arch", lambda: ARCHITECTURES["amd64"])
        context: Any = SimpleNamespace(
            cold=False, thaw=True, machines=None, progress=Told(), not_thawed=module.ToldOnce()
        )
        ordered = module._with_template(order("amd64"), drivers.load("qemu"), context)
        assert ordered.frozen is None
        assert "a clone, not thawed: No such file or directory" in context.progress.words[0]


@pytest.mark.parametrize(("driver", "refused"), [("qemu", True), ("process", False)])
def test_a_scratch_folder_too_deep_for_sockets_is_told_first(
    monkeypatch: pytest.MonkeyPatch, driver: str, refused: bool
) -> None:
    machine = SimpleNamespace(driver=driver, networks=(), image="micro", arch=None)
    lab = SimpleNamespace(lab=SimpleNamespace(machines={"vm": machine}))
    context: Any = SimpleNamespace(lab=lab, scratch=Path("/" + "x" * 80))
    job: Any = SimpleNamespace(machine="vm", run="20260102-030405-aaaa")
    if not refused:
        module._require_short_paths(job, context)
        return
    monkeypatch.setattr(module, "make_image", lambda *_: pytest.fail("built an image first"))
    with pytest.raises(Unavailable, match="its sockets would be too long") as caught:
        module.provision(job, context, SimpleNamespace())  # type: ignore[arg-type]
    assert "ISOLAB_SCRATCH" in caught.value.hint
