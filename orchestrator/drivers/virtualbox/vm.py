"""One VirtualBox machine on this host: create, start, find and stop it.

Sources: the Oracle VirtualBox User Guide, setrlimit(2).
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import kernel_cmdline
from orchestrator.deadline import Deadline, poll
from orchestrator.debian.archive import Archives
from orchestrator.drivers.guest.identity import Keys, Port, give, keep, make_keys, network_config
from orchestrator.drivers.model import Handle, Order
from orchestrator.drivers.virtualbox import nested_paging, vboxmanage
from orchestrator.drivers.virtualbox.vboxmanage import MIB, PORT_DEVICE, PROGRAM
from orchestrator.errors import BootError, LabError, TeardownError, TimedOut
from orchestrator.host import cache, process, process_table
from orchestrator.host.console_log import Console
from orchestrator.images.export.bootdisk import DiskContents, bootable
from orchestrator.paths import make_folder
from orchestrator.progress import Progress

SILENCE_SECONDS = 30.0
"""Minimum time a guest may be silent before nested paging is suspected."""
PORTS_TRIED = 3
GREETING_SECONDS = 60.0
"""Connections to an unused port are refused at once; a slow guest may take this long."""
GROWTH = 64 * MIB
"""How large each file of a machine may grow: a guest that floods its console or disk must not fill
the host's."""
NO_DRIVER = (
    "install its kernel driver (Debian, Ubuntu: the packages virtualbox-dkms and linux-headers for "
    "this kernel; elsewhere: run `vboxconfig`), then run: sudo modprobe vboxdrv"
)
_HELD = "another hypervisor is using the processor: stop KVM's machines, or unload its module"
_ABSENT = (
    "hardware virtualization is unavailable: enable it in the firmware, or use `driver: qemu` to emulate"
)
_ADVICE = {
    "vboxdrv": NO_DRIVER,
    "VERR_VM_DRIVER": NO_DRIVER,
    "VERR_SVM_IN_USE": _HELD,
    "VERR_VMX_IN_VMX_ROOT_MODE": _HELD,
    "VERR_SVM_NO_SVM": _ABSENT,
    "VERR_VMX_NO_VMX": _ABSENT,
    "_DISABLED": _ABSENT,
}
"""What to do, by words in VirtualBox's output or log."""


_GIVEN_UP = re.compile(rb"Guru Meditation \d+ \(\w+\)")
"""In VirtualBox's log: it cannot continue a machine, whose process then stays idle."""


class EmptyConsole(LabError):
    """The guest's console stayed empty."""


