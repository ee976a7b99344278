"""libvirt's daemons for the tests, and a way to them over SSH: started when they are not there,
and stopped again. This host's own, those of an ordinary user's session, and an SSH server on
loopback with keys of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess  # noqa: TID251 - an SSH server that is to be stopped must be a child of ours
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from accounts import account
from habitat import host_lock, listens, wait_until
from ports import free_port
from sshd_files import SSHD, configuration, make_key

from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table
from orchestrator.host.packages import SSH, Need
from orchestrator.labfile.libvirt_uri import SYSTEM
from orchestrator.labfile.models import Machine
from orchestrator.machines import host_packages
from orchestrator.progress import SilentProgress

SYSTEM_SOCKET = Path("/run/libvirt/libvirt-sock")
KVM = Path("/dev/kvm")
CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
SERVER = Need("sshd", SSHD.exists, ("openssh-server",))


@dataclass(frozen=True)
class Daemons:
    """What was started: addresses by how they are reached."""

    root: Path
    port: int
    user: str
    """Who has the session."""

    @property
    def ssh(self) -> Path:
        """An ssh that knows our server's key and nothing of whoever runs the tests."""
        return self.root / "ssh"

    @property
    def key(self) -> Path:
        return self.root / "client"

    def uri(self, way: str) -> str:
        """``session`` (an ordinary user's), ``ssh`` or ``ssh-session``."""
        return {
            "session": f"qemu+unix:///session?socket={self.session_socket}",
            "ssh": self.over_ssh("root", "system"),
            "ssh-session": self.over_ssh(self.user, "session"),
        }[way]

    def over_ssh(self, user: str, path: str, key: Path | None = None, ssh: Path | None = None) -> str:
        where = f"{user}@127.0.0.1:{self.port}/{path}"
        return f"qemu+ssh://{where}?keyfile={key or self.key}&command={ssh or self.ssh}"

    @property
    def session_socket(self) -> Path:
        return self.root / "home/.cache/libvirt/libvirt-sock"


RUNNING: list[Daemons] = []
"""The daemons of this test session, once started."""


def uri(way: str) -> str:
    """The address of a daemon that runs: ``system``, or one of those ``Daemons`` knows."""
    if way == "system":
        return SYSTEM
    assert RUNNING, "this test needs the fixture libvirt_daemons"
    return RUNNING[-1].uri(way)


@contextlib.contextmanager
def of_this_host() -> Iterator[None]:
    """Those of this host alone, for the length of a ``with`` block: no user, no SSH."""
    needs = host_packages.needs_of([Machine(driver="libvirt")])
    host_packages.ensure(needs, SilentProgress(), Deadline.after(1200))
    with host_lock("libvirt"), kvm_as_udev_leaves_it(), system_daemons():
        yield


@contextlib.contextmanager
def daemons() -> Iterator[Daemons]:
    """The ways to this host's, which run: an ordinary user's session, and SSH."""
    host_packages.ensure([SSH, SERVER], SilentProgress(), Deadline.after(1200))
    root = Path(tempfile.mkdtemp(prefix="ilv", dir="/tmp"))
    root.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        user = stack.enter_context(session_of_a_user(root / "home"))
        found = Daemons(root, stack.enter_context(ssh_server(root)), user)
        RUNNING.append(found)
        stack.callback(RUNNING.pop)
        yield found


@contextlib.contextmanager
def kvm_as_udev_leaves_it() -> Iterator[None]:
    """Without udev /dev/kvm may be root's alone. libvirt then sees KVM in QEMU and not for its
    guests, takes what it remembers of QEMU for outdated, and asks all of it anew each time."""
    about = KVM.stat() if KVM.exists() else None
    if about and about.st_gid == 0 and about.st_mode & 0o777 == 0o600:
        shutil.chown(KVM, group="kvm")
        KVM.chmod(0o660)
    try:
        yield
    finally:
        if about:
            os.chown(KVM, about.st_uid, about.st_gid)
            KVM.chmod(about.st_mode & 0o777)


@contextlib.contextmanager
def system_daemons() -> Iterator[None]:
    """virtlogd and libvirtd of this host."""
    started = start_system()
    try:
        yield
    finally:
        for name in started:
            stop(Path(f"/run/{name}.pid"))


