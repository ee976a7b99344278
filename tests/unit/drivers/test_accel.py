"""The accelerator: KVM only where a probe guest proved it, and the answer is remembered."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from factories import image

from orchestrator.arch import ARCHITECTURES, Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.qemu import accel
from orchestrator.drivers.qemu.accel import Accelerator, choose
from orchestrator.errors import Unavailable
from orchestrator.images import Image

IMAGE = image(host_arch().name)


@dataclass
class FakeHost:
    """A host with /dev/kvm and QEMU; ``problem`` is what a probe guest meets."""

    folder: Path
    problem: str = ""
    probed: list[str] = field(default_factory=list)

    def probe(self, arch: Arch, about: Image, _deadline: Deadline) -> str:
        self.probed.append(arch.name)
        return self.problem

    @property
    def memory(self) -> Path:
        return self.folder / "state" / "kvm-probe.json"

    @property
    def qemu(self) -> Path:
        return self.folder / host_arch().qemu


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost(tmp_path)
    (tmp_path / "kvm").touch()
    fake.qemu.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    monkeypatch.setattr(accel, "probe", fake.probe)
    return fake


def ask(wanted: str = "auto", about: Image = IMAGE) -> Accelerator:
    return choose(host_arch(), wanted, about, Deadline.after(60))


def test_another_architecture_is_always_emulated(host: FakeHost) -> None:
    foreign = next(arch for arch in ARCHITECTURES.values() if arch != host_arch())
    choice = choose(foreign, "auto", image(foreign.name), Deadline.after(60))
    assert choice.accel == "tcg"
    assert "not the host's architecture" in choice.reason
    assert host.probed == []


def test_a_lab_may_ask_for_emulation(host: FakeHost) -> None:
    assert ask("tcg") == Accelerator("tcg", "the lab asks for it")
    assert host.probed == []


def test_kvm_is_used_when_a_guest_booted_under_it(host: FakeHost) -> None:
    assert ask().accel == ask("kvm").accel == "kvm"
    assert host.probed == [host_arch().name]


def test_a_kvm_that_hangs_is_not_used_and_the_reason_told(host: FakeHost) -> None:
    host.problem = "did not reach userspace"
    assert ask() == Accelerator("tcg", "did not reach userspace")
    with pytest.raises(Unavailable, match="KVM cannot be used: did not reach userspace") as caught:
        ask("kvm")
    assert "accel: auto" in caught.value.hint


def test_a_host_without_kvm(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "KVM", host.folder / "none")
    assert "no /dev/kvm" in ask().reason
    with pytest.raises(Unavailable, match="no /dev/kvm"):
        ask("kvm")


def test_a_kvm_that_may_not_be_opened(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "no permission to open" in ask().reason
    assert host.probed == []


def test_without_the_emulator_its_package_is_told(host: FakeHost) -> None:
    host.qemu.unlink()
    with pytest.raises(Unavailable, match="is not installed") as caught:
        ask()
    assert host_arch().qemu_packages[0] in caught.value.hint


@pytest.mark.parametrize("problem", ["", "QEMU exited"])
def test_the_answer_is_remembered(host: FakeHost, problem: str) -> None:
    host.problem = problem
    first = ask()
    assert json.loads(host.memory.read_text())["problem"] == problem
    assert ask() == first
    assert len(host.probed) == 1


def test_another_qemu_or_kernel_is_probed_anew(host: FakeHost) -> None:
    ask()
    ask(about=replace(IMAGE, key="micro-amd64-ffffffffffffffffffff"))
    host.qemu.write_text("a newer one")
    ask()
    assert len(host.probed) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"key": 1}'])
def test_a_memory_that_makes_no_sense_is_replaced(host: FakeHost, text: str) -> None:
    host.memory.parent.mkdir()
    host.memory.write_text(text)
    assert ask().accel == "kvm"
    assert json.loads(host.memory.read_text())["problem"] == ""


@pytest.mark.parametrize(("start", "seconds"), [(0.02, 6.0), (0.1, 6.0), (0.5, 30.0), (9.0, 60.0)])
def test_patience_with_a_probe_guest_grows_where_qemu_itself_is_slow(start: float, seconds: float) -> None:
    assert accel.probe_patience(start) == seconds
