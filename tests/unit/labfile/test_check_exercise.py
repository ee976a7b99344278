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

from orchestrator.labfile.load import load_lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.mark.parametrize("driver", ["sandbox", "container"])
def test_what_shares_the_hosts_kernel_has_no_other_architecture(folder: Path, driver: str) -> None:
    found = machine_mistakes(folder, f"m: {{arch: »s390x, driver: {driver}}}", host="arm64")
    reason = f"driver {driver} runs on the host's kernel (arm64), not s390x"
    assert found == [f"» {reason} (use driver: process, qemu or libvirt, or leave out arch)"]


@pytest.mark.parametrize(
    ("machine", "defaults"),
    [
        ("m: {driver: »sandbox}", "{arch: s390x}"),
        ("m: {arch: »s390x}", "{driver: sandbox}"),
        ("m: {}", "{driver: sandbox, arch: »s390x}"),
    ],
)
def test_a_contradiction_is_placed_at_the_machines_own_key_if_it_has_one(
    folder: Path, machine: str, defaults: str
) -> None:
    (found,) = machine_mistakes(folder, machine, defaults)
    assert found.startswith("» driver sandbox runs on the host's kernel")


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
    assert found == [f"» driver virtualbox supports amd64 and i386, not {arch} (use driver: qemu or libvirt)"]


def test_virtualbox_runs_both_kinds_of_pc(folder: Path) -> None:
    text = GOOD_LAB.replace("arch: null, cpus: 2", "driver: virtualbox, arch: i386")
    assert load(folder, text).lab.machines["vm"].driver == "virtualbox"


@pytest.mark.parametrize(("arch", "least"), [("s390x", "64MiB"), ("ppc64el", "512MiB")])
def test_memory_must_suffice_for_the_architecture(folder: Path, arch: str, least: str) -> None:
    found = machine_mistakes(folder, f"m: {{driver: qemu, memory: »63MiB, arch: {arch}}}")
    assert found == [f"» '63MiB' of memory is too little for {arch} (use at least {least})"]


def test_too_little_memory_by_default_is_told_of_the_machine_that_needs_more(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu, arch: »ppc64el}", "{memory: 256MiB}")
    assert found == ["» '256MiB' of memory is too little for ppc64el (use at least 512MiB)"]


@pytest.mark.parametrize(
    ("memory", "arch", "told"),
    [
        ("600MiB", "ppc64el", "» ppc64el guests have memory in steps of 256MiB, not '600MiB' (use 768MiB)"),
        ("3GiB", "mipsel", "» '3GiB' of memory is too much for mipsel (use at most 2048MiB)"),
        ("3GiB", "mips64el", "» '3GiB' of memory is too much for mips64el (use at most 2048MiB)"),
    ],
)
def test_memory_must_suit_the_board(folder: Path, memory: str, arch: str, told: str) -> None:
    assert machine_mistakes(folder, f"m: {{driver: qemu, memory: »{memory}, arch: {arch}}}") == [told]


@pytest.mark.parametrize(("memory", "arch"), [("768MiB", "ppc64el"), ("2GiB", "mipsel"), ("600MiB", "s390x")])
def test_memory_that_suits_the_board(folder: Path, memory: str, arch: str) -> None:
    text = (
        f"lab: a\nmachines: {{m: {{driver: qemu, memory: {memory}, arch: {arch}}}}}\nexercises: [ipc/pipes]\n"
    )
    assert load(folder, text).lab.machines["m"].memory >= 600 * 2**20


def test_a_container_may_have_little_memory(folder: Path) -> None:
    text = "lab: a\nmachines: {m: {driver: container, memory: 16MiB}}\nexercises: [ipc/pipes]\n"
    assert load(folder, text).lab.machines["m"].memory == 16 * 2**20


def test_a_contradiction_shows_beside_another_mistake_of_the_same_machine(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: sandbox, »memroy: 1GiB, arch: »s390x}")
    assert [text[:3] for text in found] == ["» u", "» d"]


def test_images_are_those_there_are(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu, image: »debian}")
    assert found == ["» unknown image 'debian' (available: micro)"]
    loaded = load_lab(folder / "lab", folder / "exercises", images={"micro": 0, "debian": 0})
    assert loaded.lab.machines["m"].image == "debian"


