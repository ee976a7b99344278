"""One QEMU process on this host: render its command line (pure), start, find and stop it.

Direct kernel boot, user-mode network that reaches nothing (``restrict=on``) but one forwarded
SSH port on 127.0.0.1, QEMU unprivileged with its seccomp sandbox on. Sources: qemu(1), the QMP
reference manual, QEMU's docs/system/vm-templating.rst.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import REWRITTEN_BELOW, kernel_cmdline
from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.guest.layout import TRANSLATION_CACHE_MIB
from orchestrator.drivers.model import TAG, Handle, Order
from orchestrator.drivers.qemu import home
from orchestrator.errors import BootError, TeardownError
from orchestrator.host import cache, process, process_table
from orchestrator.host.console_log import Console
from orchestrator.progress import Progress

MIB = 2**20
UNPRIVILEGED = 65534
"""User QEMU switches to when isolab is root: nobody, who owns no file."""
RUNAS, RUN_WITH = "-runas", "-run-with"
DISK = "disk.qcow2"
SEED = "seed.iso"
LINE = "ssh.sock"
"""Socket of a guest's first SSH connection, which needs no network."""
FROZEN_CACHE_FACTOR = 2
"""How many times larger the translation cache of a frozen emulator is: thawed ones share what it holds."""
LOOK_SECONDS = 0.25
"""Between looks at whether a QEMU that has no sockets yet is still there: each reads of every process."""
SYSTEM = "rw systemd.show_status=1"
"""Kernel command line for a system on a disk: the console shows its progress."""
WARM = "isolab.warm"
"""Tells the guest's init to touch what every machine will need, before it is frozen."""


@dataclass(frozen=True)
class Memory:
    """Backing of a guest's memory: anonymous (no file), the file of a template being built, or a
    private copy of a template's file.

    ``kernel`` and ``initrd`` replace the image's own: a clone already has both in its memory, and
    QEMU would only keep another copy. ``frozen``: the emulator is to be frozen, with all that it translates
    in rehearsals; it never changes its user, so all of its rights are denied from the start.
    """

    file: Path | None = None
    building: bool = False
    kernel: Path | None = None
    initrd: Path | None = None
    frozen: bool = False


ANONYMOUS = Memory()


def render_argv(
    order: Order,
    handle: Handle,
    root: bool,
    memory: Memory = ANONYMOUS,
    giving_up: str = RUNAS,
    home_disk: int = -1,
) -> list[str]:
    """Return the command line of one machine; ``root``: it is started as root, and ``giving_up`` are
    the options with which it then becomes nobody; ``home_disk`` is the descriptor of its home disk. Pure."""
    arch, folder = order.arch, Path(handle.scratch)
    accel = "kvm" if order.accel == "kvm" else _tcg(order, memory.frozen)
    cpu = "host" if order.accel == "kvm" else arch.cpu
    argv = [arch.qemu, "-name", handle.tag, "-no-user-config", "-nodefaults", "-display", "none"]
    backend = ",memory-backend=mem" if memory.file else ""
    argv += ["-machine", arch.machine + backend, "-accel", accel, *(["-cpu", cpu] if cpu else [])]
    argv += ["-smp", str(order.machine.cpus), "-m", f"{order.memory_mib}M", *_memory_words(order, memory)]
    argv += _boot_words(order, handle, memory)
    argv += ["-chardev", f"file,id=console,path={_escaped(order.logs / 'console.log')}"]
    argv += ["-serial", "chardev:console"]
    argv += ["-chardev", f"socket,id=port,path={_escaped(folder / 'port.sock')},server=on,wait=off"]
    argv += ["-device", f"virtio-serial-{arch.bus}"]
    if order.image.answers_on_a_line:  # before the other: when init finds that one, this one exists
        argv += ["-chardev", f"socket,id=ssh,path={_escaped(folder / LINE)},server=on,wait=off"]
        argv += ["-device", "virtserialport,chardev=ssh,name=isolab.ssh"]
    argv += ["-device", "virtserialport,chardev=port,name=isolab"]
    restrict = "off" if order.internet and not memory.building else "on"
    argv += ["-netdev", f"user,id=net,restrict={restrict},hostfwd=tcp:127.0.0.1:0-:22"]
    argv += ["-device", f"virtio-net-{arch.bus},netdev=net{arch.nic_options}"]
    argv += [word for number in range(len(order.attachments)) for word in _attached(order, number)]
    argv += _disk_words(order, folder)
    argv += home.words(order, memory.building, home_disk)
    argv += ["-qmp", f"unix:{_escaped(folder / 'qmp.sock')},server=on,wait=off"]
    return [*argv, *arch.qemu_options, *_confinement(root and not memory.frozen, giving_up)]


