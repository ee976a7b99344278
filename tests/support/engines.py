"""Container engines for tests: a Docker daemon of the suite's own, and a small base image."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess  # noqa: TID251 - the daemon must be a child of ours, to be ended by us alone
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import HOST, Kind, image_of

from orchestrator.deadline import Deadline
from orchestrator.drivers.container.engine import docker_answers, engine_command
from orchestrator.drivers.container.needs import DOCKER
from orchestrator.errors import TimedOut
from orchestrator.host import process
from orchestrator.machines import host_packages
from orchestrator.progress import Silent

BASE = "localhost/isolab-suite/base:1"


@contextlib.contextmanager
def engine_of(kind: Kind) -> Iterator[None]:
    """What a kind of machine needs running beside it."""
    with docker_daemon() if kind.engine == "docker" else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def docker_daemon() -> Iterator[None]:
    """A daemon with folders, socket and process id file of its own, named by DOCKER_HOST.

    It has no network and touches no firewall. Skips, with the daemon's last words, where it does
    not come up.
    """
    host_packages.ensure([DOCKER], Silent(), Deadline.after(900))
    root = Path(tempfile.mkdtemp(prefix="ild", dir="/tmp"))
    socket = f"unix://{root}/sock"
    places = [f"--data-root={root}/data", f"--exec-root={root}/exec", f"--pidfile={root}/pid"]
    network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
    with (root / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        daemon = subprocess.Popen(
            ["dockerd", f"--host={socket}", *places, *network],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            patch.setenv("DOCKER_HOST", socket)
            _await(daemon, root / "log")
            yield
        finally:
            _end(daemon)
            shutil.rmtree(root, ignore_errors=True)


def _await(daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = Deadline.after(120)
    while not docker_answers():
        if daemon.poll() is not None:
            words = log.read_text(errors="replace").splitlines()[-2:]
            pytest.skip(f"dockerd does not run here: {' '.join(words)}")
        if not deadline.remaining():
            raise TimedOut(f"dockerd did not answer: {log.read_text(errors='replace')[-1000:]}")
        deadline.cancellation.wait(0.2)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    """TERM, on which it ends containers and its containerd as well."""
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(60)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def make_base(kind: Kind, folder: Path) -> str:
    """A foreign image: the micro image's commands without anything of ours. Gives its id."""
    archive = folder / "base.tar"
    base_archive(archive)
    return import_base(engine_command(kind.engine), archive)


def base_archive(archive: Path) -> None:
    """Write that image's root file system."""
    with tarfile.open(image_of(HOST).rootfs) as source, tarfile.open(archive, "w") as target:
        for entry in source:
            if not entry.name.startswith(("usr/lib/isolab", "work", "home", "etc/passwd")):
                target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)


def remove_images(kind: Kind) -> None:
    """Those this suite made or had made in the engine's store, by their names."""
    engine, limit = engine_command(kind.engine), Deadline.after(120)
    listing = [*engine, "images", "--format", "{{.Repository}} {{.ID}}"]
    for line in process.run(listing, deadline=limit).stdout.decode().splitlines():
        name, image = line.split()
        if name.startswith(("localhost/isolab/own", "localhost/isolab-suite/")) or "/suite/base" in name:
            process.run([*engine, "image", "rm", "--force", image], deadline=limit, check=False)


def import_base(engine: tuple[str, ...], archive: Path, name: str = BASE) -> str:
    """Make a root file system an image of the engine; gives its id as ``sha256:…``."""
    limit = Deadline.after(300)
    process.run([*engine, "import", archive, name], deadline=limit)
    shown = process.run([*engine, "image", "inspect", "--format", "{{.Id}}", name], deadline=limit)
    return f"sha256:{shown.stdout.decode().strip().removeprefix('sha256:')}"
