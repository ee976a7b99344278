"""Containers by podman or docker: namespaces, cgroups and seccomp together.

The container's root file system is the guests' own. Its first process is our runner, waiting;
commands enter by ``exec``. Sources: podman-run(1), podman-exec(1), docker's equivalents.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator import bridge, proc
from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers import Handle, NetworkOrder, Order, Site
from orchestrator.errors import BootError, TeardownError, Unavailable
from orchestrator.images import Image
from orchestrator.images.cache import locked
from orchestrator.images.micro import OTHER, RUNNER, STUDENT
from orchestrator.paths import scratch_dir
from orchestrator.progress import Progress
from orchestrator.spec import Machine
from orchestrator.transport import Conversing
from orchestrator.transport.command import CommandTransport

LABEL = "isolab.machine"
PLACE = "isolab.scratch"
"""Label with the scratch folder: a container that names another one is another user's."""
PIDS = 512
"""Processes one container may have; a fork bomb stops here."""

MOST = 4096
"""Open files and processes a user in a container may be allowed; engines lower their own limits
before they start a container, so the host's full limit may already be out of reach."""

_SITE = Site(
    runner=(f"/{RUNNER}",), work="/work", users={"root": 0, "student": STUDENT, "other": OTHER}, switch=True
)


def render_run(
    engine: tuple[str, ...], order: Order, handle: Handle, hard_limits: dict[str, int]
) -> list[str]:
    """The command line that starts a container. Pure."""
    argv = [*engine, "run", "--detach", "--pull", "never", "--name", handle.tag, "--hostname", order.name]
    argv += ["--label", f"{LABEL}={handle.run}/{handle.machine}"]
    argv += ["--label", f"{PLACE}={Path(handle.scratch).parent.parent}", "--network", "none"]
    argv += [
        "--memory",
        str(order.machine.memory),
        "--cpus",
        str(order.machine.cpus),
        "--pids-limit",
        str(PIDS),
    ]
    # Its names; its interfaces on private networks come when it runs.
    argv += [word for name, address in order.hosts for word in ("--add-host", f"{name}:{address}")]
    # The engine's defaults may be above what this host allows, and raising them would fail.
    argv += [
        word
        for name, hard in hard_limits.items()
        for word in ("--ulimit", f"{name}={min(1024, hard)}:{hard}")
    ]
    return [*argv, reference(order.image), f"/{RUNNER}", "--canary"]


def render_exec(
    engine: tuple[str, ...], handle: Handle, user: str, argv: Sequence[str], tty: bool
) -> list[str]:
    """The command line that runs a person's program in a container. Pure."""
    uid, home = handle.site.users[user], handle.site.homes[user]
    words = [*engine, "exec", "--interactive", *(["--tty", "--env", "TERM"] if tty else [])]
    words += ["--user", f"{uid}:{uid}", "--workdir", home, "--env", f"HOME={home}", "--env", f"USER={user}"]
    return [*words, handle.tag, *argv]


def reference(image: Image) -> str:
    """The engine's name for one of our images."""
    return f"localhost/isolab/{image.name}:{image.key.rsplit('-', 1)[-1]}"