def _attached(order: Order, number: int) -> list[str]:
    """Return an interface on a private network; without endpoint, on a hub of its own."""
    endpoint, arch, name = order.attachments[number].endpoint, order.arch, f"lan{number}"
    backend = (
        f"vde,id={name},sock={_escaped(Path(endpoint))}" if endpoint else f"hubport,id={name},hubid={number}"
    )
    device = f"virtio-net-{arch.bus},netdev={name},mac={device_mac(number)}{arch.nic_options}"
    return ["-netdev", backend, "-device", device]


def device_mac(number: int) -> str:
    """Return the initial hardware address of a guest's ``number``-th private interface, the same in all
    guests: it is in the frozen state of a template. Init then sets the machine's own."""
    return f"52:54:00:69:6c:{number:02x}"


def _boot_words(order: Order, handle: Handle, memory: Memory) -> list[str]:
    """Return how the machine boots: a given kernel, or from its disk."""
    if order.image.by_cloud_init:
        return ["-bios", order.arch.firmware] if order.arch.firmware else []
    argv = ["-kernel", str(memory.kernel or order.image.kernel)]
    argv += ["-initrd", str(memory.initrd or home.initrd(order, handle))]
    words = kernel_cmdline(order.arch, order.accel, order.counter_khz)
    words += _template_words(order) if memory.file else ""
    return [*argv, "-append", words + (f" {SYSTEM}" if order.image.disk else ""), "-no-reboot"]


def _template_words(order: Order) -> str:
    """Return what the kernel of a template and its clones is told besides: to keep away from the memory that
    QEMU writes when a clone starts, whose state is somebody else's then."""
    usable = order.memory_mib * MIB - order.arch.rewritten
    return f" {WARM}" + (f" mem={usable}" if order.arch.rewritten else "")


def cannot_clone(order: Order) -> str:
    """Return why a machine cannot be cloned whatever its image; "" if nothing speaks against it."""
    if order.arch.rewritten and order.memory_mib * MIB > REWRITTEN_BELOW:
        most = REWRITTEN_BELOW // MIB
        return f"QEMU writes into the memory of a {order.arch.name} clone that has more than {most} MiB"
    return ""


def _disk_words(order: Order, folder: Path) -> list[str]:
    """Return the machine's own layer over the image's disk; it is never reused, so nothing waits for
    it to be flushed to the host's disk."""
    if order.image.disk is None:
        return []
    drive = f"file={_escaped(folder / DISK)},if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap"
    argv = ["-drive", drive, "-device", f"virtio-blk-{order.arch.bus},drive=disk"]
    if order.image.by_cloud_init:
        seed = f"file={_escaped(folder / SEED)},if=none,id=seed,format=raw,readonly=on"
        argv += ["-drive", seed, "-device", f"virtio-blk-{order.arch.bus},drive=seed"]
    return argv


def make_disk(order: Order, handle: Handle, deadline: Deadline) -> None:
    """Create the empty layer a machine writes to, over its image's or its template's disk.

    Does nothing for a machine without a disk.
    """
    base = order.image.disk
    if base is None:
        return
    if order.template is not None:
        base = order.template.disk
    layer = Path(handle.scratch) / DISK
    process.run(
        [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            base,
            layer,
            str(order.image.disk_size),
        ],
        deadline=deadline.within(60),
    )
    if os.getuid() == 0:  # the user QEMU becomes opens it again when a clone starts
        os.chown(layer, UNPRIVILEGED, UNPRIVILEGED)


def _memory_words(order: Order, memory: Memory) -> list[str]:
    if memory.file is None:
        return []
    share = "on" if memory.building else "off"
    words = (
        f"memory-backend-file,id=mem,size={order.memory_mib}M,mem-path={_escaped(memory.file)},share={share}"
    )
    # The frozen guest must run at once, whatever state it was saved in.
    argv = ["-object", words, "-global", "migration.store-global-state=off"]
    return argv if memory.building else [*argv, "-incoming", "defer"]


