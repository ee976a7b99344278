"""Hosts of a cluster: network namespaces of this machine, each with its own address, sshd, host key, /etc,
home, /tmp, /run, host name and processes, on a switch that has a port here.

Everything hangs on processes that end with this one, even if it is killed: namespaces and links have no names
that outlive them. A host that is switched off loses all its processes at once, and keeps its disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from habitat import host_lock, wait_until
from sshd_files import SSHD, configuration, copied_etc, make_key

from orchestrator.cluster.model import ClusterHost, Destination
from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table
from orchestrator.machines.journal import start_time

SECONDS = 60.0
NETWORK = "198.18.{net}.{host}"
"""Of the block for tests between networks (RFC 2544), which is nobody's."""
FIRST, LAST = 1, 250

_START = """\
hostname {name}
# With a /run of its own, Podman takes this for a start of the machine, and every container in its store for
# ended: it must not be another host's store.
mkdir -p /var/lib/containers
mount --bind {root}/containers /var/lib/containers
mount --bind {root}/etc /etc
{share}
mount --rbind {root}/tmp /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
until ip address show dev port 2>/dev/null | grep -q {address}; do sleep 0.02; done
exec {sshd} -D -f {root}/sshd_config -E {root}/log
"""
_UNTIL_WE_END = ("setpriv", "--pdeathsig", "KILL")