class Container:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if arch != host_arch():
            raise Unavailable(
                f"a container runs on this host's kernel, which is {host_arch().name}, not {arch.name}",
                hint="use `driver: qemu` for a foreign architecture",
            )
        engine_command(machine.engine)

    def prepare(self, order: Order) -> Handle:
        return Handle(
            driver="container",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel="none",
            scratch=str(order.scratch),
            site=_SITE,
            data={"engine": list(engine_command(order.machine.engine))},
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        engine = _engine(handle)
        try:
            order.scratch.mkdir(parents=True)
            progress.doing(order.name, f"starting a container ({engine[0]})")
            argv = render_run(engine, order, handle, _hard_limits())
            (order.logs / "command.txt").write_text("\n".join(argv) + "\n")
            done = proc.run(argv, deadline=deadline.within(60), check=False)
            # To ask beforehand whether the engine has the image would cost a fifth of the start.
            if done.code != 0 and reference(order.image).encode() in done.stderr:
                _import_image(engine, order.image, deadline)
                done = proc.run(argv, deadline=deadline.within(60), check=False)
            if done.code != 0:
                raise BootError(f"{order.name}: {engine[0]} cannot start a container:\n{done.tail()}")
            if order.attachments:
                bridge.join(order.attachments, _first_process(engine, handle, deadline), order.name, deadline)
            return handle
        except BaseException:
            self.down(handle)
            raise

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[Conversing]:
        yield CommandTransport((*_engine(handle), "exec", "--interactive", handle.tag))

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        name, scratch = wanted.scratch.name, str(wanted.scratch)
        bare = Handle("container", wanted.run, name, "", "", "", scratch, _SITE)
        return replace(bare, data={"plugs": dict.fromkeys(wanted.machines, bare.tag)})

    def lay(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        try:
            bridge.lay(handle.tag, wanted.scratch, deadline)
        except BaseException:
            self.down(handle)
            raise

    terminal_from_us = False

    def terminal(self, handle: Handle, user: str, argv: Sequence[str], tty: bool) -> list[str]:
        return render_exec(_engine(handle), handle, user, argv, tty)

    def down(self, handle: Handle) -> None:
        if handle.is_network:
            bridge.remove(handle)
            shutil.rmtree(handle.scratch, ignore_errors=True)
            return
        engine, deadline = _engine(handle), Deadline.after(60)
        if shutil.which(engine[0]) is not None:
            # Its first process ignores SIGTERM, as process 1 does; podman would wait ten seconds.
            at_once = ("--time", "0") if engine[0] == "podman" else ()
            done = proc.run([*engine, "rm", "--force", *at_once, handle.tag], deadline=deadline, check=False)
            missing = (
                b"no such container" in done.stderr.lower() or b"no container with" in done.stderr.lower()
            )
            if done.code != 0 and not missing:
                raise TeardownError(
                    f"{handle.machine}: {engine[0]} cannot remove the container:\n{done.tail()}"
                )
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self) -> Iterator[Handle]:
        for run, name in bridge.standing(scratch_dir()):
            yield Handle("container", run, name, "", "", "", str(scratch_dir() / run / name), _SITE)
        for name in ("podman", "docker"):
            if shutil.which(name) is None:
                continue
            engine = _command(name)
            ours = f"label={PLACE}={scratch_dir()}"
            listing = [*engine, "ps", "--all", "--filter", ours, "--format", "{{.Names}}"]
            done = proc.run(listing, deadline=Deadline.after(60), check=False)
            for tag in done.stdout.decode().split() if done.code == 0 else ():
                _, day, clock, salt, machine = tag.split("-", 4)
                run = f"{day}-{clock}-{salt}"
                folder = scratch_dir() / run / machine
                yield Handle(
                    "container", run, machine, "", "", "", str(folder), _SITE, {"engine": list(engine)}
                )


def engine_command(wanted: str) -> tuple[str, ...]:
    """The container engine to use, as the beginning of a command line. Raises Unavailable."""
    for name in ("podman", "docker") if wanted == "auto" else (wanted,):
        if shutil.which(name) is None:
            continue
        if name == "podman" or docker_answers():
            return _command(name)
    if wanted == "docker" or (wanted == "auto" and shutil.which("docker")):
        raise Unavailable(
            "docker's daemon does not answer", hint="start dockerd, or install the package podman"
        )
    raise Unavailable(f"no container engine ({wanted}) is installed", hint="install the package podman")


def _command(name: str) -> tuple[str, ...]:
    if name != "podman" or not legacy_cgroups():
        return (name,)
    # crun refuses a hierarchy that mixes cgroups v1 and v2, and without systemd nobody
    # manages cgroups for us; runc with plain cgroupfs works there.
    runtime = ("--runtime", "runc") if shutil.which("runc") else ()
    return ("podman", *runtime, "--cgroup-manager", "cgroupfs")


def legacy_cgroups() -> bool:
    """Whether /sys/fs/cgroup is not the pure version 2 hierarchy (cgroups(7))."""
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()


def docker_answers() -> bool:
    """Whether docker's daemon is there for its client."""
    return proc.run(["docker", "version"], deadline=Deadline.after(10), check=False).code == 0


def _engine(handle: Handle) -> tuple[str, ...]:
    return tuple(handle.data["engine"])


def _first_process(engine: tuple[str, ...], handle: Handle, deadline: Deadline) -> int:
    """The container's first process, by its number on this host. Raises BootError."""
    asked = [*engine, "inspect", "--format", "{{.State.Pid}}", handle.tag]
    said = proc.run(asked, deadline=deadline.within(30), check=False).stdout.decode().strip()
    if not said.isdigit() or said == "0":
        raise BootError(f"{handle.machine}: {engine[0]} does not say which process the container is")
    return int(said)


def _import_image(engine: tuple[str, ...], image: Image, deadline: Deadline) -> None:
    """Make the guests' root file system known to the engine, once."""
    name = reference(image)
    with locked("container-image", image.key, deadline):
        known = proc.run([*engine, "image", "inspect", name], deadline=deadline.within(60), check=False)
        if known.code != 0:
            proc.run([*engine, "import", image.rootfs, name], deadline=deadline.within(120))


def _hard_limits() -> dict[str, int]:
    if os.getuid() != 0:
        return {}
    hard = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    found = {name: resource.getrlimit(number)[1] for name, number in hard.items()}
    return {name: min(limit, MOST) for name, limit in found.items() if limit != resource.RLIM_INFINITY}


DRIVER = Container()
