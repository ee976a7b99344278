"""Programs on this host's own kernel, each machine a scratch folder.

Shared by the drivers ``process`` and ``sandbox``, which differ in the runner's options. When
isolab is root, programs run as two user ids that no account has; otherwise as isolab's own user,
and exercises that need another user are skipped. Programs of a foreign architecture run under
user-mode emulation; their runner is the host's own, so that exit statuses are not emulated, while
the facts come from the runner of their architecture.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import ARCHITECTURES, Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import UNUSED_IDS, Handle, Order
from orchestrator.errors import TeardownError, Unavailable
from orchestrator.host import process_table
from orchestrator.host.packages import Need
from orchestrator.host.qemu_user import emulator_need, emulator_path, require_emulator
from orchestrator.host.tempdirs import require_reachable
from orchestrator.labfile.models import Machine
from orchestrator.paths import make_folder, scratch_dir
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport, Site, environment
from orchestrator.transport.local import CommandTransport

PATH = "/usr/local/bin:/usr/bin:/bin"


def render_site(scratch: Path, root: bool, options: tuple[str, ...] = (), emulator: str = "") -> Site:
    """Return where things are on this host; ``emulator`` is for foreign programs. Pure."""
    users = dict(UNUSED_IDS) if root else {"student": os.getuid()}
    runner = (str(scratch / "bin" / "run"), *options)
    homes = {name: str(scratch / "home" / name) for name in users}
    site = Site(runner=runner, work=str(scratch / "work"), users=users, switch=root, homes=homes)
    if not emulator:
        return site
    return replace(site, emulator=(emulator,), probe=(emulator, str(_foreign_runner(scratch)), "--facts"))


def render_entry(site: Site, user: str, argv: Sequence[str]) -> list[str]:
    """Return the command line of an interactive program. Pure."""
    uid, home = site.users[user], site.homes[user]
    words = [*site.runner, "--inherit", "--dir", home]
    words += ["--user", f"{uid}:{uid}"] if site.switch else []
    env = {"PATH": PATH, "HOME": home, "USER": user, "TERM": os.environ.get("TERM", "dumb")}
    return [*words, *environment(env), "--", *argv]


def _foreign_runner(scratch: Path) -> Path:
    return scratch / "bin" / "foreign"


def _machine_folders(pid: int, scratch: Path) -> Iterator[Path]:
    """Yield the folders (RUN/MACHINE) of machines of this kind that a process is in."""
    for place in process_table.places(pid):
        parts = place.relative_to(scratch).parts if scratch in place.parents else ()
        if len(parts) > 2 and parts[2] in ("bin", "home", "work"):
            yield scratch.joinpath(*parts[:2])


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing if it is gone, or none."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _place(program: Path, where: Path) -> None:
    shutil.copyfile(program, where)
    where.chmod(0o755)


class HostProcessDriver:
    """A driver for machines that are processes of this host, with these runner options."""

    def __init__(self, name: str, runner_options: tuple[str, ...] = (), *, emulates: bool = False) -> None:
        self._name = name
        self._options = runner_options
        self._emulates = emulates

    def check(self, machine: Machine, arch: Arch) -> None:
        if arch != host_arch() and self._emulates:
            require_emulator(arch)
        elif arch != host_arch():
            raise Unavailable(
                f"a {self._name} runs on this host's kernel, which is {host_arch().name}, not {arch.name}",
                hint="use `driver: qemu` for a foreign architecture",
            )
        scratch = scratch_dir()
        if os.statvfs(scratch).f_flag & os.ST_NOEXEC:
            raise Unavailable(
                f"cannot run programs from {scratch}: mounted noexec",
                hint="set ISOLAB_SCRATCH to another folder",
            )
        if os.getuid() == 0:
            require_reachable(scratch, UNUSED_IDS["student"])

    def needs(self, machine: Machine) -> list[Need]:
        foreign = self._emulates and machine.arch not in (None, host_arch().name)
        return [emulator_need(ARCHITECTURES[str(machine.arch)])] if foreign else []

    def prepare(self, order: Order) -> Handle:
        emulator = emulator_path(order.arch) or "" if order.arch != host_arch() else ""
        return Handle(
            driver=self._name,
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel="none",
            scratch=str(order.scratch),
            site=render_site(order.scratch, os.getuid() == 0, self._options, emulator),
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        runner = Path(handle.site.runner[0])
        try:
            make_folder(runner.parent, 0o711)
            homes = {user: Path(home) for user, home in handle.site.homes.items()}
            for folder in (Path(handle.site.work), *(home.parent for home in homes.values())):
                make_folder(folder, 0o711, exist_ok=True)
            for user, home in homes.items():
                home.mkdir(mode=0o700)
                if handle.site.switch:
                    os.chown(home, handle.site.users[user], handle.site.users[user])
            _place(order.runner or order.image.runner, runner)
            if handle.site.emulator:
                _place(order.image.runner, _foreign_runner(order.scratch))
            return handle
        except BaseException:
            self.down(handle)
            raise

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        yield CommandTransport()

    terminal_from_us = True
    """Otherwise the machine's programs would hold the user's own terminal."""

    def terminal(self, handle: Handle, user: str, argv: Sequence[str], tty: bool) -> list[str]:
        return render_entry(handle.site, user, argv)

    def memory(self, handle: Handle) -> int:
        return sum(map(process_table.memory, process_table.find(process_table.lives_in(handle.scratch))))

    def down(self, handle: Handle) -> None:
        if left := process_table.end_all(process_table.belongs_to(handle.scratch)):
            numbers = ", ".join(map(str, sorted(left)))
            raise TeardownError(
                f"{handle.machine}: cannot kill process {numbers}", hint="run `isolab gc` again later"
            )
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        """Yield scratch folders that hold a runner, which those of other drivers do not, and folders that are
        gone while programs that ran in them are not."""
        # Others' go meanwhile, of which Path.glob would make an error.
        machines = (machine for run in _entries(scratch) for machine in _entries(run))
        folders = {machine for machine in machines if (machine / "bin/run").exists()}
        for pid in process_table.find(process_table.belongs_to(str(scratch))):
            folders.update(folder for folder in _machine_folders(pid, scratch) if not folder.exists())
        for folder in sorted(folders):
            site = render_site(folder, os.getuid() == 0, self._options)
            yield Handle(self._name, folder.parent.name, folder.name, "", "", "", str(folder), site)
