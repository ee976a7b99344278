"""How a machine is started: thawed, cloned or booted, each in place of what failed; and what may thaw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import handle, order

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Attachment, FrozenImage, HomeDisk, Order, Template
from orchestrator.drivers.qemu import driver as module
from orchestrator.drivers.qemu import emulator
from orchestrator.drivers.qemu.emulator import Memory, render_argv
from orchestrator.drivers.qemu.thaw import check, identity, image_file
from orchestrator.drivers.qemu.thaw.start import render_command
from orchestrator.errors import BootError, LabError, Unavailable
from orchestrator.host import cache
from orchestrator.progress import SilentProgress


class Recorded(SilentProgress):
    """What was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)


TEMPLATE = Template(Path("/cache/templates/micro-arm64-0"))
FROZEN = FrozenImage(Path("/cache/frozen/micro-arm64-0"))


def wanted(**changes: object) -> Order:
    whole: dict[str, Any] = {"template": TEMPLATE, "frozen": FROZEN, **changes}
    return replace(order("arm64"), **whole)


class TestWays:
    def up(
        self, one: Order, failing: Mapping[str, LabError], monkeypatch: pytest.MonkeyPatch
    ) -> tuple[str, list[str]]:
        """How it came up, and what was told."""

        def bring_up(tried: Order, *_: object) -> None:
            way = "thaw" if tried.frozen else "clone" if tried.template else "cold"
            if way in failing:
                raise failing[way]

        monkeypatch.setattr(module, "bring_up", bring_up)
        monkeypatch.setattr(module.Qemu, "down", lambda *_: None)
        progress = Recorded()
        risen = module.DRIVER.up(one, handle("arm64"), Deadline.after(60), progress)
        return risen.data["start"], progress.told

    def test_the_fastest_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.up(wanted(), {}, monkeypatch) == ("thaw", [])
        assert self.up(wanted(frozen=None), {}, monkeypatch) == ("clone", [])
        assert self.up(wanted(frozen=None, template=None), {}, monkeypatch) == ("cold", [])

    @pytest.mark.parametrize("problem", [BootError("no vDSO"), Unavailable("no compiler")])
    def test_a_clone_in_place_of_what_does_not_thaw(
        self, problem: LabError, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start, told = self.up(wanted(), {"thaw": problem}, monkeypatch)
        assert start == "clone"
        assert told == [f"arm64: the frozen emulator did not thaw, cloning instead: {problem.message}"]

    def test_a_boot_in_place_of_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        failing = {"thaw": BootError("one"), "clone": BootError("two")}
        start, told = self.up(wanted(), failing, monkeypatch)
        assert (start, len(told)) == ("cold", 2)

    def test_on_trial_it_fails_instead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = wanted(frozen=replace(FROZEN, on_trial=True))
        with pytest.raises(BootError, match="no vDSO"):
            self.up(one, {"thaw": BootError("no vDSO")}, monkeypatch)

    def test_what_is_decided_beforehand_names_the_fastest(self) -> None:
        assert module.DRIVER.prepare(wanted()).data["start"] == "thaw"
        assert module.DRIVER.prepare(wanted(frozen=None)).data["start"] == "clone"


class TestObstacles:
    def test_none_for_an_emulated_micro_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(identity, "host_arch", lambda: ARCHITECTURES["amd64"])
        for arch in ARCHITECTURES:
            assert identity.obstacle(order(arch)) == ""

    def test_each_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        place = Attachment("lan", "10.0.0.1", 24, "52:54:00:00:00:01")
        assert "not emulated" in identity.obstacle(order("amd64", accel="kvm"))
        assert identity.obstacle(order("arm64", cpus=2)) == ""
        assert "private networks" in identity.obstacle(wanted(attachments=(place,)))
        assert "internet" in identity.obstacle(wanted(attachments=(replace(place, internet=True),)))
        assert "home disk" in identity.obstacle(wanted(home=HomeDisk(None, 1)))
        assert "debian" in identity.obstacle(replace(wanted(), image=replace(wanted().image, kind="debian")))
        monkeypatch.setattr(identity, "host_arch", lambda: ARCHITECTURES["arm64"])
        assert "hosts of architecture arm64" in identity.obstacle(wanted())


CPUINFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu MHz\t\t: 2400.001
microcode\t: 0x1
flags\t\t: fpu vme avx512f

processor\t: 1
flags\t\t: fpu
"""


def test_a_processor_is_told_by_what_it_can_do_not_by_its_speed() -> None:
    assert identity.processor(CPUINFO) == [
        "flags: fpu vme avx512f",
        "microcode: 0x1",
        "vendor_id: GenuineIntel",
    ]


def test_the_emulators_own_words_follow_those_of_the_loader() -> None:
    given, numbers = {"tcp": 40, "qmp.sock": 41}, {"tcp": (12, 0), "qmp.sock": (11, 0)}
    words = render_command(
        Path("/c/thaw"), 39, "65534", given, numbers, ["qemu-system-arm", "-name", "isolab-x"]
    )
    assert words == [
        "/c/thaw", "39", "65534", "65534", "40:12", "41:11", "--", "qemu-system-arm", "-name", "isolab-x",
    ]  # fmt: skip


def test_a_frozen_emulator_denies_itself_all_rights_from_the_start() -> None:
    """Its user is changed by the loader, not by QEMU: nothing needs the right to do so."""
    frozen = Memory(TEMPLATE.memory, kernel=TEMPLATE.kernel, initrd=TEMPLATE.initrd, frozen=True)
    argv = render_argv(wanted(), handle("arm64"), True, frozen)
    assert "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" in argv
    assert not {"-runas", "-run-with"} & set(argv)
    assert f"tcg,thread=single,tb-size={64 * emulator.FROZEN_CACHE_FACTOR}" in argv


class TestDamage:
    def image(self, folder: Path) -> FrozenImage:
        frozen = FrozenImage(folder)
        part = image_file.Part(0x7F0000000000, 4096, 3, image_file.FROM_IMAGE)
        whole = image_file.Frozen(1, image_file.KernelPages(), (part,), ())
        image_file.write(frozen.image, whole, lambda _, length: b"\x01" * length)
        facts = {
            "size": frozen.image.stat().st_size,
            "table": image_file.table_digest(frozen.image),
            "digest": cache.sha256_file(frozen.image),
        }
        (folder / cache.META).write_text(str(facts).replace("'", '"'))
        return frozen

    def test_none(self, tmp_path: Path) -> None:
        assert check.damage(self.image(tmp_path), whole=True) == ""

    def test_of_memory_is_seen_when_all_is_read(self, tmp_path: Path) -> None:
        frozen = self.image(tmp_path)
        with frozen.image.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x02")
        assert check.damage(frozen, whole=False) == ""
        assert check.damage(frozen, whole=True) == "its memory is damaged"

    def test_of_the_table_and_the_end_always(self, tmp_path: Path) -> None:
        frozen = self.image(tmp_path)
        whole = frozen.image.read_bytes()
        frozen.image.write_bytes(whole[:-1])
        assert check.damage(frozen, whole=False) == "it is not complete"
        frozen.image.write_bytes(whole[:40] + b"x" + whole[41:])
        assert check.damage(frozen, whole=False) == "its table is damaged"

    def test_others_may_not_read_it(self, tmp_path: Path) -> None:
        frozen = self.image(tmp_path)
        frozen.image.chmod(0o640)
        assert check.damage(frozen, whole=False) == "others may have changed it, or read it"

    def test_one_that_is_gone(self, tmp_path: Path) -> None:
        assert check.damage(FrozenImage(tmp_path), whole=False).startswith("it cannot be read")
