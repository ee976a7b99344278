"""How a home disk is given to QEMU: as a descriptor, to one machine, and to none of those that are frozen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import order

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import HomeDisk, Order
from orchestrator.drivers.qemu import home, snapshot
from orchestrator.drivers.qemu.driver import DRIVER as QEMU
from orchestrator.drivers.qemu.emulator import Memory, render_argv
from orchestrator.errors import Unavailable
from orchestrator.images import Image

DISK = HomeDisk(Path("/state/homes/ann.img"), 2**30)


def with_home(arch: str = "arm64") -> Order:
    return replace(order(arch), home=DISK)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_is_one_more_disk_after_all_other_devices(arch: str) -> None:
    plain, wanted = order(arch), with_home(arch)
    added = render_argv(wanted, QEMU.prepare(wanted), root=True, home_disk=7)
    before = render_argv(plain, QEMU.prepare(plain), root=True)
    before[before.index("-initrd") + 1] = f"/scratch/{plain.run}/{arch}/initrd"
    at = next(n for n, (one, other) in enumerate(zip(added, before, strict=False)) if one != other)
    assert added[at : at + 6] == [
        "-add-fd",
        "fd=7,set=1,opaque=home",
        "-blockdev",
        "driver=file,node-name=home,filename=/dev/fdset/1,locking=on,discard=unmap",
        "-device",
        f"virtio-blk-{ARCHITECTURES[arch].bus},drive=home,serial=isolab-home",
    ]
    assert added[:at] + added[at + 6 :] == before


def test_no_path_of_it_is_in_a_command_line() -> None:
    assert "ann" not in " ".join(render_argv(with_home(), QEMU.prepare(with_home()), root=False, home_disk=7))


def test_a_template_is_frozen_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = with_home().unplugged()
    argv = render_argv(wanted, QEMU.prepare(wanted), False, Memory(Path("/m"), building=True))
    assert "driver=null-co,node-name=home,size=1073741824,read-zeroes=on" in argv
    assert "-add-fd" not in argv
    monkeypatch.setattr("orchestrator.drivers.qemu.emulator.program_identity", lambda _: ())
    other = replace(with_home(), home=HomeDisk(Path("/state/homes/bob.img"), 2**30), student_keys=("key",))
    assert snapshot.identity(with_home()) == snapshot.identity(other)
    assert snapshot.identity(with_home()) != snapshot.identity(order("arm64"))


def test_what_a_home_needs_follows_the_initial_ram_disk(tmp_path: Path) -> None:
    image = Image("micro", "arm64", "key", tmp_path)
    image.initrd.write_bytes(b"first" * 103)
    (tmp_path / "initrd.home").write_bytes(b"second")
    wanted = replace(with_home(), image=image, scratch=tmp_path / "scratch")
    wanted.scratch.mkdir()
    home.write_initrd(wanted, QEMU.prepare(wanted))
    made = home.initrd(wanted, QEMU.prepare(wanted)).read_bytes()
    assert made == b"first" * 103 + bytes(1024 - 515) + b"second"
    plain = replace(wanted, home=None)
    assert home.initrd(plain, QEMU.prepare(plain)) == image.initrd
    full = replace(wanted, image=replace(image, kind="full"))
    assert home.initrd(full, QEMU.prepare(full)) == image.initrd


def test_a_missing_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    wanted = replace(with_home(), home=HomeDisk(tmp_path / "gone.img", 2**30))
    with (
        pytest.raises(
            Unavailable, match=r"arm64: cannot open its home disk .*gone\.img: No such file"
        ) as told,
        home.opened(wanted, QEMU.prepare(wanted), Deadline.after(60)),
    ):
        pass
    assert "move it back" in told.value.hint


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.img").symlink_to(tmp_path / "other")
    (tmp_path / "other").write_bytes(b"")
    wanted = replace(with_home(), home=HomeDisk(tmp_path / "link.img", 2**30))
    with pytest.raises(Unavailable), home.opened(wanted, QEMU.prepare(wanted), Deadline.after(60)):
        pass


def test_two_at_once_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "RELEASED_SECONDS", 0.05)
    (tmp_path / "a.img").write_bytes(b"")
    wanted = replace(with_home(), home=HomeDisk(tmp_path / "a.img", 2**30))
    handle = QEMU.prepare(wanted)
    with home.opened(wanted, handle, Deadline.after(60)) as descriptor:
        assert descriptor > 2
        told = pytest.raises(home.InUse, match="in use by another machine")
        with told, home.opened(wanted, handle, Deadline.after(60)):
            pass
    with home.opened(wanted, handle, Deadline.after(60)):
        pass
    with home.opened(order(), handle, Deadline.after(60)) as nothing:
        assert nothing == -1