@dataclass
class NetHost:
    """A host: switched on or off, its link whole or not. ``root`` is the folder with its files."""

    name: str
    address: str
    root: Path
    switch: int
    port: str
    more: str = ""
    shared: Path | None = None
    _running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _pid: int = 0

    @property
    def home(self) -> Path:
        """Its root's home: state and caches are below, as for anybody."""
        return self.root / "home"

    @property
    def ssh(self) -> ClusterHost:
        """As a hosts file has it; keys and users come from the ssh_config that ``hosts`` puts in place."""
        return ClusterHost(self.name, Destination(self.address))

    def on(self) -> None:
        """Switch it on; it listens when this returns. It goes off when the thread ends that switched it on
        (prctl(2), PR_SET_PDEATHSIG): let the test's own do it."""
        self.begin()
        self.await_on()

    def begin(self) -> None:
        """Switch it on without waiting for its sshd."""
        script = _START.format(
            name=self.name, address=self.address, root=self.root, sshd=SSHD, share=self._share
        )
        where, more = f"ListenAddress {self.address}", f"{self.more}\nMaxSessions 100"
        text = configuration(where, [self.root / "host_key"], self.root / "authorized_keys", more)
        (self.root / "sshd_config").write_text(text)
        apart = ("--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        argv = (*_UNTIL_WE_END, "unshare", *apart, "sh", "-e", "-c", script)
        self._pid = self._running.enter_context(_running(argv))
        _await_net(self._pid)
        inner = f"{self.port}h"
        # The same each time it is switched on, as others remember it.
        mac = "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        peer = ("peer", "name", inner, "address", mac)
        _inside(self.switch, "ip", "link", "add", self.port, "type", "veth", *peer)
        _inside(self.switch, "ip", "link", "set", self.port, "master", "switch", "up")
        _inside(self.switch, "ip", "link", "set", inner, "netns", str(self._pid), "name", "port")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", "port")
        self.inside("ip", "link", "set", "port", "up")

    @property
    def _share(self) -> str:
        """What makes a folder of this machine that is below /tmp visible in its own /tmp."""
        if self.shared is None or not self.shared.is_relative_to("/tmp"):
            return ":"
        there = f"{self.root}{self.shared}"
        return f"mkdir -p {there} && mount --bind {self.shared} {there}"

    def await_on(self) -> None:
        """Wait until it listens."""
        wait_until(self.listens, f"sshd of {self.name}; its log: {self.root}/log")

    def off(self) -> None:
        """Pull its plug: every process of it ends at once, and is gone when this returns."""
        mine = {pid: start_time(pid) for pid in self.processes()}
        # With its first process all others end; the parent of that takes its status at once.
        for first in _children(self._pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)
        wait_until(lambda: not _children(self._pid), "the end of its first process")
        self._running.close()
        # By when they started, too: another process may have the number of one that is gone.
        wait_until(lambda: not any(start_time(pid) == mine[pid] != "" for pid in mine), "its processes' end")
        self._running = contextlib.ExitStack()
        # The kernel takes a dead network's links away a while later; its name is wanted again at once.
        argv = ["nsenter", f"--net=/proc/{self.switch}/ns/net", "ip", "link", "delete", self.port]
        process.run(argv, deadline=Deadline.after(SECONDS), check=False)

    def listens(self) -> bool:
        """Whether its sshd takes connections from here."""
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex((self.address, 22)) == 0

    def cut(self) -> None:
        """Lose everything in both directions, silently, as a cable that is pulled behind the next switch."""
        self.deafen()
        self.mute()

    def deafen(self) -> None:
        """Lose what is sent to it; what it says arrives."""
        self.inside("iptables", "-w", "-A", "INPUT", "!", "-i", "lo", "-j", "DROP")

    def mute(self) -> None:
        """Lose what it says; what is sent to it arrives."""
        self.inside("iptables", "-w", "-A", "OUTPUT", "!", "-o", "lo", "-j", "DROP")

    def unplug(self) -> None:
        """Take its link down, which both sides notice."""
        _inside(self.switch, "ip", "link", "set", self.port, "down")

    def slow(self, kbit: int) -> None:
        """Let no more than so many kilobits a second through, in each direction."""
        words = ("root", "tbf", "rate", f"{kbit}kbit", "burst", "4kb", "latency", "500ms")
        self.inside("tc", "qdisc", "replace", "dev", "port", *words)
        _inside(self.switch, "tc", "qdisc", "replace", "dev", self.port, *words)

    def heal(self) -> None:
        """Undo all that was done to its link."""
        self.inside("iptables", "-w", "-F")
        _inside(self.switch, "ip", "link", "set", self.port, "up")
        for run, device in ((self.inside, "port"), (self._beside, self.port)):
            run("tc", "qdisc", "replace", "dev", device, "root", "pfifo")

    def inside(self, *words: str) -> str:
        """Run a command in its network, with this machine's files; returns what it wrote."""
        return _inside(self._pid, *words)

    def processes(self) -> list[int]:
        """Its processes, by their numbers here; sshd, its first, among them."""
        mine = _namespace(next(iter(_children(self._pid)), 0))
        return sorted(process_table.find(lambda pid: _namespace(pid) == mine)) if mine else []

    def _beside(self, *words: str) -> str:
        return _inside(self.switch, *words)


@dataclass(frozen=True)
class NetHosts:
    """Hosts on one switch, and the folder of this side: keys, the ssh_config and an ``ssh`` that reads it."""

    folder: Path
    hosts: tuple[NetHost, ...]
    controller: str

    def __getitem__(self, name: str) -> NetHost:
        return next(host for host in self.hosts if host.name == name)

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def client_key(self) -> Path:
        return self.folder / "client"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def path(self) -> str:
        """PATH with that ``ssh`` first: OpenSSH looks for a user's settings in the password database."""
        return f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}"


