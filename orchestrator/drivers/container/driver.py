"""Containers with podman or docker: namespaces, cgroups and seccomp together.

The container's root file system is the guests' own, or another image with isolab's layer on top.
Its first process is the runner, waiting; commands enter by ``exec``. Limits the engine cannot set
are left out and reported. Sources: podman-run(1), podman-exec(1), docker's equivalents.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.container import bridge
from orchestrator.drivers.container.engine import NAMES, command, engine_command, unenforced
from orchestrator.drivers.container.image_store import provide, reference
from orchestrator.drivers.container.limits import (
    exceeded,
    hard_limits,
    in_force,
    render_limits,
    render_ulimits,
)
from orchestrator.drivers.container.limits import wanted as wanted_limits
from orchestrator.drivers.container.needs import IP, engine_needs, require_user_ids
from orchestrator.drivers.container.whole_host import require_whole_host
from orchestrator.drivers.guest.layout import SITE
from orchestrator.drivers.model import Handle, NetworkOrder, Order
from orchestrator.errors import BootError, TeardownError, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.packages import Need
from orchestrator.images.micro import RUNNER
from orchestrator.labfile.models import Machine
from orchestrator.paths import make_folder
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport
from orchestrator.transport.local import CommandTransport

LABEL = "isolab.machine"
PLACE = "isolab.scratch"
"""Label with the scratch folder, which has the ownership token in its name: a container with another one
belongs to another user or state folder."""


def render_run(
    engine: tuple[str, ...],
    order: Order,
    handle: Handle,
    hard: Mapping[str, int],
    unlimited: Collection[str] = (),
) -> list[str]:
    """Return the command line that starts a container; ``unlimited`` are limits to leave out. Pure."""
    argv = [*engine, "run", "--detach", "--pull", "never", "--name", handle.tag, "--hostname", order.name]
    argv += ["--label", f"{LABEL}={handle.run}/{handle.machine}"]
    argv += [
        "--label",
        f"{PLACE}={Path(handle.scratch).parent.parent}",
        "--network",
        "none",
        "--no-healthcheck",
    ]
    # Names only; interfaces on private networks are added while it runs.
    argv += [word for name, address in order.hosts for word in ("--add-host", f"{name}:{address}")]
    if engine[0] == "podman":  # docker needs a separate command to query it
        argv += ["--pidfile", str(_pid_file(handle))]
    argv += render_limits(order.machine, unlimited)
    argv += render_ulimits(hard)
    return [*argv, reference(order.image), f"/{RUNNER}", "--canary"]


def render_nice(value: int, root: bool) -> list[str]:
    """Return what starts an engine without the caller's nice value, which programs inherit from it and
    cannot lower in a container; only root can lower it. Pure."""
    return ["nice", "-n", str(-value)] if value < 0 or (value > 0 and root) else []


def render_exec(
    engine: tuple[str, ...], handle: Handle, user: str, argv: Sequence[str], tty: bool
) -> list[str]:
    """Return the command line of an interactive program in a container. Pure."""
    uid, home = handle.site.users[user], handle.site.homes[user]
    words = [*engine, "exec", "--interactive", *(["--tty", "--env", "TERM"] if tty else [])]
    words += ["--user", f"{uid}:{uid}", "--workdir", home, "--env", f"HOME={home}", "--env", f"USER={user}"]
    return [*words, handle.tag, *argv]


class Container:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if arch != host_arch():
            raise Unavailable(
                f"a container runs on this host's kernel, which is {host_arch().name}, not {arch.name}",
                hint="use `driver: qemu` for a foreign architecture",
            )
        if engine_command(machine.engine)[0] == "podman":
            require_user_ids()
            require_whole_host()

    def needs(self, machine: Machine) -> list[Need]:
        return [*engine_needs(machine.engine), *([IP] if machine.networks else [])]

    def prepare(self, order: Order) -> Handle:
        return Handle(
            driver="container",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel="none",
            scratch=str(order.scratch),
            site=SITE,
            data={"engine": list(engine_command(order.machine.engine))},
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        engine = _engine(handle)
        try:
            make_folder(order.scratch, 0o711)
            unlimited = dict(unenforced(engine))
            argv = render_run(engine, order, handle, hard_limits(), unlimited)
            (order.logs / "command.txt").write_text("\n".join(argv) + "\n")
            container = _start(engine, argv, order, deadline, progress)
            first = _process(engine, handle, deadline)
            if order.attachments:
                bridge.join(order.attachments, first, order.name, deadline)
            found = in_force(first, container)
            wanted = wanted_limits(order.machine)
            unlimited = (exceeded(wanted, found) if found else {}) | unlimited
            for name, reason in unlimited.items():
                progress.tell(f"{order.name}: warning: the limit `{name}` is not enforced: {reason}")
            about = {"wanted": wanted, "in_force": found and _finite(found), "unlimited": unlimited}
            (order.logs / "limits.json").write_text(json.dumps(about, indent=1))
            return replace(handle, data={**handle.data, "unlimited": unlimited})
        except BaseException:
            self.down(handle)
            raise

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        engine = (*render_nice(os.nice(0), os.getuid() == 0), *_engine(handle))
        yield CommandTransport((*engine, "exec", "--interactive", handle.tag))

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        name, scratch = wanted.scratch.name, str(wanted.scratch)
        bare = Handle("container", wanted.run, name, "", "", "", scratch, SITE)
        return replace(bare, data={"plugs": dict.fromkeys(wanted.machines, bare.tag)})

    def create_network(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        try:
            bridge.create(handle.tag, wanted.scratch, deadline)
        except BaseException:
            self.down(handle)
            raise

    terminal_from_us = False

    def terminal(self, handle: Handle, user: str, argv: Sequence[str], tty: bool) -> list[str]:
        return render_exec(_engine(handle), handle, user, argv, tty)

    def memory(self, handle: Handle) -> int:
        """Yield the processes inside, and the engine's monitor process; not those entered by exec."""
        first = _process(_engine(handle), handle, Deadline.after(60))
        return sum(map(process_table.memory, process_table.within(first))) if first else 0

    def down(self, handle: Handle) -> None:
        if handle.is_network:
            bridge.remove(handle)
            shutil.rmtree(handle.scratch, ignore_errors=True)
            return
        if shutil.which(_engine(handle)[0]) is not None:
            _remove(handle, Deadline.after(60))
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        for run, name in bridge.standing(scratch):
            yield Handle("container", run, name, "", "", "", str(scratch / run / name), SITE)
        for name in NAMES:
            if shutil.which(name) is None:
                continue
            engine = command(name)
            ours = f"label={PLACE}={scratch}"
            listing = [*engine, "ps", "--all", "--filter", ours, "--format", "{{.Names}}"]
            done = process.run(listing, deadline=Deadline.after(60), check=False)
            for tag in done.stdout.decode().split() if done.code == 0 else ():
                _, day, clock, salt, machine = tag.split("-", 4)
                run = f"{day}-{clock}-{salt}"
                folder = scratch / run / machine
                yield Handle(
                    "container", run, machine, "", "", "", str(folder), SITE, {"engine": list(engine)}
                )