def _confinement(root: bool, giving_up: str) -> list[str]:
    # elevateprivileges=deny would forbid the setuid(2) of -runas itself; afterwards, as nobody and
    # with spawn=deny (no exec), there is nothing left to elevate to.
    privileges = "" if root else "elevateprivileges=deny,"
    argv = ["-sandbox", f"on,obsolete=deny,{privileges}spawn=deny,resourcecontrol=deny"]
    nobody = f"{UNPRIVILEGED}:{UNPRIVILEGED}"
    return [*argv, *([giving_up, nobody if giving_up == RUNAS else f"user={nobody}"] if root else [])]


def option_to_give_up_root(binary: str, deadline: Deadline) -> str:
    """Return the option with which this QEMU changes its user: ``-runas`` until 9.2, ``-run-with user=``
    in 10. Each QEMU is queried once. Raises BootError."""
    program = program_identity(binary)
    if not program:
        raise BootError(f"{binary} is not installed")

    def ask(_folder: Path) -> dict[str, str]:
        words = process.run([program[0], "-help"], deadline=deadline.within(60)).stdout.decode(
            errors="replace"
        )
        return {"giving_up": RUNAS if re.search(rf"^{RUNAS} ", words, re.MULTILINE) else RUN_WITH}

    name = f"{binary}-{cache.digest(program)}"
    return str(cache.meta(cache.make("emulators", name, ask, deadline.within(60)))["giving_up"])


def program_identity(binary: str) -> tuple[str, int, int] | tuple[()]:
    """Return this QEMU's path, size and modification time, which identify its version. Empty when it
    is not installed."""
    where = shutil.which(binary)
    if where is None:
        return ()
    about = Path(where).stat()
    return where, about.st_size, about.st_mtime_ns


def _escaped(path: Path) -> str:
    """Escape a path as the value of one of several options in a word (qemu(1))."""
    return str(path).replace(",", ",,")


