"""A home of its own for isolab's state and scratch, and the proof that nothing is left in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trees import below

from orchestrator import ownership
from orchestrator.deadline import Deadline
from orchestrator.drivers.container.driver import PLACE
from orchestrator.drivers.container.engine import NAMES, command
from orchestrator.drivers.libvirt.connection import library, opened
from orchestrator.drivers.libvirt.network_xml import filter_identity
from orchestrator.drivers.libvirt.ownership import place
from orchestrator.drivers.libvirt.storage import refresh
from orchestrator.errors import TimedOut
from orchestrator.host import process, process_table
from orchestrator.labfile.libvirt_uri import parse
from orchestrator.paths import STATE_NOTE

HOME = "il"
"""How the names of homes begin."""


@dataclass(frozen=True)
class Home:
    """Folders for one test's runs; the path is short, for sockets lie beneath it."""

    root: Path

    @property
    def scratch(self) -> Path:
        return self.root / "s"

    @property
    def own(self) -> Path:
        """The folder in it that is this home's: it is named after the token of its state folder."""
        return self.scratch / (ownership.token_in(self.root / "state") or "none yet")

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def variables(self) -> dict[str, str]:
        """The settings that make isolab live here."""
        return {"ISOLAB_STATE": str(self.root / "state"), "ISOLAB_SCRATCH": str(self.scratch)}

    def leftovers(self) -> list[str]:
        """Everything on this host that came from here and should be gone, in words."""
        found = [f"process {pid}: {' '.join(words)}" for pid, words in self.command_lines().items()]
        found += [f"container {name}" for _, name in self._containers()]
        found += [f"on a libvirt daemon: {name}" for name in self._on_libvirt(remove=False)]
        usual = {self.own, self.own / STATE_NOTE}
        found += [f"file {path}" for path in below(self.scratch) if path not in usual]
        return found

    def settled(self, seconds: float = 60.0) -> list[str]:
        """The leftovers, once there are none or ``seconds`` have passed: the kernel and others' daemons end
        what they were told to end when they get to it."""
        deadline = Deadline.after(seconds)
        while (found := self.leftovers()) and deadline.remaining():
            deadline.cancellation.wait(0.1)
        return found

    def clear(self) -> None:
        """Remove everything by force, so that one failing test does not disturb the next."""
        for pid in self.processes():
            process_table.end(pid, patience=0)
        for engine, name in self._containers():
            process.run([*engine, "rm", "--force", name], deadline=Deadline.after(60))
        self._on_libvirt(remove=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def processes(self) -> list[int]:
        """Live processes that were started from here, by whomever."""
        return sorted(process_table.find(self._came_from_here))

    def command_lines(self) -> dict[int, list[str]]:
        """The arguments of these processes, by process id; without those that end meanwhile."""
        found: dict[int, list[str]] = {}
        for pid in self.processes():
            with contextlib.suppress(OSError):
                found[pid] = process_table.arguments(pid)
        return found

    def _came_from_here(self, pid: int) -> bool:
        """By its arguments, its environment, its program or where it stands."""
        mark = str(self.root).encode()
        texts = []
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                texts.append(Path(f"/proc/{pid}/{name}").read_bytes())
        return any(mark in text for text in texts) or process_table.lives_in(str(self.root))(pid)

    def _on_libvirt(self, *, remove: bool) -> list[str]:
        """Domains, volumes and networks that came from here, on every daemon used from here."""
        found = []
        uris = self.root / "state/libvirt-uris"
        for text in uris.read_text().split() if uris.exists() else []:
            with opened(parse(text), Deadline.after(60)) as connection:
                for domain in connection.listAllDomains():
                    if place(self.own) in _described(domain):
                        found.append(f"domain {domain.name()}")
                        _ = remove and domain.destroy()
                for pool in [p for p in connection.listAllStoragePools() if p.name() == "isolab"]:
                    refresh(pool, Deadline.after(60))
                    for volume in pool.listAllVolumes():
                        if place(self.own) in volume.name():
                            found.append(f"volume {volume.name()}")
                            _ = remove and volume.delete()
                found += self._networks(connection, remove=remove)
        return found

    def _networks(self, connection: Any, *, remove: bool) -> Iterator[str]:
        """Networks and their filters, of which a session has none."""
        mark = place(self.own)
        for network in connection.listAllNetworks():
            if mark in _described(network):
                yield f"network {network.name()}"
                _ = remove and network.destroy()
        for found in [] if "/session" in connection.getURI() else connection.listAllNWFilters():
            if found.UUIDString() == filter_identity(found.name(), mark):
                yield f"filter {found.name()}"
                _ = remove and found.undefine()

    def _containers(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Those that came from here, with the engine that has them."""
        ours = f"label={PLACE}={self.own}"
        for engine in (command(name) for name in NAMES if shutil.which(name)):
            listing = [*engine, "ps", "--all", "--filter", ours, "--format", "{{.Names}}"]
            done = process.run(listing, deadline=Deadline.after(60), check=False)
            yield from ((engine, name) for name in done.stdout.decode().split())


def _described(thing: Any) -> str:
    """The XML of one of libvirt's things; "" of one that has ended since it was listed."""
    try:
        return str(thing.XMLDesc())
    except library().libvirtError as problem:
        gone = (library().VIR_ERR_NO_DOMAIN, library().VIR_ERR_NO_NETWORK)
        if problem.get_error_code() in gone:
            return ""
        raise


@contextlib.contextmanager
def fresh_home() -> Iterator[Home]:
    """A home, removed in the end; fails when isolab left anything of its own in it."""
    home = Home(Path(tempfile.mkdtemp(prefix=HOME, dir="/tmp")))
    home.root.chmod(0o755)
    home.scratch.mkdir(mode=0o711)
    try:
        yield home
        left = home.settled()
        assert not left, "left behind:\n" + "\n".join(left)
    finally:
        home.clear()


@contextlib.contextmanager
def host_lock(name: str) -> Iterator[None]:
    """What the host has once, for one test process at a time, of whatever checkout."""
    with (Path(tempfile.gettempdir()) / f"isolab-tests-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def listens(path: Path) -> bool:
    """Whether somebody takes connections at a Unix socket: its file is there a moment before that."""
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(path)) == 0


def own_number(which: int) -> str:
    """A number (up to 99 of them) that nobody else on this host has among a program's arguments: this
    process's own. Who sleeps so many seconds is found among all processes by it."""
    return f"{os.getpid()}{which:02}"


def wait_until(probe: object, what: str, seconds: float = 120.0) -> None:
    """Poll ``probe`` until it is true. Raises TimedOut."""
    assert callable(probe)
    deadline = Deadline.after(seconds)
    while not probe():
        if not deadline.remaining():
            raise TimedOut(f"waited {seconds:.0f} s for {what}")
        deadline.cancellation.wait(0.003)


def hard_linked(kinds: tuple[str, ...], target: Path) -> Path:
    """A cache of one's own with what the user's cache has of these kinds, but for what somebody removes there
    meanwhile; files are shared, so they may be replaced but not written to."""
    source = Path(os.environ.get("ISOLAB_CACHE") or Path.home() / ".cache/isolab")
    for kind in kinds:
        (target / kind).mkdir(parents=True, exist_ok=True)
        for entry in [path for path in (source / kind).iterdir() if not path.name.startswith(".")]:
            _link(entry, target / kind / entry.name)
    return target


def _link(entry: Path, target: Path) -> None:
    try:
        if entry.is_dir():
            shutil.copytree(entry, target, copy_function=os.link, symlinks=True, ignore=_HIDDEN)
        else:
            os.link(entry, target, follow_symlinks=False)
    except (FileNotFoundError, shutil.Error):
        if entry.exists():
            raise
        shutil.rmtree(target, ignore_errors=True)  # half of what is gone
        target.unlink(missing_ok=True)


_HIDDEN = shutil.ignore_patterns(".*")
