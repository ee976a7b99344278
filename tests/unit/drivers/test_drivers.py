"""Command lines of machines, kept in ``golden/argv``, and handles that any process can use.

After a wanted change of a command line, run this file with ``tests/support`` on PYTHONPATH.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from factories import handle, order
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Deadline
from orchestrator.driver_traits import drivers_that
from orchestrator.drivers import host_process, load
from orchestrator.drivers.container.driver import render_run
from orchestrator.drivers.container.image_store import reference
from orchestrator.drivers.model import Handle
from orchestrator.drivers.qemu.driver import DRIVER as QEMU
from orchestrator.drivers.qemu.driver import forwarded_port, render_argv
from orchestrator.drivers.qemu.emulator import option_to_give_up_root
from orchestrator.errors import BootError, Unavailable
from orchestrator.labfile.models import Boundary, Machine, boundary_of
from orchestrator.transport.base import Site

FILES = GOLDEN / "argv"


def commands() -> Iterator[tuple[str, str]]:
    """File names and contents of all golden files: titled command lines, one word a line."""
    for name in ARCHITECTURES:
        small, big = order(name), order(name, cpus=2, memory="2GiB")
        fast = replace(small, accel="kvm")
        yield (
            f"{name}.txt",
            titled("emulated, by a user", render_argv(small, QEMU.prepare(small), root=False))
            + titled("emulated, by root, two processors", render_argv(big, QEMU.prepare(big), root=True))
            + titled("KVM, by a user", render_argv(fast, QEMU.prepare(fast), root=False)),
        )
    box = replace(order(driver="container"), name="box")
    about = handle("box", driver="container")
    limits = {"nofile": 4096, "nproc": 512}
    yield (
        "container.txt",
        titled("podman", render_run(("podman",), box, about, {}))
        + titled(
            "podman --runtime runc, by root", render_run(("podman", "--runtime", "runc"), box, about, limits)
        ),
    )


def titled(title: str, argv: list[str]) -> str:
    return f"# {title}\n" + "".join(f"{word}\n" for word in argv) + "\n"


@pytest.mark.parametrize(("name", "text"), list(commands()), ids=lambda value: value.split("\n")[0])
def test_command_lines_are_as_they_were(name: str, text: str) -> None:
    assert text == (FILES / name).read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in FILES.iterdir()} == {name for name, _ in commands()}


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_guest_is_locked_in(name: str, root: bool) -> None:
    wanted = order(name)
    argv = render_argv(wanted, QEMU.prepare(wanted), root)
    netdev, sandbox = argv[argv.index("-netdev") + 1], argv[argv.index("-sandbox") + 1]
    assert "restrict=on" in netdev
    assert netdev.count("hostfwd=") == netdev.count("hostfwd=tcp:127.0.0.1:") == 1
    assert sandbox.startswith("on,")
    assert "spawn=deny" in sandbox
    assert ("-runas" in argv) == root
    assert ("elevateprivileges=deny" in sandbox) != root


@pytest.mark.parametrize(
    ("help_text", "words"),
    [
        ("-runas user     change to user id user\n", ["-runas", "65534:65534"]),
        ("-run-with [chroot=dir]\n-runas user     change\n", ["-runas", "65534:65534"]),
        ("-run-with [chroot=dir][user=username|uid:gid]\n", ["-run-with", "user=65534:65534"]),
    ],
    ids=["7.2", "9.2", "10.0"],
)
def test_each_qemu_is_told_in_its_own_words_whom_to_become(
    help_text: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    emulator = tmp_path / "bin" / "qemu-system-x86_64"
    emulator.write_text(f"#!/bin/sh\ncat <<'END'\n{help_text}END\n")
    emulator.chmod(0o755)
    option = option_to_give_up_root("qemu-system-x86_64", Deadline.after(60))
    argv = render_argv(order(), QEMU.prepare(order()), root=True, giving_up=option)
    assert argv[-2:] == words


def test_a_guest_gets_at_least_the_memory_its_kernel_needs() -> None:
    wanted = order("ppc64el", memory="64MiB")
    argv = render_argv(wanted, QEMU.prepare(wanted), root=False)
    assert argv[argv.index("-m") + 1] == "512M"


def test_a_comma_in_a_path_does_not_begin_another_option() -> None:
    wanted = replace(order(), logs=Path("/runs/a,b"), scratch=Path("/s,c/run/vm"))
    argv = render_argv(wanted, QEMU.prepare(wanted), root=False)
    assert "file,id=console,path=/runs/a,,b/console.log" in argv
    assert "socket,id=port,path=/s,,c/run/vm/port.sock,server=on,wait=off" in argv
    assert "unix:/s,,c/run/vm/qmp.sock,server=on,wait=off" in argv


def test_a_container_has_no_network_and_bounded_everything() -> None:
    wanted = order(driver="container", memory="64MiB", cpus=2)
    argv = render_run(("podman",), wanted, handle(), {})
    options = dict(pairwise(argv))
    assert options["--network"] == "none"
    assert (options["--memory"], options["--cpus"]) == (str(64 * 2**20), "2")
    assert int(options["--pids-limit"]) <= 512
    assert "--privileged" not in argv


def test_an_image_of_other_content_has_another_reference() -> None:
    image = order().image
    other = replace(image, key="micro-amd64-fedcba98765432100123")
    assert reference(image) == "localhost/isolab/micro:0123456789abcdef0123"
    assert reference(other) != reference(image)


TEXT = st.text(max_size=20)
SITES = st.builds(
    Site,
    runner=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    work=TEXT,
    users=st.dictionaries(TEXT, st.integers(0, 70000), max_size=3),
    switch=st.booleans(),
)
DATA = st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=3), max_size=3)


@given(st.builds(Handle, *[TEXT] * 7, site=SITES, data=DATA))
def test_handles_survive_json(original: Handle) -> None:
    assert Handle.from_json(original.to_json()) == original


def test_the_tag_names_run_and_machine() -> None:
    assert handle("vm").tag == "isolab-20260102-030405-0a0b-vm"


def foreign() -> str:
    return next(name for name in ARCHITECTURES if name != host_arch().name)


def test_driver_and_architecture_decide_the_boundary() -> None:
    def boundary(**keys: str) -> Boundary:
        return boundary_of(Machine.model_validate(keys))

    assert boundary(driver="process") is Boundary.PROCESS
    assert boundary(driver="process", arch=host_arch().name) is Boundary.PROCESS
    assert boundary(driver="process", arch=foreign()) is Boundary.USER_EMULATION
    assert boundary(driver="sandbox") is Boundary.SANDBOX
    assert boundary(driver="container") is Boundary.CONTAINER
    assert boundary(driver="qemu") is Boundary.VM
    assert boundary(driver="qemu", arch=host_arch().name) is Boundary.VM
    assert boundary(driver="qemu", arch=foreign()) is Boundary.EMULATED


def test_what_a_machine_elsewhere_is_only_the_lab_can_say() -> None:
    elsewhere = {"driver": "ssh", "address": "board", "arch": foreign()}
    assert boundary_of(Machine.model_validate(elsewhere)) is Boundary.VM
    assert boundary_of(Machine.model_validate({**elsewhere, "boundary": "emulated"})) is Boundary.EMULATED


@pytest.mark.parametrize("name", drivers_that(lambda traits: not traits.architectures))
def test_drivers_of_the_hosts_kernel_refuse_other_architectures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "s"))
    with pytest.raises(Unavailable, match="host's kernel") as caught:
        load(name).check(Machine(driver=name), ARCHITECTURES[foreign()])
    assert "driver: qemu" in caught.value.hint


def test_a_missing_emulator_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="qemu-system-s390x is not installed") as caught:
        QEMU.check(Machine(driver="qemu", arch="s390x"), ARCHITECTURES["s390x"])
    assert "install the package qemu-system-s390x" in caught.value.hint


USERNET = """\
Hub -1 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  UDP[236 sec]       20       10.0.2.15 44444        10.0.2.3    53     0     0
  TCP[HOST_FORWARD]  14       127.0.0.1 40123       10.0.2.15    22     0     0