def _tcg(order: Order, frozen: bool) -> str:
    threads = "multi" if order.machine.cpus > 1 else "single"
    cache = TRANSLATION_CACHE_MIB * max(1, order.memory_mib // 512)
    # A full one is emptied whole: what rehearsals leave must leave room for what the machine is used for.
    cache *= FROZEN_CACHE_FACTOR if frozen else 1
    return f"tcg,thread={threads},tb-size={cache}"


def start(
    order: Order,
    handle: Handle,
    deadline: Deadline,
    memory: Memory = ANONYMOUS,
    *,
    prefix: Sequence[str] = (),
    inherit: Sequence[int] = (),
) -> None:
    """Start a machine's QEMU and wait until its sockets exist. ``prefix`` are words before its command line,
    ``inherit`` descriptors that it has besides. Raises BootError with QEMU's own message."""
    root = os.getuid() == 0
    giving_up = option_to_give_up_root(order.arch.qemu, deadline) if root else RUNAS
    order.logs.mkdir(parents=True, exist_ok=True)
    if memory.initrd is None:
        home.write_initrd(order, handle)
    # A guest that floods its console must not fill the disk: the emulator's files are limited,
    # and with SIGXFSZ ignored a full one makes write(2) fail, nothing more. Not -daemonize: its
    # fork would need what spawn=deny takes away.
    limit = most_bytes_of_a_file(order, memory)
    log = order.logs / "qemu.log"
    with nullcontext(-1) if memory.building else home.opened(order, handle, deadline) as home_disk:
        if home_disk >= 0:
            limit = max(limit, os.fstat(home_disk).st_size)
        argv = render_argv(order, handle, root, memory, giving_up, home_disk)
        (order.logs / "command.txt").write_text("\n".join(argv) + "\n")
        inherited = [*inherit, *([home_disk] if home_disk >= 0 else [])]
        process.detach(["prlimit", f"--fsize={limit}", *prefix, *argv], log, deadline, inherit=inherited)
    socket = Path(handle.scratch) / "qmp.sock"
    looks = time.monotonic() + LOOK_SECONDS

    def listening() -> bool:
        nonlocal looks
        if socket.exists():
            return True
        if time.monotonic() < looks:
            return False
        looks = time.monotonic() + LOOK_SECONDS
        if not alive(handle):
            words = log.read_text(errors="replace").strip()
            raise BootError(f"{order.name}: {order.arch.qemu} does not start:\n{words}")
        return False

    poll(listening, deadline.within(60), f"{order.name}: starting {order.arch.qemu}")


def most_bytes_of_a_file(order: Order, memory: Memory = ANONYMOUS) -> int:
    """Return how large the files may become that a machine's QEMU writes to."""
    return max(order.image.disk_size, order.memory_mib * MIB if memory.building else 64 * MIB)


def watcher(
    order: Order, handle: Handle, progress: Progress, who: str, doing: str, expected: float
) -> Callable[[], None]:
    """Return what to call while waiting for a guest: it reports the last console line, and raises
    BootError when the guest is lost. ``expected`` is in seconds."""
    console = Console(order.logs / "console.log")

    def look() -> None:
        progress.doing(who, f"{doing}: {console.last_line() or 'firmware'}", expected)
        if console.panicked():
            raise BootError(f"{who}: the guest's kernel panicked:\n{console.panic()}\n{console.tail(12)}")
        if not alive(handle):
            raise BootError(f"{who}: QEMU exited while {doing}; last console lines:\n{console.tail(12)}")

    return look


@contextmanager
def explained(order: Order, handle: Handle) -> Iterator[None]:
    """Add QEMU's last words to an error of the ``with`` block if it has exited. Raises BootError."""
    try:
        yield
    except (BootError, ConnectionError) as problem:
        message = problem.message if isinstance(problem, BootError) else f"QEMU hung up: {problem}"
        words = _last_words(order.logs / "qemu.log")
        if words and not alive(handle):
            first, *others = message.splitlines()
            message = "\n".join([f"{first} ({words})", *others])
        raise BootError(message) from None


def _last_words(log: Path) -> str:
    """The last line QEMU wrote, without its path; "" if there is none."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return re.sub(r"^\S*/(qemu-system-)", r"\1", lines[-1])[:300] if lines else ""


def alive(handle: Handle) -> bool:
    """Return whether the machine's process exists. Checked again before False: during exec(2) a
    process has no arguments to recognize it by."""
    for _ in range(10):
        if any(True for _ in process_table.find(lambda pid: _tag(pid) == handle.tag)):
            return True
        time.sleep(0.01)
    return False


def process_of(handle: Handle) -> int:
    """Return the machine's process. Raises BootError when it is gone."""
    for pid in process_table.find(lambda pid: _tag(pid) == handle.tag):
        return pid
    raise BootError(f"{handle.machine}: QEMU has exited")


def memory_in_use(handle: Handle) -> int:
    """Return the bytes of memory the machine's process uses, with its share of what clones share; 0
    when it is gone or permission is denied."""
    return sum(map(process_table.memory, process_table.find(lambda pid: _tag(pid) == handle.tag)))


def own_memory(handle: Handle) -> int:
    """Return the bytes of memory that only the machine's process has; 0 when it is gone."""
    return sum(map(process_table.own_memory, process_table.find(lambda pid: _tag(pid) == handle.tag)))


def end(handle: Handle) -> None:
    """Kill the machine's process: the machine is disposable, so it needs no shutdown.
    Raises TeardownError."""
    folder = Path(handle.scratch)
    for pid in process_table.find(lambda pid: _tag(pid) == handle.tag and process_table.sees(pid, folder)):
        if not process_table.end(pid, patience=1.0):
            raise TeardownError(f"{handle.machine}: cannot kill QEMU (process {pid})")


def running(scratch: Path) -> Iterator[tuple[str, str]]:
    """Yield the run and machine of each isolab QEMU with sockets beneath ``scratch``: others belong to
    another user or state folder, or are in a container, and may be in use."""
    for pid, words in list(process_table.read(process_table.arguments)):
        tag = _named(words)
        if not tag.startswith(f"{TAG}-"):
            continue
        run, machine = split_tag(tag)
        mark = f"path={_escaped(scratch / run / machine)}/"
        if any(mark in word for word in words) and process_table.sees(pid, scratch):
            yield run, machine


def _tag(pid: int) -> str:
    return _named(process_table.arguments(pid))


def _named(words: list[str]) -> str:
    """Return the -name of an isolab QEMU process (or one about to become it), else ""."""
    if "-name" not in words[:-1] or not any(Path(w).name.startswith("qemu-system-") for w in words):
        return ""
    return words[words.index("-name") + 1]


def split_tag(tag: str) -> tuple[str, str]:
    """Return the run and the machine of a tag."""
    _, day, clock, salt, machine = tag.split("-", 4)
    return f"{day}-{clock}-{salt}", machine