def test_images_of_container_engines_are_for_containers(folder: Path) -> None:
    (folder / "lab/images").mkdir()
    text = "image: own\nkind: containerfile\nfolder: .\n"
    (folder / "lab/images/own.yaml").write_text(text)
    found = machine_mistakes(folder, "m: {driver: qemu, image: »own}")
    assert found == ["» image 'own' is for containers, not for driver qemu (use driver: container)"]
    text = "lab: a\nmachines: {m: {driver: container, image: own}}\nexercises: [ipc/pipes]\n"
    assert list(load(folder, text).recipes) == ["own"]


def test_a_limit_of_processes_is_for_containers(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: process, pids: »64}")
    wanted = "» pids is a key for driver container, not process"
    assert found == [f"{wanted} (use driver: container, or leave it out)"]
    mixed = "lab: a\ndefaults: {pids: 64}\nmachines: {m: {driver: process}}\nexercises: [ipc/pipes]\n"
    assert load(folder, mixed).lab.machines["m"].pids == 64


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("driver: process, accel: »kvm", "accel is a key for driver qemu or libvirt, not process"),
        ("driver: virtualbox, accel: »auto", "accel is a key for driver qemu or libvirt, not virtualbox"),
        ("driver: sandbox, engine: »docker", "engine is a key for driver container, not sandbox"),
        ("driver: qemu, engine: »podman", "engine is a key for driver container, not qemu"),
    ],
)
def test_a_key_without_effect_is_a_mistake(folder: Path, machine: str, words: str) -> None:
    (found,) = machine_mistakes(folder, f"m: {{{machine}}}")
    assert found.startswith(f"» {words}")


@pytest.mark.parametrize(
    "key", ["address: a", "user: a", "key: a", "jump: a", "folder: /a", "boundary: vm", "disposable: true"]
)
def test_keys_of_machines_that_exist_already_belong_to_no_other_driver(folder: Path, key: str) -> None:
    name, value = key.split(": ")
    found = machine_mistakes(folder, f"m: {{driver: qemu, {name}: »{value}}}")
    reason = f"{name} is a key for driver ssh, not qemu"
    assert found == [f"» {reason} (use driver: ssh, or leave it out)"]


@pytest.mark.parametrize(
    "key", ["memory: »1GiB", "cpus: »2", "image: »micro", "accel: »tcg", "engine: »podman"]
)
def test_nothing_is_made_of_a_machine_that_exists_already(folder: Path, key: str) -> None:
    (found,) = machine_mistakes(folder, f"m: {{driver: ssh, address: board, {key}}}")
    assert found.startswith("» driver ssh takes no ")


def test_a_machine_that_exists_already_is_somewhere(folder: Path) -> None:
    (found,) = machine_mistakes(folder, "»m: {driver: ssh}")
    assert found == "» driver ssh needs an address (set `address:` to the machine's host name)"


def test_defaults_for_all_machines_may_hold_what_some_do_not_have(folder: Path) -> None:
    text = """\
lab: a
defaults: {memory: 1GiB, user: pi, key: id_ed25519}
machines: {a: {driver: ssh, address: "[::1]:2222", arch: s390x}, b: {driver: qemu}}
exercises: [ipc/pipes]
"""
    machine = load(folder, text).lab.machines["a"]
    assert (machine.address, machine.user) == ("[::1]:2222", "pi")
    assert machine.key == str((folder / "lab").resolve() / "id_ed25519")


def test_a_key_is_found_from_the_lab_file_or_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = "lab: a\nmachines: {a: {driver: ssh, address: b, key: ~/.ssh/id}}\nexercises: [ipc/pipes]\n"
    assert load(folder, text).lab.machines["a"].key == "/home/me/.ssh/id"
    assert load(folder, text.replace("~/.ssh", "/etc")).lab.machines["a"].key == "/etc/id"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("address: »'::1'", "expected an IPv6 address in brackets, as in [::1]"),
        ("address: »'a b'", "expected an address such as board.example or 192.0.2.7:2222"),
        ("user: »'-l'", "expected a user name"),
        (
            "host_key: »'ssh-ed25519 AAAA'",
            "expected a public key line: the key is not of type ssh-ed25519",
        ),
        ("folder: »tmp", "expected the path of a folder, such as /var/tmp (did you mean '/tmp'?)"),
        ("boundary: »sandbox", "expected one of: process, container, vm, emulated"),
    ],
)
def test_values_of_a_machine_that_exists_already(folder: Path, key: str, reason: str) -> None:
    address = "" if key.startswith("address") else "address: board, "
    assert machine_mistakes(folder, f"m: {{driver: ssh, {address}{key}}}") == [f"» {reason}"]
