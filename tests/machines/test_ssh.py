"""Machines that exist already: who is let in, who is believed, and that nothing stays there."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import HOST, Kind, living_in, on_bench, order_for
from habitat import Home, fresh_home, listens, wait_until
from remote import ACCOUNT, Server, at_home, reached, sshd
from sshd_files import make_key

from orchestrator.deadline import Deadline
from orchestrator.errors import BootError, LabError, TransportError, Unavailable
from orchestrator.host import process
from orchestrator.paths import state_dir

pytestmark = pytest.mark.real


@pytest.fixture
def home() -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        yield home


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with sshd() as server:
        yield server


def refused(home: Home, keys: dict[str, object]) -> LabError:
    """Why the machine cannot be reached; nothing of it is kept."""
    with pytest.raises(LabError) as caught, reached(home, keys):
        pytest.fail("it was reached")
    assert list((state_dir() / "remote").glob("*")) == []
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


class TestWhoIsBelieved:
    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_a_server_with_the_key_the_lab_gives(self, home: Home, server: Server, kind: str) -> None:
        with reached(home, server.keys(host_key=server.host_key(kind))) as bench:
            assert bench.shell("echo in").stdout == "in\n"

    @pytest.mark.parametrize("hashed", [False, True], ids=["plain", "hashed"])
    def test_one_in_known_hosts(
        self, home: Home, server: Server, monkeypatch: pytest.MonkeyPatch, hashed: bool
    ) -> None:
        folder = at_home(monkeypatch, home, server.known_hosts("rsa", "ecdsa"))
        if hashed:
            process.run(["ssh-keygen", "-H", "-f", folder / "known_hosts"], deadline=Deadline.after(60))
            assert "127.0.0.1" not in (folder / "known_hosts").read_text()
        with reached(home, server.keys(host_key=None)) as bench:
            assert bench.shell("echo in").stdout == "in\n"

    def test_an_unknown_one_is_not(self, home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        at_home(monkeypatch, home, "")
        problem = refused(home, server.keys(host_key=None))
        assert isinstance(problem, Unavailable)
        assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> ~/.ssh/known_hosts" in problem.hint
        assert "compare the fingerprint" in problem.hint

    def test_one_with_another_key_is_not(self, home: Home, server: Server, tmp_path: Path) -> None:
        other = make_key(tmp_path / "other")
        line = Path(f"{other}.pub").read_text().strip()
        problem = refused(home, server.keys(host_key=line))
        said = process.run(
            ["ssh-keygen", "-lf", server.folder / "host_ed25519.pub"], deadline=Deadline.after(60)
        )
        assert said.stdout.decode().split()[1] in problem.message
        assert "intercepting the connection" in problem.hint

    def test_one_with_another_kind_of_key_is_not(self, home: Home, tmp_path: Path) -> None:
        other = make_key(tmp_path / "other", "ecdsa")
        with sshd(host_kinds=("ed25519",)) as server:
            keys = server.keys(host_key=Path(f"{other}.pub").read_text().strip())
            assert "no host key of a known type (ecdsa-sha2-nistp256)" in refused(home, keys).message


class TestWhoIsLetIn:
    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_by_a_key_of_each_kind(self, home: Home, kind: str) -> None:
        with sshd() as server:
            key = make_key(server.folder / "mine", kind)
            shutil.copy(f"{key}.pub", server.folder / "authorized_keys")
            with reached(home, server.keys(key=str(key))) as bench:
                assert bench.shell("id -u").stdout == "60600\n"

    def test_not_by_a_key_nobody_knows_there(self, home: Home, server: Server, tmp_path: Path) -> None:
        problem = refused(home, server.keys(key=str(make_key(tmp_path / "stranger"))))
        assert f"failed: tried {tmp_path}/stranger" in problem.message
        assert "ssh-copy-id root@" in problem.hint

    def test_not_by_a_key_with_a_passphrase(self, home: Home, server: Server, tmp_path: Path) -> None:
        locked = make_key(tmp_path / "locked", passphrase="secret")
        problem = refused(home, server.keys(key=str(locked)))
        assert "has a passphrase" in problem.message
        assert problem.hint == f"run: ssh-add {locked}"

    def test_but_by_the_agent_that_has_it(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        locked, asker = make_key(tmp_path / "locked", passphrase="secret"), tmp_path / "asker"
        asker.write_text("#!/bin/sh\necho secret\n")
        asker.chmod(0o755)
        with sshd() as server, agent(tmp_path / "agent", monkeypatch):
            shutil.copy(f"{locked}.pub", server.folder / "authorized_keys")
            monkeypatch.setenv("SSH_ASKPASS", str(asker))
            monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
            process.run(["ssh-add", "-q", locked], deadline=Deadline.after(60))
            for key in (str(locked), None):
                with reached(home, server.keys(key=key)) as bench:
                    assert bench.shell("echo in").stdout == "in\n"

    def test_by_the_usual_key_without_naming_one(
        self, home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = at_home(monkeypatch, home, "")
        shutil.copy(server.client_key, folder / "id_ed25519")
        with reached(home, server.keys(key=None)) as bench:
            assert bench.shell("echo in").stdout == "in\n"

    def test_a_key_file_that_is_not_there(self, home: Home, server: Server) -> None:
        problem = refused(home, server.keys(key="/nowhere/id"))
        assert "no private key /nowhere/id" in problem.message

    def test_not_where_keys_are_not_taken(self, home: Home) -> None:
        more = "PubkeyAuthentication no\nPasswordAuthentication yes"
        with sshd(more=more.replace("PasswordAuthentication yes", "HostbasedAuthentication yes")) as server:
            assert "login as root@" in refused(home, server.keys()).message


@contextlib.contextmanager
def agent(socket_path: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    program = Path(shutil.which("ssh-agent") or "")
    with process.running(["ssh-agent", "-D", "-a", str(socket_path)], executable=program):
        wait_until(lambda: listens(socket_path), "the agent")
        patch.setenv("SSH_AUTH_SOCK", str(socket_path))
        yield


class TestTheWayThere:
    def test_nobody_listens(self, home: Home, server: Server) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            problem = refused(home, server.keys(address=f"127.0.0.1:{probe.getsockname()[1]}"))
        assert isinstance(problem, TransportError)
        assert "Connection refused" in problem.message

    def test_no_such_host(self, home: Home, server: Server) -> None:
        problem = refused(home, server.keys(address="there-is-no-such-host.invalid"))
        assert "cannot resolve there-is-no-such-host.invalid" in problem.message
        assert "address:" in problem.hint

    def test_something_else_listens(self, home: Home, server: Server) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with answering(other, b"220 mail.example ESMTP\r\n" * 200):
                assert "SSH handshake failed" in refused_words(home, server.keys(address=f"127.0.0.1:{port}"))

    def test_through_a_jump_host(self, home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        with sshd(more="LogLevel DEBUG1") as jump_host:
            shutil.copy(f"{server.client_key}.pub", jump_host.folder / "authorized_keys")
            at_home(monkeypatch, home, jump_host.known_hosts())
            with reached(home, server.keys(jump=f"{ACCOUNT}@{jump_host.address}")) as bench:
                assert bench.shell("echo in").stdout == "in\n"
            assert f"target 127.0.0.1 port {server.port}" in (jump_host.folder / "log").read_text()

    def test_a_jump_host_nobody_knows(
        self, home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_home(monkeypatch, home, server.known_hosts())
        problem = refused(home, server.keys(jump="gate.example"))
        assert "the host key of gate.example is unknown" in problem.message

    def test_a_jump_host_that_forbids_it(
        self, home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with sshd(more="AllowTcpForwarding no") as jump_host:
            shutil.copy(f"{server.client_key}.pub", jump_host.folder / "authorized_keys")
            at_home(monkeypatch, home, jump_host.known_hosts())
            problem = refused(home, server.keys(jump=f"root@{jump_host.address}"))
        assert f"jump host root@{jump_host.address} cannot reach {server.address}" in problem.message
        assert "AllowTcpForwarding" in problem.hint


def refused_words(home: Home, keys: dict[str, object]) -> str:
    with pytest.raises(LabError) as caught, reached(home, keys):
        pytest.fail("it was reached")
    return caught.value.message


@contextlib.contextmanager
def answering(listener: socket.socket, words: bytes) -> Iterator[None]:
    """Whoever connects first is told these words."""
    import threading

    def answer() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(words)
                connection.recv(1)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield
    thread.join(60)


class TestWhatIsThere:
    def test_another_architecture_than_the_lab_says(self, home: Home, server: Server) -> None:
        kind = Kind("ssh", "s390x")
        order = order_for(kind, home, keys=server.keys())
        with pytest.raises(BootError, match="programs are built for s390x") as caught, on_bench(kind, order):
            pytest.fail("it was taken")
        assert caught.value.hint == f"write `arch: {HOST}` in the lab"

    def test_a_shell_that_talks(self, home: Home) -> None:
        with sshd(more='ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"') as server:
            problem = refused(home, server.keys())
        assert "prints text in non-interactive sessions: 'Welcome'" in problem.message
        assert ".bashrc" in problem.hint

    def test_an_account_without_a_shell(self, home: Home) -> None:
        with sshd(more="ForceCommand /bin/echo This account is for mail only") as server:
            assert "This account is for mail only" in refused(home, server.keys()).message

    def test_a_place_where_nothing_can_be_run(self, home: Home, server: Server) -> None:
        problem = refused(home, server.keys(folder="/proc"))
        assert "cannot create /proc/isolab-" in problem.message
        assert "/var/tmp" in problem.hint

    def test_root_is_given_only_where_nothing_can_be_lost(self, home: Home, server: Server) -> None:
        with reached(home, server.keys()) as bench:
            assert "root" not in bench.live.handle.site.users
        with reached(home, server.keys(disposable=True)) as bench:
            assert bench.live.handle.site.users["root"] == 0
