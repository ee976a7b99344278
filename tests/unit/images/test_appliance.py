"""What an exported machine has beyond its image, and what the export command refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.cli import main
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import ImageError, Unavailable
from orchestrator.images import Image
from orchestrator.images.export.appliance import (
    ADAPTERS,
    CMDLINE,
    DISKS,
    STORE_BYTES,
    STORE_MAGIC,
    Owner,
    complete,
    disk,
    overlay,
)
from orchestrator.paths import GUEST_SOURCES

OWNER = Owner("board-7", b"ssh-ed25519 AAAA me\n")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFaX1H1cMZJNLqh1sBuLBNqv3qsoKHuYTYmTq2mBN4Oi me\n"


def test_it_knows_its_name_and_who_may_log_in() -> None:
    entries = overlay(OWNER, [("e1000", b"module")], b"program").entries
    assert entries["etc/hostname"].data == b"board-7\n"
    for home, uid in (("root", 0), ("home/student", 1000), ("home/other", 1001)):
        entry = entries[f"{home}/.ssh/authorized_keys"]
        assert (entry.data, entry.uid, entry.mode & 0o777) == (OWNER.authorised, uid, 0o600)
        assert entries[home].mode & 0o777 == 0o700


def test_its_modules_are_loaded_in_order() -> None:
    entries = overlay(OWNER, [("libata", b"one"), ("ahci", b"two")], b"").entries
    assert entries["usr/lib/modules/load"].data == b"/lib/modules/libata.ko\n/lib/modules/ahci.ko\n"
    assert entries["usr/lib/modules/ahci.ko"].data == b"two"


def test_init_script_and_builder_agree() -> None:
    script = (GUEST_SOURCES / "appliance.sh").read_text()
    assert f"MAGIC='{STORE_MAGIC.decode().strip()}'" in script
    assert STORE_BYTES % 512 == 0
    source = (GUEST_SOURCES / "init.c").read_text()
    assert "isolab.appliance" in CMDLINE.split()
    assert '"isolab.appliance"' in source
    assert '"/etc/isolab/appliance"' in source


def every_module() -> dict[str, bytes]:
    return {name: b"\0depends=\0" for name in (*ADAPTERS, *DISKS)}


def test_a_module_whose_dependency_is_nowhere_is_an_error() -> None:
    modules = {**every_module(), "e1000e": b"\0depends=ptp\0"}
    ordered = list(modules.items())
    assert complete(ordered, modules, {"ptp"}) == ordered
    with pytest.raises(ImageError, match="not found in the package: ptp"):
        complete(ordered, modules, set())


def test_an_adapter_the_kernel_lacks_is_an_error() -> None:
    modules = {name: data for name, data in every_module().items() if name != "vmxnet3"}
    with pytest.raises(ImageError, match="not found in the package: vmxnet3"):
        complete(list(modules.items()), modules, set())


def test_other_architectures_are_refused_with_the_reason(tmp_path: Path) -> None:
    image = Image("micro", "s390x", "micro-s390x-0", tmp_path)
    archives = Archives(Deadline.after(1))
    with pytest.raises(Unavailable, match="run only amd64 and i386"):
        disk(image, ARCHITECTURES["s390x"], OWNER, archives, Deadline.after(1))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id.pub"
    path.write_text(KEY)
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main.run(["isolab", "images", "export", *words]) == 2
    return capsys.readouterr().err


def test_what_the_command_asks_for(capsys: pytest.CaptureFixture[str], tmp_path: Path, key: Path) -> None:
    out = ("--out", str(tmp_path / "m.ova"))
    assert "missing image name" in refused(capsys)
    assert "did you mean 'micro'?" in refused(capsys, "mirco")
    assert "did you mean 'vmdk'?" in refused(capsys, "micro", "--format", "vdmk")
    assert "did you mean 'amd64'?" in refused(capsys, "micro", "--arch", "x86_64", *out)
    assert "one architecture" in refused(capsys, "micro", "--arch", "amd64,i386", *out)
    assert "--out FILE" in refused(capsys, "micro")
    assert "--authorized-key FILE" in refused(capsys, "micro", *out)
    named = ("--authorized-key", str(key), "--name", "A B")
    assert "invalid machine name" in refused(capsys, "micro", *out, *named)


def test_an_existing_file_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, key: Path
) -> None:
    (tmp_path / "m.ova").write_text("precious")
    words = ("micro", "--out", str(tmp_path / "m.ova"), "--authorized-key", str(key))
    assert "already exists" in refused(capsys, *words)
    assert (tmp_path / "m.ova").read_text() == "precious"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "is a private key"),
        ("", "contains no key"),
        ("# nothing\n", "contains no key"),
        ("ssh-ed25519 AAAA\n", "expected a public key line"),
        (KEY + "something else\n", "expected a public key line"),
    ],
)
def test_a_machine_nobody_can_enter_is_not_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, key: Path, content: str, reason: str
) -> None:
    key.write_text(content)
    words = ("micro", "--out", str(tmp_path / "m.ova"), "--authorized-key", str(key))
    assert reason in refused(capsys, *words)