def _remove(handle: Handle, deadline: Deadline) -> None:
    """Remove a container, if there is one. Raises TeardownError."""
    engine = _engine(handle)
    # Its first process ignores SIGTERM, as process 1 does; podman would wait ten seconds.
    at_once = ("--time", "0") if engine[0] == "podman" else ()
    argv = [*engine, "rm", "--force", "--volumes", *at_once, handle.tag]
    done = process.run(argv, deadline=deadline, check=False)
    said = done.stderr.lower()
    if done.code != 0 and b"no such container" not in said and b"no container with" not in said:
        raise TeardownError(f"{handle.machine}: {engine[0]} cannot remove the container:\n{done.tail()}")


def _engine(handle: Handle) -> tuple[str, ...]:
    return tuple(handle.data["engine"])


def _start(
    engine: tuple[str, ...], argv: list[str], order: Order, deadline: Deadline, progress: Progress
) -> str:
    """Run the command line, importing the image if the engine lacks it; returns the container's id."""
    progress.doing(order.name, f"starting a container ({engine[0]})")
    # Podman's monitor stays in the folder it was started in, and writes a file there when the kernel kills
    # a program for its memory: conmon's "oom".
    done = process.run(argv, deadline=deadline.within(60), cwd=order.scratch, check=False)
    # Checking first whether the engine has the image would cost a fifth of the start.
    if done.code != 0 and reference(order.image).encode() in done.stderr:
        progress.doing(order.name, f"importing the image {order.image.name} into {engine[0]}")
        provide(engine, order.image, order.scratch, deadline)
        progress.doing(order.name, f"starting a container ({engine[0]})")
        done = process.run(argv, deadline=deadline.cancellation.deadline(60), cwd=order.scratch, check=False)
    if done.code != 0:
        raise BootError(f"{order.name}: {engine[0]} cannot start a container:\n{done.tail()}")
    return done.stdout.decode().split()[-1]


def _pid_file(handle: Handle) -> Path:
    return Path(handle.scratch) / "pid"


def _process(engine: tuple[str, ...], handle: Handle, deadline: Deadline) -> int:
    """Return the container's first process id on the host; 0 when the engine does not report it."""
    if engine[0] == "podman":
        file = _pid_file(handle)
        answer = file.read_bytes() if file.exists() else b""
    else:
        question = [*engine, "inspect", "--format", "{{.State.Pid}}", handle.tag]
        answer = process.run(question, deadline=deadline.within(60), check=False).stdout
    return int(answer) if answer.strip().isdigit() else 0


def _finite(limits: Mapping[str, float]) -> dict[str, float | None]:
    """Return the limits as JSON allows: no limit is null, not infinite."""
    return {name: value if value != float("inf") else None for name, value in limits.items()}


DRIVER = Container()
