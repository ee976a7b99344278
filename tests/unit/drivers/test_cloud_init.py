"""What a cloud image is told, read back as cloud-init would read it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from orchestrator.deadline import Deadline
from orchestrator.drivers.guest import cloud_init
from orchestrator.drivers.guest.identity import make_keys
from orchestrator.errors import BootError, TimedOut, TransportError
from orchestrator.host import process
from orchestrator.images import Image
from orchestrator.transport.base import Result
from orchestrator.transport.ssh import Address

needs_xorriso = pytest.mark.skipif(shutil.which("xorriso") is None, reason="seeds are made by xorriso")


def read(iso: Path, name: str) -> str:
    """A file of the seed, as xorriso(1) gives it out."""
    target = iso.parent / f"{iso.name}-{name}"
    argv: list[str | Path] = ["xorriso", "-osirrox", "on", "-indev", iso, "-extract", f"/{name}", target]
    process.run(argv, deadline=Deadline.after(60))
    return target.read_text()


@needs_xorriso
def test_the_seed_is_a_disk_that_cloud_init_knows(tmp_path: Path) -> None:
    keys, iso = make_keys(), tmp_path / "seed.iso"
    cloud_init.write_seed(iso, "vm", keys, Deadline.after(60))
    assert iso.stat().st_mode & 0o077 == 0
    assert iso.read_bytes()[0x8028:0x8048].strip() == b"cidata"
    assert read(iso, "user-data") == cloud_init.render_user_data("vm", keys)
    assert yaml.safe_load(read(iso, "meta-data"))["local-hostname"] == "vm"


@needs_xorriso
def test_two_machines_are_two_instances(tmp_path: Path) -> None:
    keys = make_keys()
    for name in ("one", "two"):
        cloud_init.write_seed(tmp_path / name, "vm", keys, Deadline.after(60))
    assert read(tmp_path / "one", "meta-data") != read(tmp_path / "two", "meta-data")


def test_it_is_told_its_name_its_users_and_its_host_key() -> None:
    keys = make_keys()
    text = cloud_init.render_user_data("vm", keys)
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert config["hostname"] == "vm"
    assert config["ssh_keys"]["ed25519_private"].encode() == keys.host_openssh
    assert config["ssh_keys"]["ed25519_public"].startswith("ssh-ed25519 AAAA")
    assert [(user["name"], user.get("uid")) for user in config["users"]] == [
        ("root", None),
        ("student", "1000"),
        ("other", "1001"),
    ]
    assert keys.client_private.decode() not in text


class Guest:
    """Answers ``cloud-init status`` with one status, and takes everything else."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.asked: list[str] = []

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        deadline.check("")
        self.asked.append(argv[0])
        return Result(self.code if "--wait" in argv else 0, b"what went wrong", b"")


@pytest.mark.parametrize("code", [0, 2])
def test_errors_that_cloud_init_recovered_from_are_none(tmp_path: Path, code: int) -> None:
    (tmp_path / "run").write_bytes(b"runner")
    guest = Guest(code)
    cloud_init._finish(guest, "vm", Image("c", "amd64", "k", tmp_path), Deadline.after(10))
    assert guest.asked == ["cloud-init", "tar"]


def test_a_failure_of_cloud_init_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="what went wrong"):
        cloud_init._finish(Guest(1), "vm", Image("c", "amd64", "k", tmp_path), Deadline.after(10))


def test_a_server_that_is_not_there_yet_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").write_bytes(b"runner")
    guest, troubles = Guest(0), [TimedOut("no banner"), TransportError("another key"), OSError("refused")]

    @contextlib.contextmanager
    def connected(*_: object) -> Iterator[Guest]:
        if troubles:
            raise troubles.pop(0)
        yield guest

    monkeypatch.setattr(cloud_init, "connected", connected)
    monkeypatch.setattr(cloud_init, "PAUSE_SECONDS", 0.01)
    looks: list[int] = []
    image, address = Image("c", "amd64", "k", tmp_path), Address("h", 1, "root", tmp_path, b"")
    cloud_init.settle(address, "vm", image, Deadline.after(60), lambda: looks.append(1))
    assert guest.asked == ["cloud-init", "tar"]
    assert len(looks) == 4


def test_waiting_ends_with_the_time_that_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_: object) -> None:
        raise TransportError("another key")

    monkeypatch.setattr(cloud_init, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(cloud_init, "connected", connected)
    image, address = Image("c", "amd64", "k", tmp_path), Address("h", 1, "root", tmp_path, b"")
    with pytest.raises(TimedOut, match="another key"):
        cloud_init.settle(address, "vm", image, Deadline.after(0.05), lambda: None)
