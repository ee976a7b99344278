"""Labs whose values contradict each other or the host."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import (
    GOOD_LAB,
    load,
    machine_mistakes,
    make_folder,
)

from orchestrator.load import load_lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.mark.parametrize("driver", ["process", "sandbox", "container"])
def test_what_shares_the_hosts_kernel_has_no_other_architecture(folder: Path, driver: str) -> None:
    found = machine_mistakes(folder, f"m: {{arch: »s390x, driver: {driver}}}", host="arm64")
    reason = f"driver {driver} runs on the host's kernel (arm64), not s390x"
    assert found == [f"» {reason} (use driver: qemu, or leave out arch)"]


@pytest.mark.parametrize(
    ("machine", "defaults"),
    [
        ("m: {driver: »process}", "{arch: s390x}"),
        ("m: {arch: »s390x}", "{driver: process}"),
        ("m: {}", "{driver: process, arch: »s390x}"),
    ],
)
def test_a_contradiction_is_placed_at_the_machines_own_key_if_it_has_one(
    folder: Path, machine: str, defaults: str
) -> None:
    (found,) = machine_mistakes(folder, machine, defaults)
    assert found.startswith("» driver process runs on the host's kernel")


def test_kvm_runs_only_the_hosts_architecture(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu, arch: arm64, accel: »kvm}")
    reason = "KVM runs only the host's own architecture (amd64), not arm64"
    assert found == [f"» {reason} (use accel: auto)"]
    assert load(folder, GOOD_LAB.replace("cpus: 2", "accel: kvm")).lab.machines["vm"].accel == "kvm"


@pytest.mark.parametrize(
    ("machine", "host", "arch"),
    [("arch: »s390x", "amd64", "s390x"), ("driver: »virtualbox", "arm64", "arm64")],
)
def test_virtualbox_runs_pcs_only(folder: Path, machine: str, host: str, arch: str) -> None:
    keys = machine if "driver" in machine else f"driver: virtualbox, {machine}"
    found = machine_mistakes(folder, f"m: {{{keys}}}", host=host)
    assert found == [f"» VirtualBox runs guests of amd64 and i386, not {arch} (use driver: qemu)"]


def test_virtualbox_runs_both_kinds_of_pc(folder: Path) -> None:
    text = GOOD_LAB.replace("arch: null, cpus: 2", "driver: virtualbox, arch: i386")
    assert load(folder, text).lab.machines["vm"].driver == "virtualbox"


@pytest.mark.parametrize(("arch", "least"), [("s390x", "64MiB"), ("ppc64el", "512MiB")])
def test_memory_must_suffice_for_the_architecture(folder: Path, arch: str, least: str) -> None:
    found = machine_mistakes(folder, f"m: {{driver: qemu, memory: »63MiB, arch: {arch}}}")
    assert found == [f"» '63MiB' of memory is too little for {arch} (give at least {least})"]


def test_too_little_memory_by_default_is_told_of_the_machine_that_needs_more(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu, arch: »ppc64el}", "{memory: 256MiB}")
    assert found == ["» '256MiB' of memory is too little for ppc64el (give at least 512MiB)"]


def test_a_container_may_have_little_memory(folder: Path) -> None:
    text = "lab: a\nmachines: {m: {driver: container, memory: 16MiB}}\nexercises: [ipc/pipes]\n"
    assert load(folder, text).lab.machines["m"].memory == 16 * 2**20


def test_a_contradiction_shows_beside_another_mistake_of_the_same_machine(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: process, »memroy: 1GiB, arch: »s390x}")
    assert [text[:3] for text in found] == ["» u", "» d"]


def test_images_are_those_there_are(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu, image: »debian}")
    assert found == ["» unknown image 'debian' (known: micro)"]
    loaded = load_lab(folder / "lab", folder / "exercises", images={"micro", "debian"})
    assert loaded.lab.machines["m"].image == "debian"
