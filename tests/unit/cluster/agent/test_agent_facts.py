"""What an agent says of its host is what was seen there, not what could be."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from factories import handle, image

from orchestrator import images
from orchestrator.arch import host_arch
from orchestrator.cluster.agent import facts as module
from orchestrator.cluster.agent.facts import host_facts
from orchestrator.drivers.qemu import accel
from orchestrator.drivers.qemu.accel import Accelerator
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.host import cache
from orchestrator.machines.journal import Journal

KEY = "00" * 32


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "SCRATCH", "CACHE"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name.lower()))
    monkeypatch.setattr(module, "_PROVED", threading.Event())


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has KVM, QEMU and an image to try it with."""
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(images, "find", lambda *_: image(host_arch().name))


def test_it_bears_the_controllers_name_and_counts_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    journal.intend(handle("m"))
    journal.intend(handle("kept"))
    journal.keep([handle("kept")])
    journal.intend(handle("net.lan"))
    monkeypatch.setattr(shutil, "which", lambda name: name.endswith("aarch64") or None)
    found = host_facts("lab1", KEY)
    assert (found.name, found.public_key, found.guests) == ("lab1", KEY, 2)
    assert found.emulates == ("arm64",)
    assert (found.arch, found.kvm) == (host_arch().name, False)
    assert host_facts("", KEY).name != ""


def test_templates_that_failed_their_test_are_none() -> None:
    for name, text in {
        "good": json.dumps({"reason": ""}),
        "failed": json.dumps({"reason": "its timers do not run"}),
        "broken": "{",
        "older": "{}",
    }.items():
        folder = cache.place("templates", name)
        folder.mkdir(parents=True)
        (folder / cache.META).write_text(text)
    assert host_facts("lab1", KEY).templates == ("good",)


def test_kvm_is_what_a_guest_booted_under(kvm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Accelerator | Exception] = [
        Accelerator("tcg", "the probe guest did not answer"),
        TimedOut("QEMU did not start"),
        Unavailable("QEMU is not installed"),
        Accelerator("kvm", "a probe guest booted under KVM"),
    ]

    def choose(*_: object) -> Accelerator:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(accel, "choose", choose)
    assert [host_facts("lab1", KEY).kvm for _ in range(5)] == [False, False, False, True, True]


def test_without_an_image_kvm_is_not_proved(kvm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find", lambda *_: None)
    monkeypatch.setattr(accel, "choose", lambda *_: pytest.fail("there is nothing to boot"))
    assert not host_facts("lab1", KEY).kvm
