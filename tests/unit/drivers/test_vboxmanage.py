"""VBoxManage's command lines, kept in ``golden/virtualbox.txt``, and how its answers are read.

After a wanted change of a command line, run this file with ``tests/support`` on PYTHONPATH.
"""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, order
from places import GOLDEN

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Attachment, Order
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.drivers.virtualbox.driver import DRIVER
from orchestrator.errors import Unavailable
from orchestrator.host.process import Finished
from orchestrator.labfile.models import Boundary, Machine, boundary_of

FILE = GOLDEN / "virtualbox.txt"
BASE = Path("/cache/vdi/key/base.vdi")


def wanted(arch: str = "amd64", **machine: Any) -> Order:
    return replace(order(arch, driver="virtualbox", **machine), accel="virtualbox")


def joined() -> Order:
    """A machine on two networks."""
    places = (Attachment("lan", "10.77.0.2", 24, "02:69:0a:4d:00:02", f"isolab-{RUN}-net.lan"),
              Attachment("far", "10.77.1.9", 24, "02:69:0a:4d:01:09", f"isolab-{RUN}-net.far"))  # fmt: skip
    return replace(wanted(), attachments=places)


def lines(about: Order, nested_paging: bool = True) -> list[list[str]]:
    handle = DRIVER.prepare(about)
    settings = vboxmanage.render_settings(about, handle, 40123, nested_paging)
    return [vboxmanage.render_create(about, handle), vboxmanage.render_clone(handle, BASE), *settings]


def commands() -> str:
    small, big = wanted("i386"), wanted("amd64", cpus=2, memory="2GiB")
    titled = [("i386", lines(small)), ("amd64, two processors, no nested paging", lines(big, False))]
    titled.append(("amd64, on two networks", lines(joined())))
    return "".join(
        f"# {title}: {words[0]}\n" + "".join(f"{word}\n" for word in words) + "\n"
        for title, steps in titled
        for words in steps
    )


def test_command_lines_are_as_they_were() -> None:
    assert commands() == FILE.read_text()


def test_a_guest_is_locked_in() -> None:
    _, _, settings, *_ = lines(wanted())
    options = dict(pairwise(settings))
    forwards = [word for word in settings if ",tcp," in word or ",udp," in word]
    assert forwards == ["ssh,tcp,127.0.0.1,40123,10.0.2.15,22"]
    assert (options["--nat-bind-ip1"], options["--nat-localhostreachable1"]) == ("127.0.0.1", "off")
    assert {options[name] for name in ("--usb-ohci", "--usb-ehci", "--usb-xhci", "--vrde")} == {"off"}
    assert {options[name] for name in ("--clipboard-mode", "--drag-and-drop")} == {"disabled"}


def test_a_network_is_no_way_to_the_host() -> None:
    """Its interfaces are on internal networks and nothing else; the first stays what it was."""
    _, _, settings, *_ = lines(joined())
    options = dict(pairwise(settings))
    assert settings[: len(lines(wanted())[2])] == lines(wanted())[2]
    assert (options["--nic2"], options["--intnet2"]) == ("intnet", f"isolab-{RUN}-net.lan")
    assert (options["--nic3"], options["--mac-address3"]) == ("intnet", "02690A4D0109")


def test_names_are_decided_in_advance_and_are_nobody_elses() -> None:
    first = DRIVER.prepare(wanted())
    assert first == DRIVER.prepare(wanted())
    elsewhere = DRIVER.prepare(replace(wanted(), scratch=Path("/other/scratch")))
    assert elsewhere.tag == first.tag
    assert elsewhere.data["uuid"] != first.data["uuid"]


ANSWER = """\
WARNING: The character device /dev/vboxdrv does not exist.
\t Please install the virtualbox-dkms package and the appropriate

name="a \\"quoted\\" name"
memory=256
"disk-0-0"="/scratch/disk.vdi"
Forwarding(0)="ssh,tcp,127.0.0.1,40123,10.0.2.15,22"
CfgFile="C:\\\\machines\\\\x.vbox"
"""


def test_answers_are_read_past_the_warnings() -> None:
    assert vboxmanage.parse(ANSWER) == {
        "name": 'a "quoted" name',
        "memory": "256",
        "disk-0-0": "/scratch/disk.vdi",
        "Forwarding(0)": "ssh,tcp,127.0.0.1,40123,10.0.2.15,22",
        "CfgFile": "C:\\machines\\x.vbox",
    }


def test_a_complaint_is_what_virtualbox_calls_an_error() -> None:
    error = b"0%...10%\nVBoxManage: error: The machine is locked\nWARNING: something else\n"
    assert vboxmanage.complaint(Finished((), 1, b"Waiting\n", error)) == (
        "VBoxManage: error: The machine is locked"
    )
    assert vboxmanage.complaint(Finished((), 1, b"", b"killed\n")) == "killed"


@pytest.mark.parametrize(
    "reason",
    [
        "Failed to create the VirtualBox object!",
        "The machine 'm' is already locked for a session (or being unlocked)",
    ],
)
@pytest.mark.parametrize(("failures", "works"), [(0, True), (2, True), (3, False)])
def test_what_failed_for_a_passing_reason_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failures: int, works: bool, reason: str
) -> None:
    """A stand-in: the moment is a matter of luck."""
    program = tmp_path / "VBoxManage"
    program.write_text(
        f"#!/bin/sh\necho >>{tmp_path}/calls; [ $(wc -l <{tmp_path}/calls) -gt {failures} ] && exit\n"
        f'echo "VBoxManage: error: {reason}" >&2; exit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(vboxmanage, "PAUSE_SECONDS", 0.0)
    done = vboxmanage.run_command(["list", "vms"], Deadline.after(60))
    assert (done.code == 0) == works
    assert len((tmp_path / "calls").read_text()) == min(failures + 1, vboxmanage.TRIES)


def test_what_really_failed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "VBoxManage"
    program.write_text(f"#!/bin/sh\necho >>{tmp_path}/calls; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(vboxmanage.VBoxManageFailed):
        vboxmanage.ask(["createvm"], Deadline.after(60))
    assert len((tmp_path / "calls").read_text()) == 1


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("7.2.22_Debianr175245", (7, 2)),
        ("WARNING: no driver\n\n6.1.50r161033\n", (6, 1)),
        ("a version nobody can read", None),
    ],
)
def test_versions(answer: str, version: tuple[int, int] | None) -> None:
    assert vboxmanage.version(answer) == version


def test_both_architectures_of_a_pc_are_virtual_machines() -> None:
    for arch in ("amd64", "i386"):
        assert boundary_of(Machine(driver="virtualbox", arch=arch)) is Boundary.VM


def test_other_architectures_are_refused() -> None:
    with pytest.raises(Unavailable, match="cannot run s390x guests"):
        DRIVER.check(Machine(driver="virtualbox", arch="s390x"), ARCHITECTURES["s390x"])


def test_a_missing_virtualbox_is_told_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")  # elsewhere it could not run the guest anyway
    with pytest.raises(Unavailable, match="not installed") as caught:
        DRIVER.check(Machine(driver="virtualbox"), ARCHITECTURES["amd64"])
    assert re.search("install the package virtualbox", caught.value.hint)


if __name__ == "__main__":
    FILE.write_text(commands())
