"""Full images: what they are made of and how, without making one."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from factories import lab, order

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, Arch, host_arch
from orchestrator.debian.kernel import Kernel
from orchestrator.drivers.model import Template
from orchestrator.drivers.qemu.driver import DRIVER
from orchestrator.drivers.qemu.emulator import render_argv
from orchestrator.host.packages import qemu_need
from orchestrator.images import full
from orchestrator.images.full_disk import Making, _cut, render_guest
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.image_recipe import FullRecipe
from orchestrator.machines.host_packages import MKE2FS, QEMU_IMG, image_needs
from orchestrator.machines.lifecycle import boot_seconds

GIB = 2**30
FOREIGN = ARCHITECTURES["s390x" if host_arch().name != "s390x" else "arm64"]


def recipe() -> FullRecipe:
    found = recipes()["debian"]
    assert isinstance(found, FullRecipe)
    return found


def test_another_recipe_is_another_image() -> None:
    changed = recipe().model_copy(update={"sudo": not recipe().sudo})
    assert images.key(recipe(), FOREIGN) != images.key(changed, FOREIGN)
    assert images.key(recipe(), FOREIGN) != images.key(recipe(), ARCHITECTURES["riscv64"])


def test_building_and_using_one_needs_more_of_the_host() -> None:
    assert image_needs(recipes()["micro"], FOREIGN.name) == []
    assert image_needs(recipe(), FOREIGN.name)[::2] == [QEMU_IMG, MKE2FS]
    assert image_needs(recipe(), FOREIGN.name)[1].what == qemu_need(FOREIGN.name).what


@pytest.mark.parametrize("arch", [FOREIGN, host_arch()])
def test_a_guest_configures_and_gives_the_hosts_own_architecture_back_as_a_tar(
    arch: Arch, tmp_path: Path
) -> None:
    argv = render_guest(Making(arch, tmp_path / "image", tmp_path / "work", GIB))
    words = argv[argv.index("-append") + 1].split()
    assert "isolab.make" in words
    drives = [word for word in argv if word.startswith("file=")]
    native = arch == host_arch()
    assert ("isolab.tar" in words) == native
    assert [Path(drive.split(",")[0]).name for drive in drives] == [
        "disk.raw",
        *(["rootfs.tar"] if native else []),
    ]
    assert "-sandbox" in argv


def test_a_tar_that_was_written_to_a_disk_loses_the_rest_of_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    (tmp_path / "file").write_bytes(b"x" * 700)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(tmp_path / "file", "file")
    with path.open("ab") as file:
        file.write(b"\0" * 10**6)
    _cut(path)
    assert path.stat().st_size == 512 + 1024 + 1024
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["file"]


def test_modules_go_by_the_names_they_depend_on_each_other_by() -> None:
    kernel = Kernel("6.1", {"kernel/fs/a-b.ko": b"data", "modules.order": b""})
    assert kernel.by_name() == {"a_b": b"data"}


def test_expectations_are_told_in_words() -> None:
    assert "configuring" in images.expectation(recipe(), FOREIGN)[0]
    assert images.expectation(recipe(), FOREIGN)[1] > images.expectation(recipes()["micro"], FOREIGN)[1]
    assert full.expected_seconds(FOREIGN) > full.expected_seconds(host_arch())


class TestMachines:
    def whole(self, tmp_path: Path) -> images.Image:
        return images.Image("debian", "arm64", "debian-arm64-0", tmp_path, 384 * 2**20, 4 * GIB, "full")

    def test_they_have_a_disk_of_their_own_and_memory_enough(self, tmp_path: Path) -> None:
        wanted = replace(order(), image=self.whole(tmp_path))
        argv = render_argv(wanted, DRIVER.prepare(wanted), root=True)
        (drive,) = [word for word in argv if "if=none,id=disk" in word]
        assert drive.startswith(f"file={wanted.scratch}/disk.qcow2,")
        assert wanted.memory_mib == 384
        assert boot_seconds(wanted) > boot_seconds(order())
        assert "rw" in argv[argv.index("-append") + 1].split()

    def test_others_have_none(self) -> None:
        assert not any(
            "virtio-blk" in word for word in render_argv(order(), DRIVER.prepare(order()), root=True)
        )

    def test_a_template_keeps_what_was_written(self, tmp_path: Path) -> None:
        assert Template(tmp_path).disk == tmp_path / "disk.qcow2"


def test_images_say_how_much_memory_they_need() -> None:
    assert least_memory(recipes())["micro"] == 0
    assert least_memory(recipes())["debian"] == recipe().memory
    assert lab({"x": {"driver": "process"}}).lab.machines["x"].image == "micro"