@contextlib.contextmanager
def hosts(
    names: Sequence[str] = ("alder", "birch", "cedar", "dogwood"), more: str = "", shared: Path | None = None
) -> Iterator[NetHosts]:
    """So many hosts, all on; ``more`` are further lines of their sshd's configuration, ``shared`` is a folder
    that all of them see, also if it is below /tmp. The ``ssh`` of this
    process knows their keys and has one for root there."""
    # Not below /tmp: hosts have one of their own.
    folder = Path(tempfile.mkdtemp(prefix="ilc", dir="/var/tmp"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # It reads until this process is dead, and then removes what that cannot; hosts that are still ending
        # may write once more.
        sweep = 'cat; for n in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 1; done'
        janitor = ["sh", "-c", sweep, "sh", str(folder)]
        stack.enter_context(process.plugged(janitor, folder / "janitor.log"))
        switch = stack.enter_context(_running((*_UNTIL_WE_END, "unshare", "--net", "sleep", "infinity")))
        _await_net(switch)
        net = _plug_in(switch)
        make_key(folder / "client")
        _write_client(folder)
        found = []
        for number, name in enumerate(names, 10):
            address = NETWORK.format(net=net, host=number)
            host = NetHost(name, address, folder / name, switch, f"p{number}", more, shared)
            _write_host(host, folder)
            stack.callback(host.off)
            host.begin()
            found.append(host)
        for host in found:
            host.await_on()
        with pytest.MonkeyPatch.context() as patch:
            made = NetHosts(folder, tuple(found), NETWORK.format(net=net, host=1))
            patch.setenv("PATH", made.path)
            patch.delenv("SSH_AUTH_SOCK", raising=False)
            yield made


def _plug_in(switch: int) -> int:
    """Give the switch a port here, with the first address of a network that nobody here has; its number."""
    _inside(switch, "ip", "link", "add", "switch", "type", "bridge")
    _inside(switch, "ip", "link", "set", "switch", "up")
    with host_lock("cluster-hosts"):
        there = process.run(["ip", "-brief", "address"], deadline=Deadline.after(SECONDS)).stdout.decode()
        net = next(n for n in range(FIRST, LAST) if NETWORK.format(net=n, host=1) + "/" not in there)
        ours = f"ilc{net}"
        _ip("link", "add", ours, "type", "veth", "peer", "name", "uplink", "netns", str(switch))
        _ip("address", "add", NETWORK.format(net=net, host=1) + "/24", "dev", ours)
        _ip("link", "set", ours, "up")
    _inside(switch, "ip", "link", "set", "uplink", "master", "switch", "up")
    return net


def _write_client(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "ssh_config").write_text(
        f"Host *\n  User root\n  IdentityFile {folder}/client\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    )
    (folder / "known_hosts").touch()
    real = shutil.which("ssh", path="/usr/local/bin:/usr/bin:/bin")
    script = folder / "bin" / "ssh"
    script.write_text(f'#!/bin/sh\nexec {real} -F {folder}/ssh_config "$@"\n')
    script.chmod(0o755)


def _write_host(host: NetHost, folder: Path) -> None:
    host.root.mkdir()
    host.home.mkdir()
    (host.root / "tmp").mkdir()
    (host.root / "containers").mkdir()
    (host.root / "tmp").chmod(0o1777)
    make_key(host.root / "host_key")
    shutil.copy(folder / "client.pub", host.root / "authorized_keys")
    etc = copied_etc(host.root)
    lines = (etc / "passwd").read_text().splitlines()
    lines = [f"root:x:0:0::{host.home}:/bin/bash" if one.startswith("root:") else one for one in lines]
    (etc / "passwd").write_text("\n".join(lines) + "\n")
    (etc / "machine-id").unlink(missing_ok=True)
    (etc / "machine-id").write_text(f"{host.address}\n".encode().hex().ljust(32, "0")[:32] + "\n")
    public = (host.root / "host_key.pub").read_text().strip()
    with (folder / "known_hosts").open("a") as file:
        file.write(f"{host.address} {public}\n")


@contextlib.contextmanager
def _running(argv: Sequence[str]) -> Iterator[int]:
    with process.running(argv, executable=Path(shutil.which(argv[0]) or "")) as pid:
        yield pid


def _await_net(pid: int) -> None:
    ours = Path("/proc/self/ns/net").readlink()

    def apart() -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/ns/net").readlink() != ours
        return False

    wait_until(apart, "a network of its own")


def _inside(pid: int, *words: str) -> str:
    argv = ["nsenter", f"--net=/proc/{pid}/ns/net", *words]
    return process.run(argv, deadline=Deadline.after(SECONDS)).stdout.decode()


def _ip(*words: str) -> None:
    process.run(["ip", *words], deadline=Deadline.after(SECONDS))


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _namespace(pid: int) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""
