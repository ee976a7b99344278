"""Missing programs are installed when we may, else the line to type is told. The package managers
here are small scripts that write down what they were asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.container import needs as container_needs
from orchestrator.drivers.container.needs import engine_needs
from orchestrator.drivers.libvirt import needs as libvirt_needs
from orchestrator.errors import HostLacks, LabError, Unavailable
from orchestrator.host.packages import Need, qemu_need
from orchestrator.host.qemu_user import emulator_name
from orchestrator.labfile.models import Machine
from orchestrator.machines.host_packages import (
    GPGV,
    KEYS,
    ensure,
    install_line,
    missing,
    needs_of,
)
from orchestrator.progress import SilentProgress

APT_GET = ["apt-get", "install", "-y", "--no-install-recommends"]


@dataclass
class FakeHost:
    """A folder of programs that is all of PATH, and what they were called with."""

    folder: Path

    def program(self, name: str, script: str = "") -> None:
        """``script`` runs after the call was noted; ``$log`` is the note, ``$bin`` the folder."""
        path = self.folder / name
        head = f'#!/bin/sh\nlog={self.log} bin={self.folder}\necho "{name} $*" >>$log\n'
        path.write_text(f"{head}{script}\n")
        path.chmod(0o755)

    @property
    def log(self) -> Path:
        return self.folder.parent / "log"

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def need(self, name: str, apt: Sequence[str] = ()) -> Need:
        return Need(name, (self.folder / name).exists, tuple(apt) or (name,))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with nothing, where we are an ordinary user."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    return FakeHost(folder)


def soon() -> Deadline:
    return Deadline.after(60)


def test_the_line_names_each_package_once(host: FakeHost) -> None:
    host.program("apt-get")
    line = install_line([host.need("a"), host.need("b"), host.need("a")], soon())
    assert line == [*APT_GET, "a", "b"]
    assert host.calls == []


def test_of_alternatives_the_first_that_exists_is_taken(host: FakeHost) -> None:
    host.program("apt-get")
    host.program("apt-cache", '[ "$2" = middle ] && echo "Package: middle"')
    wanted = host.need("a", apt=["newest", "middle", "oldest"])
    assert install_line([wanted], soon()) == [*APT_GET, "middle"]
    wanted = host.need("a", apt=["newest", "oldest"])
    assert install_line([wanted], soon()) == [*APT_GET, "oldest"]


def test_what_is_there_needs_nothing(host: FakeHost) -> None:
    host.program("a")
    assert missing([host.need("a")]) == []
    ensure([host.need("a")], SilentProgress(), soon())
    assert host.calls == []


def refused(host: FakeHost, match: str) -> str:
    """The hint of the error when ``a`` is missing."""
    with pytest.raises(Unavailable, match=match) as caught:
        ensure([host.need("a")], SilentProgress(), soon())
    return caught.value.hint


def test_without_sudo_the_line_to_type_is_told(host: FakeHost) -> None:
    host.program("apt-get")
    assert refused(host, "this host lacks a") == f"run: sudo {' '.join(APT_GET)} a"
    assert host.calls == []


def test_sudo_that_wants_a_password_is_not_used(host: FakeHost) -> None:
    host.program("apt-get")
    host.program("sudo", "exit 1")
    assert refused(host, "this host lacks a") == f"run: sudo {' '.join(APT_GET)} a"
    assert host.calls == ["sudo -n true"]


@pytest.mark.parametrize("manager", ["dnf", "pacman", "brew"])
def test_another_package_manager_is_left_to_people(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, manager: str
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    host.program(manager)
    absent = [host.need("a", apt=["newest", "oldest"]), host.need("b")]
    assert install_line(absent, soon()) == []
    with pytest.raises(Unavailable, match="this host lacks a, b") as caught:
        ensure(absent, SilentProgress(), soon())
    assert caught.value.hint.endswith("these Debian packages: newest, b")
    assert host.calls == []


def test_root_installs_by_itself(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    host.program("apt-get", '[ "$1" = install ] && : >$bin/a; exit 0')
    ensure([host.need("a")], SilentProgress(), soon())
    assert host.calls[-1] == f"{' '.join(APT_GET)} a"


def test_sudo_without_a_password_is_used(host: FakeHost) -> None:
    host.program("apt-get", '[ "$1" = install ] && : >$bin/a; exit 0')
    host.program("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    ensure([host.need("a")], SilentProgress(), soon())
    line = f"{' '.join(APT_GET)} a"
    assert host.calls[0] == "sudo -n true"
    assert host.calls[-2:] == [f"sudo -n {line}", line]


@pytest.mark.parametrize(("user", "how"), [(0, "apt-get, as root"), (1000, "apt-get, through sudo")])
def test_people_are_told_what_is_installed_before_it_is(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, user: int, how: str
) -> None:
    class Notes(SilentProgress):
        def tell(self, text: str) -> None:
            told.append((text, host.calls[-1]))

    told: list[tuple[str, str]] = []
    monkeypatch.setattr(os, "getuid", lambda: user)
    host.program("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    listing = "'http://m/a.deb' a.deb 1500000 MD5Sum:0\n'http://m/b.deb' b.deb 2600000 MD5Sum:0"
    host.program("apt-get", f'case "$*" in *--print-uris*) echo "{listing}" ;; *) : >$bin/a ;; esac')
    ensure([host.need("a")], Notes(), soon())
    assert [words for words, _ in told] == [
        f"installing a on this computer with {how} (2 packages, 4 MB to download)"
    ]
    assert told[0][1].endswith("--print-uris")


def test_old_package_lists_are_renewed_once(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    host.program(
        "apt-get", 'case "$1" in update) : >$bin/new ;; install) [ -e $bin/new ] && : >$bin/a ;; esac'
    )
    ensure([host.need("a")], SilentProgress(), soon())
    assert host.calls[-2:] == ["apt-get update", f"{' '.join(APT_GET)} a"]


def test_a_package_manager_that_fails_is_quoted(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    host.program("apt-get", 'echo "E: no such package" >&2; [ "$1" = update ]')
    with pytest.raises(LabError, match="E: no such package"):
        ensure([host.need("a")], SilentProgress(), soon())


def test_what_is_still_missing_afterwards_is_told(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    host.program("apt-get")
    refused(host, "still missing after `apt-get install .* a`: a")


def machine(**keys: str) -> Machine:
    return Machine.model_validate(keys)


def test_machines_need_what_their_kind_needs(host: FakeHost) -> None:
    assert needs_of([machine(driver="process"), machine(driver="sandbox")]) == [GPGV, KEYS]
    many = [
        machine(driver="qemu", arch="s390x"),
        machine(driver="qemu", arch="s390x"),
        machine(driver="container"),
    ]
    names = [need.what for need in needs_of(many)]
    assert names[:4] == ["gpgv", KEYS.what, "qemu-system-s390x", "podman"]
    assert names[4:] in (["runc", "newuidmap"], ["crun", "newuidmap"])


def test_a_foreign_process_needs_the_emulator_of_programs(host: FakeHost) -> None:
    foreign = "s390x" if host_arch().name != "s390x" else "arm64"
    (need,) = needs_of([machine(driver="process", arch=foreign)])[2:]
    assert (need.what, need.apt) == (emulator_name(ARCHITECTURES[foreign]), ("qemu-user",))
    assert not need.present()
    host.program(f"{need.what}-static")
    assert need.present()
    assert needs_of([machine(driver="process", arch=host_arch().name)]) == [GPGV, KEYS]


def test_a_lab_that_names_docker_gets_docker(host: FakeHost) -> None:
    (need,) = needs_of([machine(driver="container", engine="docker")])[2:]
    assert need.apt == ("docker.io",)
    host.program("docker", "exit 1")
    assert not need.present()
    host.program("dockerd")
    assert need.present()


def test_root_needs_no_user_ids_of_others(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "newuidmap" not in [need.what for need in engine_needs("podman")]


def test_an_emulator_is_found_on_path(host: FakeHost) -> None:
    assert not qemu_need("arm64").present()
    host.program("qemu-system-aarch64")
    assert qemu_need("arm64").present()
    assert qemu_need("arm64").apt == ("qemu-system-arm",)


@pytest.mark.parametrize(
    ("programs", "legacy", "lacking"),
    [
        ([], False, ["podman", "crun", "newuidmap"]),
        (["podman"], False, ["crun", "newuidmap"]),
        (["podman", "runc"], False, ["newuidmap"]),
        (["podman", "crun", "newuidmap"], True, ["runc"]),
        (["podman", "runc", "newuidmap"], True, []),
        (["docker"], False, []),
    ],
)
def test_a_container_engine_comes_with_a_runtime(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, programs: list[str], legacy: bool, lacking: list[str]
) -> None:
    monkeypatch.setattr(container_needs, "legacy_cgroups", lambda: legacy)
    for name in programs:
        host.program(name)
    assert [need.what for need in missing(engine_needs())] == lacking


def test_a_docker_without_its_daemon_does_not_count(host: FakeHost) -> None:
    host.program("docker", "exit 1")
    assert "podman" in [need.what for need in missing(engine_needs())]


def test_what_was_missing_is_asked_for_anew_after_it_was_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: set[str] = set()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in installed else None)
    needs = engine_needs()
    assert missing(needs) == needs
    installed |= {"podman", "runc", "crun", "newuidmap"}
    assert missing(needs) == []


def test_libvirt_on_this_host_needs_its_daemon_and_an_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_needs, "installed", lambda: True)
    names = [need.what for need in needs_of([Machine(driver="libvirt", arch="s390x")])]
    assert names[2:] == ["libvirtd", "qemu-system-s390x"]


def test_libvirt_on_another_host_needs_the_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_needs, "installed", lambda: True)
    names = [n.what for n in needs_of([Machine(driver="libvirt", uri="qemu+ssh://lab1/system")])]
    assert names[2:] == ["ssh"]


def test_libvirt_python_is_built_here_and_comes_after_what_it_is_built_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libvirt_needs, "installed", lambda: False)
    needs = needs_of([Machine(driver="libvirt")])
    assert [n.what for n in needs[-5:]][-1] == "libvirt-python"
    assert "libvirt's headers" in [n.what for n in needs]


def test_a_python_package_that_cannot_be_installed_is_told_with_the_line_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No such option: pip fails at once, without asking anybody.
    absent = Need("nothing", lambda: False, (), pip="--no-such-option")
    with pytest.raises(Unavailable, match="cannot install nothing") as caught:
        ensure([absent], SilentProgress(), soon())
    assert "-m pip install" in caught.value.hint


@pytest.mark.parametrize("in_checkout", [True, False])
def test_a_checkout_installs_the_locked_version(in_checkout: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.machines.host_packages.IN_CHECKOUT", in_checkout)
    absent = Need("nothing", lambda: False, (), pip="--no-such-option", lock="no/such/file")
    with pytest.raises(Unavailable) as caught:
        ensure([absent], SilentProgress(), soon())
    assert ("--require-hashes" in caught.value.hint) == in_checkout
    assert ("--no-such-option" in caught.value.hint) != in_checkout


@pytest.mark.parametrize("owner", ["me", "1000"])
def test_rootless_containers_need_user_ids_and_the_line_that_adds_free_ones(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    monkeypatch.setattr(container_needs, "_user_name", lambda: "me")
    subuid = tmp_path / "subuid"
    for text, span in (("", "100000-165535"), ("you:100000:65536\nnonsense\n", "165536-231071")):
        subuid.write_text(text)
        with pytest.raises(HostLacks, match="this host lacks user ids for the containers of me") as caught:
            container_needs.require_user_ids(subuid)
        assert caught.value.hint == f"run: sudo usermod --add-subuids {span} --add-subgids {span} me"
    subuid.write_text(f"you:100000:65536\n{owner}:165536:65536\n")
    container_needs.require_user_ids(subuid)
    subuid.unlink()
    monkeypatch.setattr(os, "getuid", lambda: 0)
    container_needs.require_user_ids(subuid)
