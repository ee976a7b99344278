"""Choose the accelerator that really works here, and say why.

A ``/dev/kvm`` that opens proves nothing: in nested clouds KVM often creates virtual machines in
which no kernel gets anywhere. So KVM is used only after a probe guest has reached userspace under
it within seconds (longer on a host that is itself emulated, where starting QEMU alone takes as
long); the result is remembered per boot of the host, QEMU and kernel image. QEMU's own ``kvm:tcg``
is no fall-back: it picks KVM and hangs.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.boot import boot_id
from orchestrator.host.cache import digest, write_atomically
from orchestrator.host.console_log import Console
from orchestrator.host.tempdirs import working_folder
from orchestrator.images import Image
from orchestrator.paths import state_dir

KVM = Path("/dev/kvm")
PROBE_SECONDS = 6.0
PROBE_STARTS = 60
"""Time limit of a probe guest, in starts of QEMU: milliseconds each on real hardware,
half a second where the host is itself emulated."""
PROBE_MOST = 60.0
_lock = threading.Lock()


@dataclass(frozen=True)
class Accelerator:
    """An accelerator (``kvm`` or ``tcg``) and the reason for it, as text."""

    accel: str
    reason: str


def choose(arch: Arch, wanted: str, image: Image, deadline: Deadline) -> Accelerator:
    """Return the accelerator for a machine. Raises Unavailable when ``kvm`` is required but does not work."""
    if arch != host_arch():
        return Accelerator("tcg", f"{arch.name} is not the host's architecture")
    if wanted == "tcg":
        return Accelerator("tcg", "the lab asks for it")
    problem = _kvm_problem(arch, image, deadline)
    if not problem:
        return Accelerator("kvm", "a probe guest booted under KVM")
    if wanted == "kvm":
        raise Unavailable(
            f"KVM cannot be used: {problem}", hint="use `accel: auto`, which falls back to emulation"
        )
    return Accelerator("tcg", problem)


def _kvm_problem(arch: Arch, image: Image, deadline: Deadline) -> str:
    """Return why KVM does not work here; "" when it does."""
    if not KVM.exists():
        return "this host has no /dev/kvm"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "no permission to open /dev/kvm (join the group that owns it)"
    qemu = shutil.which(arch.qemu)
    if qemu is None:
        raise Unavailable(
            f"{arch.qemu} is not installed", hint=f"install the package {arch.qemu_packages[0]}"
        )
    boot = boot_id()
    about = Path(qemu).stat()
    key = digest(boot, qemu, about.st_size, about.st_mtime_ns, image.key)
    memory = state_dir() / "kvm-probe.json"
    with _lock:
        try:
            known = json.loads(memory.read_text())
            if known["key"] == key:
                return str(known["problem"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        problem = probe(arch, image, deadline)
        write_atomically(memory, json.dumps(asdict(_ProbeAnswer(key, problem))).encode())
        return problem


@dataclass(frozen=True)
class _ProbeAnswer:
    key: str
    problem: str


def probe(arch: Arch, image: Image, deadline: Deadline) -> str:
    """Boot a guest under KVM as far as its init; return "" on success, else what happened."""
    with working_folder("kvm") as folder:
        log = folder / "console"
        argv = [arch.qemu, "-nodefaults", "-display", "none", "-machine", arch.machine, "-accel", "kvm"]
        argv += ["-cpu", "host", "-m", "256M", "-kernel", str(image.kernel), "-initrd", str(image.initrd)]
        argv += ["-append", f"console={arch.console} quiet panic=-1", "-no-reboot", "-serial", f"file:{log}"]
        executable = shutil.which(arch.qemu)
        assert executable is not None
        patience = probe_patience(_start_seconds(executable, deadline))
        # If isolab is killed, so is the probe: nothing else knows of it.
        argv[0] = executable
        bound = ["setpriv", "--pdeathsig", "KILL", *argv]
        with process.running(bound, executable=Path(shutil.which("setpriv") or "/usr/bin/setpriv")) as pid:

            def answered() -> bool:
                return "isolab:" in Console(log).tail(40) or not _running(pid)

            try:
                poll(answered, deadline.within(patience), "KVM probe guest", interval=0.01)
            except TimedOut:
                return f"a probe guest under KVM did not reach userspace within {patience:.0f} s"
            return (
                ""
                if "isolab:" in Console(log).tail(40)
                else "QEMU exited while a probe guest booted under KVM"
            )


def probe_patience(start: float) -> float:
    """Return the seconds to wait for a probe guest where QEMU takes ``start`` seconds to start."""
    return min(PROBE_MOST, max(PROBE_SECONDS, PROBE_STARTS * start))


def _start_seconds(qemu: str, deadline: Deadline) -> float:
    """Return the faster of two starts: the first reads the program from disk."""
    spent = []
    for _ in range(2):
        begun = time.monotonic()
        process.run([qemu, "--version"], deadline=deadline.within(PROBE_MOST), check=False)
        spent.append(time.monotonic() - begun)
    return min(spent)


def _running(pid: int) -> bool:
    try:
        return process_table.stat_fields(pid)[0] != "Z"
    except OSError:
        return False
