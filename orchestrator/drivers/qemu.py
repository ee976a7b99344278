"""QEMU: virtual machines of the host's architecture (KVM or emulated) and of every other.

Direct kernel boot, user-mode network that reaches nothing (``restrict=on``) but one forwarded
SSH port on 127.0.0.1, QEMU unprivileged with its seccomp sandbox on. Sources: qemu(1), the QMP
reference manual.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator import hostproc, proc
from orchestrator.arch import Arch
from orchestrator.console import Console
from orchestrator.deadline import Deadline, poll
from orchestrator.drivers import TAG, Handle, Order, Site
from orchestrator.errors import BootError, TeardownError, Unavailable
from orchestrator.images.micro import OTHER, RUNNER, STUDENT
from orchestrator.paths import scratch_dir
from orchestrator.personality import Port, give, make_keys
from orchestrator.progress import Progress
from orchestrator.qmp import human_command
from orchestrator.spec import Machine
from orchestrator.transport import Conversing
from orchestrator.transport.ssh import Address, connected

MIB = 2**20
TRANSLATION_CACHE_MIB = 64
"""TCG's code buffer; QEMU's own default is up to 1 GiB for each process."""
UNPRIVILEGED = 65534
"""Whom QEMU becomes when we are root: nobody, who owns no file."""

_GUEST_SITE = Site(
    runner=(f"/{RUNNER}",), work="/work", users={"root": 0, "student": STUDENT, "other": OTHER}, switch=True
)


def render_argv(order: Order, handle: Handle, root: bool) -> list[str]:
    """The command line of one machine; ``root``: whether we start it as root. Pure."""
    arch, folder, memory = order.arch, Path(handle.scratch), max(order.machine.memory, order.arch.memory)
    accel = "kvm" if order.accel == "kvm" else f"tcg,thread={_threads(order)},tb-size={TRANSLATION_CACHE_MIB}"
    cpu = "host" if order.accel == "kvm" else arch.cpu
    argv = [arch.qemu, "-name", handle.tag, "-no-user-config", "-nodefaults", "-display", "none"]
    argv += ["-machine", arch.machine, "-accel", accel, *(["-cpu", cpu] if cpu else [])]
    argv += ["-smp", str(order.machine.cpus), "-m", f"{memory // MIB}M"]
    argv += ["-kernel", str(order.image.kernel), "-initrd", str(order.image.initrd)]
    argv += ["-append", kernel_cmdline(arch), "-no-reboot"]
    argv += ["-chardev", f"file,id=console,path={order.logs / 'console.log'}", "-serial", "chardev:console"]
    argv += ["-chardev", f"socket,id=port,path={folder / 'port.sock'},server=on,wait=off"]
    argv += ["-device", f"virtio-serial-{arch.bus}", "-device", "virtserialport,chardev=port,name=isolab"]
    argv += ["-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"]
    argv += ["-device", f"virtio-net-{arch.bus},netdev=net{arch.nic_options}"]
    argv += ["-qmp", f"unix:{folder / 'qmp.sock'},server=on,wait=off"]
    # elevateprivileges=deny would forbid the setuid(2) of -runas itself; afterwards, as nobody and
    # with spawn=deny (no exec), there is nothing left to elevate to.
    privileges = "" if root else "elevateprivileges=deny,"
    argv += ["-sandbox", f"on,obsolete=deny,{privileges}spawn=deny,resourcecontrol=deny"]
    return [*argv, *(["-runas", f"{UNPRIVILEGED}:{UNPRIVILEGED}"] if root else [])]


def kernel_cmdline(arch: Arch) -> str:
    """What the kernel is told: its console, to be quiet, and to stop at once on a panic."""
    words = [f"console={arch.console}", "quiet", "loglevel=1", "panic=-1", "net.ifnames=0", arch.cmdline]
    return " ".join(words).strip()


def _threads(order: Order) -> str:
    return "multi" if order.machine.cpus > 1 else "single"


class Qemu:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if shutil.which(arch.qemu) is None:
            raise Unavailable(
                f"{arch.qemu} is not installed: no {arch.name} machine can run",
                hint=f"install the package {arch.qemu_packages[0]}",
            )

    def prepare(self, order: Order) -> Handle:
        return Handle(
            driver="qemu",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel=order.accel,
            scratch=str(order.scratch),
            site=_GUEST_SITE,
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> None:
        folder = Path(handle.scratch)
        try:
            folder.mkdir(parents=True, mode=0o711)
            keys = make_keys()
            _write_private(folder / "client_key", keys.client_private)
            (folder / "host_key.pub").write_bytes(keys.host_public)
            self._start(order, handle, deadline)
            console = Console(order.logs / "console.log")
            meanwhile = _watcher(order, handle, console, progress)
            with Port(folder / "port.sock", deadline) as port:
                port.expect("ready", deadline, meanwhile)
                give(port, order.name, keys)
                port.expect("sshd", deadline, meanwhile)
        except BaseException:
            self.down(handle)
            raise

    def _start(self, order: Order, handle: Handle, deadline: Deadline) -> None:
        argv = render_argv(order, handle, root=os.getuid() == 0)
        (order.logs / "command.txt").write_text("\n".join(argv) + "\n")
        # A guest that floods its console must not fill our disk: the emulator's files are
        # limited, and with SIGXFSZ ignored a full one makes write(2) fail, nothing more.
        # Not -daemonize: its fork would need what spawn=deny takes away.
        log = order.logs / "qemu.log"
        proc.detach(["prlimit", f"--fsize={64 * MIB}", *argv], log, deadline)
        socket = Path(handle.scratch) / "port.sock"

        def listening() -> bool:
            if not _alive(handle):
                words = log.read_text(errors="replace").strip()
                raise BootError(f"{order.name}: {order.arch.qemu} does not start:\n{words}")
            return socket.exists()

        poll(listening, deadline.within(60), f"{order.name}: {order.arch.qemu} starting")

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[Conversing]:
        folder = Path(handle.scratch)
        address = Address(
            host="127.0.0.1",
            port=forwarded_port(human_command(folder / "qmp.sock", "info usernet", deadline)),
            user="root",
            client_key=folder / "client_key",
            host_key=(folder / "host_key.pub").read_bytes(),
        )
        with connected(address, handle.machine, deadline) as transport:
            yield transport

    def down(self, handle: Handle) -> None:
        for pid in hostproc.find(lambda pid: _tag(pid) == handle.tag):
            # The machine is disposable and nothing in it is worth a shutdown.
            if not hostproc.end(pid, patience=1.0):
                raise TeardownError(f"{handle.machine}: QEMU (process {pid}) cannot be ended")
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self) -> Iterator[Handle]:
        for pid in list(hostproc.find(lambda pid: _tag(pid).startswith(f"{TAG}-"))):
            run, machine = _split_tag(_tag(pid))
            folder = str(scratch_dir() / run / machine)
            # A machine with its sockets elsewhere is another user's, and may be in use.
            if any(f"path={folder}/" in word for word in hostproc.arguments(pid)):
                yield Handle("qemu", run, machine, "", "", "", folder, _GUEST_SITE)


def forwarded_port(usernet: str) -> int:
    """The host port QEMU chose for SSH, from ``info usernet``. Raises BootError."""
    match = re.search(r"^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s", usernet, re.MULTILINE)
    if match is None:
        raise BootError(f"QEMU does not say which port it forwards:\n{usernet}")
    return int(match[1])


def _watcher(order: Order, handle: Handle, console: Console, progress: Progress):  # type: ignore[no-untyped-def]
    expected = order.arch.boot_seconds

    def look() -> None:
        last = console.last_line()
        progress.doing(order.name, f"booting: {last}" if last else "booting: firmware", expected)
        if console.panicked():
            raise BootError(f"{order.name}: the guest's kernel panicked:\n{console.tail(12)}")
        if not _alive(handle):
            raise BootError(
                f"{order.name}: QEMU ended during boot; the console's last lines:\n{console.tail(12)}"
            )

    return look


def _alive(handle: Handle) -> bool:
    """Whether the machine's process exists. Asked again before a no: during exec(2) a process
    has no arguments to know it by."""
    for _ in range(5):
        if any(True for _ in hostproc.find(lambda pid: _tag(pid) == handle.tag)):
            return True
        time.sleep(0.02)
    return False


def _tag(pid: int) -> str:
    """The -name of a QEMU process of ours (or of the program about to become it), else ""."""
    words = hostproc.arguments(pid)
    if "-name" not in words[:-1] or not any(Path(w).name.startswith("qemu-system-") for w in words):
        return ""
    return words[words.index("-name") + 1]


def _split_tag(tag: str) -> tuple[str, str]:
    _, day, clock, salt, machine = tag.split("-", 4)
    return f"{day}-{clock}-{salt}", machine


def _write_private(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


DRIVER = Qemu()
