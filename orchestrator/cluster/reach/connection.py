"""The master connection to a host, and commands over it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.cluster.model import ClusterHost, Destination
from orchestrator.cluster.reach import command_line
from orchestrator.cluster.reach.complaints import explain, explain_end, login_line
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import LabError, SpecError, TimedOut, TransportError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.host import process
from orchestrator.host.cache import digest
from orchestrator.host.packages import SSH
from orchestrator.host.process import Conversation, Finished
from orchestrator.paths import SOCKET_BYTES, make_folder, scratch_dir

OPEN_SECONDS = 60.0
"""For a connection through a jump host and a slow link, with a busy host at its end."""
MASTER_SECONDS = 10.0
"""What a master, which is a process of this machine, may take to answer."""
NO_CONNECTION = 255
"""ssh's own status when the connection is not there, or broke: ssh(1)."""
_NO_SESSION = b"Session open refused by peer"
"""What a client says when the server's MaxSessions is reached: mux.c."""
_MOST_LOG = 8192
_TEMPORARY = ".XXXXXXXXXXXXXXXX"
"""What ssh appends to the name of a master's socket until it listens: mux.c."""


class HostConnection:
    """A host, and the socket of the master connection to it, which outlives this process.

    Several processes of one user may have one of the same host and folder: the connection is the same.
    """

    def __init__(self, host: ClusterHost, folder: Path) -> None:
        """``folder`` is where the socket lies. Raises Unavailable if its path would be too long."""
        self.host = host
        self.socket = folder / digest(host.name)[:8]
        if len(os.fsencode(f"{self.socket}{_TEMPORARY}")) > SOCKET_BYTES:
            raise Unavailable(
                f"the path of the connection's socket would be too long: {self.socket}",
                hint="set ISOLAB_SCRATCH to a folder with a shorter path, such as /tmp/isolab",
            )

    @property
    def log(self) -> Path:
        """What ssh wrote about this connection."""
        return self.socket.with_name(f"{self.socket.name}.log")

    def open(self, deadline: Deadline) -> None:
        """Connect, unless there is a connection that works.

        Raises Unavailable, SpecError or TransportError saying why ssh does not get there; TimedOut,
        Interrupted.
        """
        if self.is_open():
            return
        _require(self.host)
        # Of two masters of one socket, the second would have no clients, and no end.
        with self._opening(deadline):
            if not self.is_open():
                self._open(deadline)

    def _open(self, deadline: Deadline) -> None:
        self.close()
        self.log.unlink(missing_ok=True)
        argv = command_line.opening(self.host.ssh, self.socket, self.log)
        within = deadline.within(OPEN_SECONDS)
        seconds = within.remaining()
        try:
            done = process.run(argv, deadline=within, check=False)
        except TimedOut:
            raise TransportError(
                f"{self.host.name}: it let nobody in within {seconds:.0f} s",
                hint=f"try by hand, and see whether it asks something: `{login_line(self.host.ssh)}`",
            ) from None
        if done.code != 0:
            raise explain(self.host, self._said() or done.tail())

    @contextlib.contextmanager
    def _opening(self, deadline: Deadline) -> Iterator[None]:
        """Hold the lock of whoever opens this connection. Raises TimedOut, Interrupted."""
        with self.socket.with_name(f"{self.socket.name}.lock").open("w") as file:

            def taken() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            poll(taken, deadline, f"waiting for another isolab that connects to {self.host.name}", 0.05)
            yield

    def is_open(self) -> bool:
        """Return whether there is a master. One whose link broke is there until it notices."""
        return self.socket.exists() and self.ask("check").code == 0

    def close(self) -> None:
        """End the master, with all commands and forwards over it; nothing if there is none."""
        with contextlib.suppress(LabError):
            if self.socket.exists():
                self.ask("exit")
        self.socket.unlink(missing_ok=True)

    def argv(self, words: Sequence[str], *, tty: bool = False) -> list[str]:
        """Return the command that runs another on the host; without ``words``, a login shell."""
        return command_line.over(self.socket, words, tty=tty)

    def through(self, port: int) -> list[str]:
        """Return the command whose standard input and output are a connection to a port of the host's
        loopback: a ProxyCommand."""
        return command_line.through(self.socket, "127.0.0.1", port)

    def run(
        self,
        words: Sequence[str],
        *,
        deadline: Deadline,
        stdin: bytes = b"",
        check: bool = True,
        limit: int = 2**20,
    ) -> Finished:
        """Run a command on the host to completion; ``limit`` bounds what is kept of its output, in bytes.

        Raises TransportError if the connection breaks, Unavailable if the server runs no more commands, or
        (``check``) for a status other than 0; TimedOut, Interrupted.
        """
        done = process.run(self.argv(words), deadline=deadline, stdin=stdin, check=False, limit=limit)
        if done.code == NO_CONNECTION and (problem := self._not_run(done)):
            raise problem
        if check and done.code != 0:
            said = bounded(printable(done.tail(), keep="\n"), 1000)
            raise Unavailable(f"{self.host.name}: `{words[0]}` exited with status {done.code}: {said}")
        return done

    def _not_run(self, done: Finished) -> LabError | None:
        """Return why a command was not run, or not to its end; None if 255 was its own status."""
        if _NO_SESSION in done.stderr:
            return Unavailable(
                f"{self.host.name}: its SSH server carries no more commands over one connection",
                hint="set `MaxSessions 100` in /etc/ssh/sshd_config there, and reload sshd",
            )
        return None if self.is_open() else self.broken()

    def start(self, words: Sequence[str]) -> Conversation:
        """Start a command on the host, to be talked to over its standard input and output, which end when
        the connection does. Raises Unavailable."""
        return Conversation(self.argv(words))

    def ask(self, what: str, *arguments: str, deadline: Deadline | None = None) -> Finished:
        """Ask something of the master (ssh(1), -O); its status and words come back as they are."""
        argv = command_line.asking(self.socket, what, *arguments)
        within = (deadline or Deadline.never()).within(MASTER_SECONDS)
        return process.run(argv, deadline=within, check=False)

    def broken(self) -> LabError:
        """Return the error that says why there is no connection any more."""
        return explain_end(self.host, self._said())

    def _said(self) -> str:
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _MOST_LOG))
            return file.read(_MOST_LOG).decode(errors="replace").strip()
        return ""


def sockets_folder(cluster: Path) -> Path:
    """Return the folder for the sockets of a cluster's connections, made when missing; ``cluster`` is the
    folder of its state, whose own path may be too long for sockets. Raises Unavailable."""
    folder = scratch_dir() / f"ssh-{digest(str(cluster))[:10]}"
    make_folder(folder, 0o700, exist_ok=True)
    return folder


def remove_sockets(cluster: Path) -> None:
    """Remove what ``sockets_folder`` made, after the connections were closed."""
    shutil.rmtree(sockets_folder(cluster), ignore_errors=True)


def _require(host: ClusterHost) -> None:
    if not SSH.present():
        raise Unavailable("ssh is not installed", hint="install it (Debian's package openssh-client)")
    to: Destination | None = host.ssh
    while to is not None:
        # ssh itself only warns, and says in the end that nobody is let in.
        if to.identity is not None and not to.identity.is_file():
            raise SpecError(
                f"{host.name}: there is no private key {to.identity}",
                hint="name an existing one (identity:), or leave it out for those of your ssh_config",
            )
        to = to.jump