def start_system() -> list[str]:
    """Start those that do not run; gives their names."""
    started = []
    for name in ("virtlogd", "libvirtd"):
        if pid_in(Path(f"/run/{name}.pid")) is None:
            process.run([name, "--daemon"], deadline=Deadline.after(60), env=CLEAN)
            started.append(name)
    wait_until(lambda: listens(SYSTEM_SOCKET), "libvirtd")
    return started


def restart_libvirtd() -> None:
    """Stop the system's libvirtd, virtlogd stays, and start it again."""
    stop(Path("/run/libvirtd.pid"))
    assert not listens(SYSTEM_SOCKET)
    start_system()


@contextlib.contextmanager
def powerless(root: Path) -> Iterator[str]:
    """A libvirtd that may not change its host's network, as in many containers; gives its address.
    What it keeps is its own: it stands in namespaces with nothing of libvirt's folders."""
    (root / "conf").write_text(f'unix_sock_dir = "{root}"\nauth_unix_rw = "none"\n')
    folders = ("/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/etc/libvirt")
    hide = "".join(f"mount -t tmpfs none {folder}; " for folder in folders)
    script = f"{hide}exec setpriv --bounding-set=-net_admin --inh-caps=-net_admin "
    script += f"{shutil.which('libvirtd')} -f {root}/conf -p {root}/pid"
    argv = ["unshare", "--mount", "--net", "sh", "-ec", script]
    with process.running(argv, executable=Path(shutil.which("unshare") or "")):
        wait_until(lambda: listens(root / "libvirt-sock"), "a libvirtd without rights")
        yield f"qemu+unix:///system?socket={root}/libvirt-sock"


def pid_in(file: Path) -> int | None:
    """The live process a pid file names."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(file.read_text())
        if "virt" in " ".join(process_table.arguments(pid)[:1]):
            return pid
    return None


def stop(file: Path) -> None:
    pid = pid_in(file)
    assert pid is None or process_table.end(pid, patience=30.0)


@contextlib.contextmanager
def session_of_a_user(home: Path) -> Iterator[str]:
    """An ordinary user, with the daemons of their session; gives the user's name."""
    runtime = home / ".cache/libvirt"
    with account("--create-home", "--home-dir", home, "--shell", "/bin/sh", "--password", "*") as user:
        env = {**CLEAN, "HOME": str(home)}
        become = ["setpriv", "--reuid", user.pw_name, "--regid", user.pw_name, "--init-groups"]
        try:
            for name in ("virtlogd", "libvirtd"):
                process.run([*become, name, "--daemon"], deadline=Deadline.after(60), env=env, cwd=home)
            wait_until(lambda: listens(runtime / "libvirt-sock"), "the session's libvirtd")
            yield user.pw_name
        finally:
            for name in ("libvirtd", "virtlogd"):
                stop(runtime / f"{name}.pid")


@contextlib.contextmanager
def ssh_server(root: Path) -> Iterator[int]:
    """sshd on a free port of loopback; gives the port."""
    for name in ("host", "client", "stranger"):
        make_key(root / name)
    port = free_port()
    text = configuration("ListenAddress 127.0.0.1", [root / "host"], root / "client.pub")
    (root / "sshd_config").write_text(text)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    write_ssh(root / "ssh", root / "known_hosts")
    (root / "known_hosts").write_text(f"[127.0.0.1]:{port} {(root / 'host.pub').read_text()}")
    (root / "known_hosts").chmod(0o644)
    with (root / "sshd.log").open("wb") as log:
        child = subprocess.Popen(
            [SSHD, "-D", "-e", "-p", str(port), "-f", str(root / "sshd_config")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=CLEAN, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: _answers(port), "sshd")
        yield port
    finally:
        child.terminate()
        child.wait()


def write_ssh(script: Path, known_hosts: Path) -> None:
    """An ssh that reads nobody's settings and knows these hosts."""
    options = f"-F /dev/null -o UserKnownHostsFile={known_hosts} -o GlobalKnownHostsFile=/dev/null"
    script.write_text(f'#!/bin/sh\nexec ssh {options} -o IdentitiesOnly=yes "$@"\n')
    script.chmod(0o755)


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word; gives its number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for sock in kept:
            sock.close()