def define(order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> int:
    """Create the machine with all its settings, switched off; returns the port its SSH server will
    have on 127.0.0.1."""
    make_folder(Path(handle.scratch), 0o711)
    order.logs.mkdir(parents=True, exist_ok=True)
    progress.doing(order.name, "creating a VirtualBox machine")
    base, port = base_medium(order, deadline), free_port()
    steps = [vboxmanage.render_create(order, handle), vboxmanage.render_clone(handle, base)]
    settings = vboxmanage.render_settings(order, handle, port, not nested_paging.known_useless(version()))
    lines = "\n".join(" ".join([PROGRAM, *words]) for words in [*steps, *settings])
    (order.logs / "command.txt").write_text(lines + "\n")
    with _registry(deadline):
        for words in steps:
            vboxmanage.ask(words, deadline)
    for words in settings:
        vboxmanage.ask(words, deadline)
    return port


def base_medium(order: Order, deadline: Deadline) -> Path:
    """Return the disk, in VirtualBox's format, that all machines of an image clone; in the cache."""
    raw = boot_disk(order, deadline)
    key = raw.parent.name

    def convert(folder: Path) -> dict[str, object]:
        # The same UUID each time: VirtualBox rejects a known path with another one.
        words = ["convertfromraw", str(raw), str(folder / "base.vdi"), "--format", "VDI"]
        vboxmanage.ask([*words, f"--uuid={vboxmanage.identity(key)}"], deadline)
        return {"disk": key}

    return cache.make("vdi", key, convert, deadline) / "base.vdi"


def boot_disk(order: Order, deadline: Deadline) -> Path:
    """Return the same disk, raw; in the cache."""
    cmdline = f"{kernel_cmdline(order.arch, order.accel)} isolab.port={PORT_DEVICE}"
    contents = DiskContents(order.image.kernel, order.image.initrd, cmdline)
    return bootable(contents, order.arch, Archives(deadline), deadline)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(order: Order, handle: Handle, port: int, deadline: Deadline, progress: Progress) -> int:
    """Start a machine and wait for an SSH server with its own host key; returns the port that leads
    to it."""
    keys = make_keys()
    keep(keys, Path(handle.scratch))
    found = version()
    if nested_paging.known_useless(found):
        # Another machine may have discovered that after this one was defined.
        vboxmanage.ask(["modifyvm", handle.data["uuid"], *vboxmanage.render_paging(False)], deadline)
        _boot(order, handle, keys, deadline, progress, patience=None)
        return _reachable(handle, port, deadline)
    try:
        patience = max(SILENCE_SECONDS, deadline.remaining() / 4)
        _boot(order, handle, keys, deadline, progress, patience)
    except EmptyConsole as problem:
        progress.tell(f"{order.name}: {problem.message}; trying without nested paging, which is slower")
        end(handle, deadline)
        words = ["modifyvm", handle.data["uuid"], *vboxmanage.render_paging(False)]
        poll(
            lambda: vboxmanage.run_command(words, deadline).code == 0,
            deadline,
            "waiting for VirtualBox to unlock the machine",
            0.3,
        )
        _boot(order, handle, keys, deadline, progress, patience=None)
        nested_paging.remember_useless(found)
    return _reachable(handle, port, deadline)


def _boot(
    order: Order, handle: Handle, keys: Keys, deadline: Deadline, progress: Progress, patience: float | None
) -> None:
    """Switch on, and send the identity. Raises BootError, and EmptyConsole when the guest is silent
    for ``patience`` seconds."""
    done = vboxmanage.run_command(["startvm", handle.data["uuid"], "--type", "headless"], deadline)
    if done.code != 0:
        raise BootError(
            f"{order.name}: VirtualBox cannot start the machine:\n{vboxmanage.complaint(done)}",
            hint=_advice(handle, done),
        )
    _limit(handle, deadline)
    look = _watcher(
        order, handle, progress, Deadline.never() if patience is None else deadline.within(patience)
    )
    with Port(Path(handle.scratch) / "port.sock", deadline) as port:
        port.expect("ready", deadline, look)
        give(port, order.name, keys, network_config(order, [place.mac for place in order.attachments]))
        port.expect("sshd", deadline, look)


def _advice(handle: Handle, done: process.Finished) -> str:
    """Return what to do about a machine that does not start, from VirtualBox's output and log."""
    with contextlib.suppress(OSError):
        done = replace(done, stderr=done.stderr + log(handle).read_bytes()[-65536:])
    text = (done.stdout + done.stderr).decode(errors="replace")
    known = (advice for word, advice in _ADVICE.items() if word in text)
    return next(known, "see VirtualBox's own log, VBox.log, beside the console log")


def _watcher(order: Order, handle: Handle, progress: Progress, silence: Deadline) -> Callable[[], None]:
    """Return what to call while waiting for the guest: it reports the last console line or a failure."""
    console, runs = Console(order.logs / "console.log"), _runs(handle)
    grown = _growth(log(handle))
    known: list[int] = []  # searching all processes four times a second would burden a slow host

    def there() -> bool:
        if not any(process_table.still(pid, runs) for pid in known):
            known[:] = _processes(handle)
        return bool(known)

    def look() -> None:
        output = console.last_line()
        progress.doing(order.name, f"booting: {output or 'firmware'}", 4 * order.arch.boot_seconds)
        if console.panicked():
            raise BootError(
                f"{order.name}: the guest's kernel panicked:\n{console.panic()}\n{console.tail(12)}"
            )
        if given_up := _GIVEN_UP.search(next(grown)):
            raise BootError(
                f"{order.name}: VirtualBox gave up on the machine: {given_up[0].decode()}",
                hint=f"see VirtualBox's own log, {order.logs / 'VBox.log'}",
            )
        if not there():
            raise BootError(
                f"{order.name}: VirtualBox exited; last console lines:\n{console.tail(12)}",
                hint=f"see VirtualBox's own log, {order.logs / 'VBox.log'}",
            )
        if not output and not silence.remaining():
            raise EmptyConsole("no output from the guest")

    return look


def _growth(path: Path) -> Iterator[bytes]:
    """Yield the complete lines by which a file has grown since the last time."""
    read = 0
    while True:
        more = b""
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(read)
            more = file.read()
        whole = more[: more.rfind(b"\n") + 1]
        read += len(whole)
        yield whole


def _limit(handle: Handle, deadline: Deadline) -> None:
    """Limit the file sizes of a running machine (setrlimit(2), RLIMIT_FSIZE); beyond it, it is killed."""
    for pid in _processes(handle):
        done = process.run(
            ["prlimit", "--pid", str(pid), f"--fsize={GROWTH}"], deadline=deadline, check=False
        )
        if done.code != 0 and pid in _processes(handle):
            raise BootError(f"{handle.machine}: cannot limit its file sizes: {done.tail()}")


def _reachable(handle: Handle, port: int, deadline: Deadline) -> int:
    """Return the port that leads to the guest's SSH server: this one, unless another program took it
    before VirtualBox did. Raises BootError."""
    for _ in range(PORTS_TRIED):
        if _greets(port, deadline.within(GREETING_SECONDS)):
            return port
        rule, port = ["controlvm", handle.data["uuid"], "natpf1"], free_port()
        vboxmanage.run_command([*rule, "delete", vboxmanage.RULE], deadline)
        vboxmanage.ask([*rule, vboxmanage.forward(port)], deadline)
    raise BootError(f"{handle.machine}: its SSH server does not answer through VirtualBox's NAT")


def _greets(port: int, deadline: Deadline) -> bool:
    """Return whether an SSH server answers; its host key later proves that it is the right one."""
    patience = max(0.1, deadline.remaining())
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as endpoint:
            return endpoint.recv(8).startswith(b"SSH-2.0")
    except OSError:
        return False


def end(handle: Handle, deadline: Deadline) -> None:
    """Stop the machine's process: the machine is disposable, so it needs no shutdown."""
    uuid = handle.data["uuid"]
    if not any(True for _ in _processes(handle)):
        return
    with contextlib.suppress(TimedOut):
        vboxmanage.run_command(["controlvm", uuid, "poweroff"], deadline.within(60))
    for pid in _processes(handle):
        if not process_table.end(pid, patience=5.0):
            raise TeardownError(f"{handle.machine}: cannot kill VirtualBox (process {pid})")


def remove(handle: Handle, deadline: Deadline) -> None:
    """Remove the machine from VirtualBox, with its disk, and a base that no other machine needs."""
    uuid, own = handle.data["uuid"], str(vboxmanage.disk(handle))

    def gone() -> bool:  # a machine stays locked for a moment after it stopped
        if not vboxmanage.about(uuid, deadline):
            return True
        # Never `unregistervm --delete`: with the last clone of a base it would delete the base.
        vboxmanage.run_command(vboxmanage.render_attach(handle, "none"), deadline)
        vboxmanage.run_command(["unregistervm", uuid], deadline)
        return not vboxmanage.about(uuid, deadline)

    with _registry(deadline):
        poll(gone, deadline, f"removing {handle.tag} from VirtualBox", interval=0.3)
        known = vboxmanage.media(deadline)
        if own in known:
            vboxmanage.ask(["closemedium", "disk", own], deadline)
        for base in known:
            if Path(base).is_relative_to(cache.place("vdi", "")):
                vboxmanage.run_command(["closemedium", "disk", base], deadline)  # refused while in use


def _registry(deadline: Deadline) -> contextlib.AbstractContextManager[None]:
    """Let one isolab at a time create or remove machines and media, which VirtualBox confuses otherwise."""
    return cache.locked("virtualbox", "registry", deadline)


def _processes(handle: Handle) -> Iterator[int]:
    """Yield the process that runs the machine, if any."""
    return process_table.find(_runs(handle))


def _runs(handle: Handle) -> Callable[[int], bool]:
    """Return a predicate that matches that process."""
    return lambda pid: handle.data["uuid"] in _started(process_table.arguments(pid))


def _started(words: list[str]) -> list[str]:
    return words[words.index("--startvm") :] if "--startvm" in words else []


def log(handle: Handle) -> Path:
    """Return the path of VirtualBox's own log of a machine."""
    return vboxmanage.machine_folder(handle) / "Logs" / "VBox.log"


def version() -> str:
    """Return VirtualBox's version, such as ``7.2.22r170826``. Raises what ``vboxmanage.ask`` does."""
    return vboxmanage.ask(["--version"], Deadline.after(60))
