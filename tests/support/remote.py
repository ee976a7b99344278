"""Machines that exist already: OpenSSH servers on loopback, and guests somebody else started.

A server runs in a mount namespace of its own with its own /etc, so that it has an ordinary account
although the host gets none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import HOST, Bench, Kind, on_bench, order_for
from habitat import Home, wait_until
from ports import free_port
from sshd_files import SSHD, configuration, copied_etc, make_key

from orchestrator.deadline import Deadline
from orchestrator.drivers.qemu.driver import forwarded_port
from orchestrator.drivers.qemu.qmp import human_command
from orchestrator.host import process

ACCOUNT, ACCOUNT_ID = "somebody", 61234
LOOPBACK = Kind("ssh", HOST, via="root")
KEY_KINDS = ("ed25519", "ecdsa", "rsa")

_START = """\
mount --bind {folder}/etc /etc
mkdir -p /run/sshd
exec {sshd} -D -f {folder}/sshd_config -E {folder}/log
"""


@dataclass(frozen=True)
class Server:
    """A running sshd: its port, and the folder with its keys, one client key and its log."""

    port: int
    folder: Path

    @property
    def client_key(self) -> Path:
        return self.folder / "client"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def host_key(self, kind: str = "ed25519") -> str:
        """The public key line."""
        return (self.folder / f"host_{kind}.pub").read_text().strip()

    def known_hosts(self, *kinds: str) -> str:
        """Lines of a known_hosts file."""
        return "".join(f"[127.0.0.1]:{self.port} {self.host_key(kind)}\n" for kind in kinds or KEY_KINDS)

    def keys(self, user: str = "root", **more: object) -> dict[str, object]:
        """Keys of a machine in a lab file that is this one."""
        own = {"address": self.address, "user": user, "key": str(self.client_key)}
        return {**own, "host_key": self.host_key(), "boundary": "process", **more}


@contextlib.contextmanager
def sshd(*, host_kinds: tuple[str, ...] = KEY_KINDS, more: str = "") -> Iterator[Server]:
    """A server for root and one ordinary account; ``more`` are further lines of its configuration."""
    folder = Path(tempfile.mkdtemp(prefix="ilsshd", dir="/tmp"))
    try:
        folder.chmod(0o755)
        server = Server(free_port(), folder)
        for kind in host_kinds:
            make_key(folder / f"host_{kind}", kind)
        make_key(server.client_key)
        shutil.copy(f"{server.client_key}.pub", folder / "authorized_keys")
        (folder / "home").mkdir()
        os.chown(folder / "home", ACCOUNT_ID, ACCOUNT_ID)
        account = f"{ACCOUNT}:x:{ACCOUNT_ID}:{ACCOUNT_ID}::{folder}/home:/bin/sh\n"
        etc = copied_etc(folder)
        with (etc / "passwd").open("a") as accounts:
            accounts.write(account)
        (etc / "shadow").write_text(f"root:*:19000::::::\n{ACCOUNT}:*:19000::::::\n")
        where = f"Port {server.port}\nListenAddress 127.0.0.1"
        host_keys = [folder / f"host_{kind}" for kind in host_kinds]
        text = configuration(where, host_keys, folder / "authorized_keys", more)
        (folder / "sshd_config").write_text(text)
        script = _START.format(folder=folder, sshd=SSHD)
        argv = ["unshare", "--mount", "sh", "-e", "-c", script]
        with process.running(argv, executable=Path(shutil.which("unshare") or "")):
            wait_until(lambda: _listens(server), f"sshd; its log: {folder}/log")
            yield server
    finally:
        shutil.rmtree(folder)


def _listens(server: Server) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


@contextlib.contextmanager
def guest(arch: str, home: Home, name: str = "bench") -> Iterator[dict[str, object]]:
    """A micro guest with its forwarded SSH port, as a machine that is there already."""
    kind = Kind("qemu", arch)
    with on_bench(kind, order_for(kind, home, name=name)) as bench:
        folder, deadline = Path(bench.live.handle.scratch), Deadline.after(60)
        port = forwarded_port(human_command(folder / "qmp.sock", "info usernet", deadline))
        yield {
            "address": f"127.0.0.1:{port}",
            "user": "root",
            "key": str(folder / "client_key"),
            "host_key": public_line((folder / "host_key.pub").read_bytes()),
            "boundary": "emulated",
        }


def public_line(blob: bytes) -> str:
    """An Ed25519 key as on the wire, as OpenSSH writes it."""
    import base64

    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


@contextlib.contextmanager
def existing(kind: Kind, home: Home) -> Iterator[dict[str, object]]:
    """The keys that make a lab's machine the one of this kind; none for drivers that make theirs."""
    if kind.driver != "ssh":
        yield {}
    elif kind.via == "guest":
        with guest(kind.arch, home) as keys:
            yield keys
    elif kind.via == "jump":
        with sshd() as jump_host, sshd() as inner, pytest.MonkeyPatch.context() as patch:
            # The way through the gate is proved by the gate's log, in the tests of its own.
            (inner.folder / "authorized_keys").write_text(Path(f"{jump_host.client_key}.pub").read_text())
            at_home(patch, home, jump_host.known_hosts())
            jump = {"jump": f"{ACCOUNT}@{jump_host.address}", "key": str(jump_host.client_key)}
            yield inner.keys(**jump)
    else:
        with sshd() as server:
            yield server.keys("root" if kind.via == "root" else ACCOUNT)


def at_home(patch: pytest.MonkeyPatch, home: Home, known_hosts: str) -> Path:
    """Give this process a ~/.ssh of its own with these known hosts; the caches stay."""
    cache = os.environ.get("ISOLAB_CACHE") or str(Path.home() / ".cache/isolab")
    patch.setenv("ISOLAB_CACHE", cache)
    patch.setenv("HOME", str(home.root))
    patch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = home.root / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "known_hosts").write_text(known_hosts)
    return folder


@contextlib.contextmanager
def reached(home: Home, keys: dict[str, object]) -> Iterator[Bench]:
    """The machine with these keys of a lab file, up and connected, by this host's architecture."""
    with on_bench(LOOPBACK, order_for(LOOPBACK, home, keys=keys)) as bench:
        yield bench
