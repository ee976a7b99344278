"""The real VirtualBox for tests: a home of its own, and on a host that has none, its files.

Its programs see Debian sid's ``/usr`` in place of the host's, in a mount namespace of their own;
everything else, processes too, is the host's. Without its kernel driver VirtualBox makes, changes
and removes machines, but starts none.

One door is left, which only the program with a window has: VirtualBox's own interpreter executes
the guest, and no driver is asked (``--driverless --execute-all-in-iem``). ``interpreting`` opens
it: everything is VirtualBox's but the processor. It is slower than QEMU's emulation by far: the
boot loader speaks after seconds, Linux after many minutes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Kind
from habitat import Home

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.debian.mirror import KEYRING, mirror
from orchestrator.drivers import load
from orchestrator.drivers.model import Handle, Order
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.drivers.virtualbox.driver import VirtualBox
from orchestrator.errors import BootError, Unavailable
from orchestrator.host import cache, process, process_table
from orchestrator.labfile.models import Machine
from orchestrator.machines import host_packages
from orchestrator.progress import Progress, SilentProgress

SUITE = "sid"
"""Debian's only suite with VirtualBox, in its section contrib."""
PACKAGES = ("virtualbox", "virtualbox-qt", "xvfb", "dash", "coreutils", "grep", "sed", "procps")
SETTINGS = "ISOLAB_TEST_VIRTUALBOX"
"""A variable of the environment: what a host's VirtualBox needs to be told (see ``_set_up``)."""
BUILD_SECONDS = 1800.0
"""Two minutes of them on an idle machine."""


def files() -> Path:
    """VirtualBox's ``/usr``, in the user's cache; unpacked on first use, nothing of it is run."""

    def unpack(folder: Path) -> dict[str, object]:
        host_packages.ensure([host_packages.MMDEBSTRAP], SilentProgress(), Deadline.after(BUILD_SECONDS))
        argv = ["mmdebstrap", "--mode=root", "--variant=extract", "--components=main,contrib"]
        argv += [f"--include={','.join(PACKAGES)}", f"--keyring={KEYRING}"]
        # A mirror may lag behind what the suite calls its last day.
        argv += ["--aptopt=Acquire::Check-Valid-Until false", "--aptopt=APT::Install-Recommends false"]
        process.run([*argv, SUITE, folder / "root", mirror()], deadline=Deadline.after(BUILD_SECONDS))
        return {"packages": PACKAGES}

    key = cache.digest(1, SUITE, PACKAGES)
    return cache.make("vbox-root", key, unpack, Deadline.after(BUILD_SECONDS)) / "root" / "usr"


@contextlib.contextmanager
def virtualbox(home: Home, *, interpreting: bool = False) -> Iterator[None]:
    """VBoxManage is on PATH, with no machines but those made here."""
    programs, usr = home.root / "bin", files()
    programs.mkdir(exist_ok=True)
    (programs / "inside").write_text(_INSIDE.format(usr=usr))
    (programs / "VBoxManage").write_text((_INTERPRETING if interpreting else _PLAIN).format(home=home.root))
    for path in programs.iterdir():
        path.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        patch.setenv("VBOX_USER_HOME", str(home.root / "vbox"))
        patch.setenv("VBOX_IPC_SOCKETID", home.root.name)
        try:
            yield
        finally:
            _end_servers(home)


@contextlib.contextmanager
def virtualbox_of(kind: Kind, home: Home) -> Iterator[None]:
    """The VirtualBox that this host has, with no machines but those made here, for a kind of
    machine that needs it. Skips the test where it cannot start any."""
    if kind.driver != "virtualbox":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VBOX_USER_HOME", str(home.root / "vbox"))
        patch.setenv("VBOX_IPC_SOCKETID", home.root.name)
        try:
            _require(kind)
            if SETTINGS in os.environ:
                _set_up(os.environ[SETTINGS])
                patch.setattr(VirtualBox, "up", _up_again)
            yield
        finally:
            _end_servers(home)


def _set_up(settings: str) -> None:
    """What all machines of this VirtualBox are to have, by words like ``NAME=VALUE``."""
    for setting in settings.split():
        name, _, value = setting.partition("=")
        vboxmanage.ask(["setextradata", "global", name, value], Deadline.after(120))


_UP = VirtualBox.up
_ANEW = 3
"""How often. Of the first eleven starts two were given up: four in a row would be one in a thousand."""


def _up_again(
    driver: VirtualBox, order: Order, handle: Handle, deadline: Deadline, progress: Progress
) -> Handle:
    """Start a machine anew that VirtualBox gave up on the way: QEMU's emulation of SVM has been seen to
    mix the state of a guest with that of VirtualBox."""
    for attempt in range(1, _ANEW + 1):
        try:
            return _UP(driver, order, handle, deadline, progress)
        except BootError as problem:
            if "gave up on the machine" not in problem.message:
                raise
            print(f"start {attempt}: {problem.message}")
            (order.logs / "console.log").unlink()
    return _UP(driver, order, handle, deadline, progress)


def _require(kind: Kind) -> None:
    try:
        load("virtualbox").check(Machine(driver="virtualbox"), ARCHITECTURES[kind.arch])
    except Unavailable as problem:
        pytest.skip(f"{problem.message} (tests/nested has it)")


def _end_servers(home: Home) -> None:
    """VirtualBox's own background processes and the display; they would go by themselves, late."""
    mark = f"VBOX_USER_HOME={home.root / 'vbox'}".encode()

    def ours(pid: int) -> bool:
        words = process_table.arguments(pid)
        name = Path(words[0]).name if words else ""
        return name in ("VBoxSVC", "VBoxXPCOMIPCD", "Xvfb") and mark in _environment(pid)

    for pid in list(process_table.find(ours)):
        process_table.end(pid, patience=5)


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


_INSIDE = """#!/bin/sh
# A program of Debian sid's, with its own /usr around it.
exec unshare --mount --propagation private sh -ec 'mount --bind {usr} /usr; exec "$@"' sh "$@"
"""

_PLAIN = """#!/bin/sh
exec "$(dirname "$0")/inside" /usr/bin/VBoxManage "$@"
"""

_INTERPRETING = """#!/bin/sh
inside="$(dirname "$0")/inside"
manage="$inside /usr/lib/virtualbox/VBoxManage"
[ "$2" = startvm ] || exec $manage "$@"
$manage -q modifyvm "$3" --vm-execution-engine recompiler || exit
setsid "$inside" sh -c '
    exec 3>"$1/display"
    Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp &
    while ! read -r number <"$1/display"; do sleep 0.1; done
    export DISPLAY=":$number" XDG_SESSION_TYPE=x11 XDG_RUNTIME_DIR="$1" HOME="$1"
    /usr/lib/virtualbox/VirtualBoxVM --driverless --execute-all-in-iem --no-startvm-errormsgbox \\
        --startvm "$2"
    kill $!
' sh "{home}" "$3" >"{home}/window.log" 2>&1 </dev/null &
# Never showvminfo here: it locks the machine, and the window, refused, says so in a dialog box.
until $manage -q list runningvms | grep -q "$3"; do
    kill -0 $! || {{
        # The window shows its errors in a dialog box, or not at all; the server's log has them.
        cat "{home}/window.log" >&2
        grep -h ERROR "{home}/vbox/VBoxSVC.log" | tail -n 5 >&2
        exit 1
    }}
    sleep 0.2
done
"""