"""


def test_the_forwarded_port_is_read_from_the_monitor() -> None:
    assert forwarded_port(USERNET) == 40123
    assert forwarded_port(USERNET.replace("\n", "\r\n")) == 40123


@pytest.mark.parametrize(
    "text", ["", USERNET.replace("127.0.0.1", "0.0.0.0"), "TCP[HOST_FORWARD] 14 127.0.0.1"]
)
def test_without_a_forwarded_port_the_monitors_words_are_told(text: str) -> None:
    with pytest.raises(BootError, match="did not report the port"):
        forwarded_port(text)


def test_on_the_host_root_runs_programs_as_two_users_without_accounts() -> None:
    site = host_process.render_site(Path("/scratch/run/a"), root=True, options=("--sandbox",))
    assert site.runner == ("/scratch/run/a/bin/run", "--sandbox")
    assert site.work == "/scratch/run/a/work"
    assert (site.users, site.switch) == ({"student": 60600, "other": 60601}, True)


def test_on_the_host_anybody_else_runs_programs_as_themselves() -> None:
    site = host_process.render_site(Path("/scratch/run/a"), root=False)
    assert (site.users, site.switch) == ({"student": os.getuid()}, False)


if __name__ == "__main__":
    for name, text in commands():
        (FILES / name).write_text(text)
