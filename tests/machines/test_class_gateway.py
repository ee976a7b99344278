"""The gateway of a class: a real sshd, real guests behind it, and students who try everything."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import threading
from collections.abc import Generator, Iterator, Sequence

import paramiko
import pytest
from class_room import SILENT, Room, room_of, text, words
from habitat import wait_until
from paramiko.common import cMSG_DISCONNECT
from sshd_files import make_key

from orchestrator.classes import gateway
from orchestrator.classes.activity import Activity, Kind
from orchestrator.classes.gateway import sandbox
from orchestrator.classes.gateway.added_keys import AddedKeys
from orchestrator.classes.gateway.allow import allow
from orchestrator.classes.gateway.folder import folder_of, gateway_id
from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.gateway.leftovers import reclaim_gateways
from orchestrator.classes.gateway.public_key import key_fingerprint, key_line
from orchestrator.classes.gateway.requests import serve_requests
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import HostLacks, SpecError, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.process import Finished
from orchestrator.sessions.lifecycle import renew, take_down

pytestmark = pytest.mark.real

MACHINES = """\
machines:
  desk: {driver: qemu, arch: amd64}
shared:
  board: {driver: qemu, arch: amd64}
"""


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with room_of(MACHINES, ["ada", "bob"]) as found:
        yield found


def test_a_student_lands_in_her_own_machine(room: Room) -> None:
    for who in ("ada", "bob"):
        note = f"echo of {who} >/tmp/note; cat /tmp/note; id -un; exit 7"
        done = room.ssh(who, note)
        assert (done.code, text(done)) == (7, f"of {who}\nstudent\n"), words(done)
    assert text(room.ssh("ada", "cat /tmp/note", login="desk")) == "of ada\n"
    board = room.ssh("ada", "hostname; touch /tmp/of-ada", login="board")
    assert text(board) == "board\n", words(board)
    assert room.ssh("bob", "ls /tmp/of-ada", login="board").code == 0


def test_words_and_bytes_arrive_as_they_are(room: Room) -> None:
    odd = [
        "a  b",
        "it's",
        '"',
        "*",
        "$HOME",
        "-n",
        "",
        "line\nbreak",
        "ü",
        "`id`",
        "\\",
        "&&",
        "-oProxyCommand=x",
    ]
    done = room.ssh("ada", shlex.join(["printf", "%s|", *odd]))
    assert text(done) == "".join(f"{word}|" for word in odd)
    data = bytes(range(256)) * 2000
    assert room.ssh("ada", "cat", stdin=data).stdout == data
    there = room.ssh("ada", "tar xf - && cat there", stdin=_archive(room, "there"))
    assert text(there) == "content", words(there)


def _archive(room: Room, name: str) -> bytes:
    (room.home.root / name).write_text("content")
    argv = ["tar", "cf", "-", "-C", str(room.home.root), name]
    return process.run(argv, deadline=Deadline.after(60)).stdout


def test_a_terminal_has_the_size_and_the_name_of_the_students(room: Room) -> None:
    done = room.ssh("ada", "tty; echo $TERM", more=["-tt"])
    assert text(done).split() == ["/dev/pts/0", "xterm"], words(done)
    shell = room.ssh("ada", more=["-tt"], stdin=b"echo $((6*7)); exit 5\n")
    assert (shell.code, "42" in text(shell)) == (5, True)


@pytest.mark.parametrize("login", ["root", "nobody", "student", "ada"])
def test_there_are_no_other_login_names(room: Room, login: str) -> None:
    done = room.ssh("ada", "id", login=login)
    assert (done.code, text(done)) == (255, "")
    assert "Permission denied (publickey)" in words(done)


def test_a_stranger_stays_outside(room: Room) -> None:
    assert room.ssh("stranger", "id").code == 255
    by_password = ["-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password"]
    assert "Permission denied (publickey)" in words(room.ssh("ada", "id", more=by_password))


def test_only_ones_own_machine_can_be_reached_by_forwarding(room: Room) -> None:
    own = room.to_port("ada", f"127.0.0.1:{room.forwarded('ada')}")
    assert own.stdout.startswith(b"SSH-2.0-dropbear"), words(own)
    elsewhere = [room.forwarded("bob"), room.port, 22]
    for target in [*(f"127.0.0.1:{port}" for port in elsewhere), "localhost:22", "[::1]:22", "10.0.2.2:22"]:
        done = room.to_port("ada", target)
        assert (done.code, done.stdout) == (255, b""), target
        assert "administratively prohibited" in words(done), target


@pytest.mark.parametrize(
    "more",
    [
        ["-R", "0:127.0.0.1:22"],
        ["-R", "{folder}/socket:127.0.0.1:22"],
        ["-w", "any:any"],
    ],
)
def test_nothing_is_forwarded_to_the_student(room: Room, more: list[str]) -> None:
    given = [word.format(folder=room.home.root) for word in more]
    done = room.ssh("ada", "echo in", more=["-o", "ExitOnForwardFailure=yes", *given])
    assert (done.code, text(done)) == (255, ""), words(done)


def test_no_socket_of_the_host_and_no_agent(room: Room) -> None:
    local = f"{room.home.root}/local"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(f"{room.home.root}/service")
        service.listen()
        forward = f"{local}:{room.home.root}/service"
        argv = ["ssh", *room.options("ada"), "-N", "-L", forward, "lab@127.0.0.1"]
        with process.plugged(argv, room.home.root / "log"), socket.socket(socket.AF_UNIX) as line:
            wait_until(lambda: line.connect_ex(local) == 0, "the client's socket")
            line.settimeout(30)
            with contextlib.suppress(ConnectionError):
                assert line.recv(1) == b""
    done = room.ssh("ada", "echo agent=$SSH_AUTH_SOCK display=$DISPLAY", more=["-A", "-X"])
    assert text(done).strip() == "agent= display="


def test_nothing_of_the_students_environment_counts(room: Room) -> None:
    given = [
        "LOGNAME=board",
        "USER=board",
        "PATH=/tmp",
        "SSH_ORIGINAL_COMMAND=id",
        "ENV=/tmp/x",
        "LD_PRELOAD=x",
    ]
    more = [word for one in given for word in ("-o", f"SetEnv={one}")]
    assert text(room.ssh("ada", "hostname", more=more)) == "desk\n"


def test_words_for_ssh_itself_are_a_command_in_the_machine(room: Room) -> None:
    for line in ["-oProxyCommand=touch${IFS}" + f"{room.home.root}/harm", "-V", "-G", "--", "-F /etc/passwd"]:
        done = room.ssh("ada", "--", line)
        assert b"OpenSSH" not in done.stderr
        assert b"hostname" not in done.stdout
    assert not (room.home.root / "harm").exists()


def test_too_much_and_nothing_at_all(room: Room) -> None:
    long = room.ssh("ada", "true " + "x" * 100_000)
    assert long.code != 0
    with socket.create_connection(("127.0.0.1", room.port)) as line:
        line.settimeout(30)
        with contextlib.suppress(ConnectionError):
            line.sendall(b"A" * 10_000_000)  # no greeting
            while line.recv(65536):
                pass
    assert room.ssh("ada", "true").code == 0


def test_connect_leads_to_ones_own_machines_also_when_they_are_replaced(room: Room) -> None:
    config = room.home.root / "config"
    gate = f"ssh -F none -i {room.key('ada')} -o UserKnownHostsFile={room.home.root}/known_hosts "
    gate += f"-p {room.port} lab@127.0.0.1"
    config.write_text(
        f"Host desk board\n  User student\n  IdentityFile {room.key('ada')}\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  ProxyCommand {gate} isolab connect %n\n"
    )

    def at(machine: str) -> Finished:
        argv = ["ssh", "-F", str(config), machine, "hostname"]
        return process.run(argv, deadline=Deadline.after(60), check=False)

    assert [text(at(name)) for name in ("desk", "board")] == ["desk\n", "board\n"]
    before = room.forwarded("ada")
    renew(room.machine("ada"), SILENT, Cancellation())
    allow(room.machine("ada"), student_keys(room.found, "ada"))
    gateway.refresh(room.found)
    assert text(at("desk")) == "desk\n"
    assert text(room.ssh("ada", "hostname")) == "desk\n"
    if room.forwarded("ada") != before:
        old = room.to_port("ada", f"127.0.0.1:{before}")
        assert "administratively prohibited" in words(old)
    for name in ("bob", "desk; id", "../desk", "22"):
        done = room.ssh("ada", f"isolab connect {name}")
        assert (done.code, done.stdout) == (69, b"")
        assert "there is no machine" in words(done)


def test_proxy_jump_to_the_port_of_the_machine(room: Room) -> None:
    config = room.home.root / "jump"
    key, known = room.key("bob"), room.home.root / "known_hosts"
    common = f"  IdentityFile {key}\n  IdentitiesOnly yes\n  LogLevel ERROR\n"
    config.write_text(
        f"Host gate\n  HostName 127.0.0.1\n  Port {room.port}\n  User lab\n"
        f"  UserKnownHostsFile {known}\n{common}"
        f"Host desk\n  HostName 127.0.0.1\n  Port {room.forwarded('bob')}\n  User student\n  ProxyJump gate\n"
        f"  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n{common}"
    )
    argv = ["ssh", "-F", str(config), "desk", "cat; exit 4"]
    done = process.run(argv, deadline=Deadline.after(60), stdin=b"through", check=False)
    assert (done.code, text(done)) == (4, "through"), words(done)


def handler(seat: str, asked: Sequence[str]) -> Generator[str, None, int]:
    yield f"{seat} asks {list(asked)}\n"
    if asked[0] == "bad":
        raise SpecError("this cannot be", hint="do something else")
    return 5


def test_the_class_is_asked_by_the_keys_seat(room: Room) -> None:
    unserved = room.ssh("ada", "isolab status")
    assert (unserved.code, unserved.stdout) == (69, b"")
    assert "the class's service does not run" in words(unserved)
    with serve_requests(folder_of(room.found).socket, handler):
        done = room.ssh("ada", "isolab hand-in 'a b' --seat bob", login="board")
        assert (done.code, text(done)) == (5, "ada asks ['hand-in', 'a b', '--seat', 'bob']\n")
        assert text(room.ssh("bob", "isolab")) == "bob asks ['help']\n"
        refused = room.ssh("bob", "isolab bad")
        assert (refused.code, text(refused)) == (
            2,
            "bob asks ['bad']\nisolab: this cannot be\n  hint: do something else\n",
        )
        assert room.ssh("bob", "isolab 'open").code == 2
        assert "this command is too long" in words(room.ssh("bob", "isolab " + "x" * 9000))
        assert text(room.ssh("bob", "isolab status", stdin=b"x" * 10_000_000)) == "bob asks ['status']\n"
        with socket.socket(socket.AF_UNIX) as stranger:  # we are not the gateway
            stranger.connect(str(folder_of(room.found).socket))
            stranger.settimeout(30)
            if gateway_id() != os.getuid():
                assert stranger.recv(100) == b""


def test_who_came_is_known_and_cannot_be_made_up(room: Room) -> None:
    gateway.record_logins(room.found)
    wait_until(lambda: not gateway.present(room.found), "who came before to be gone")
    gateway.record_logins(room.found)
    activity = Activity(room.found)
    before = len(activity.events([Kind.CAME]))
    fingerprint = key_fingerprint(key_line(room.key("ada").with_suffix(".pub").read_text()))
    _have_logged(
        room.port,
        f"\nAccepted publickey for lab from 6.6.6.6 port 1 ssh2: ED25519 {fingerprint}\n"
        "Starting session: forced-command (key-option) 'exec setpriv --pdeathsig TERM -- /bin/sh "
        "/etc/isolab/enter ada x' for lab from 6.6.6.6 port 1 id 0\n",
    )
    here = threading.Event()
    argv = ["ssh", *room.options("bob"), "desk@127.0.0.1", "echo in; cat"]
    with process.plugged(argv, room.home.root / "log") as line:
        assert line.recv(3) == b"in\n"
        gateway.record_logins(room.found)
        assert dict(gateway.present(room.found)) == {"bob": 1}
        here.set()
    wait_until(lambda: not gateway.present(room.found), "bob to leave")
    gateway.record_logins(room.found)
    came = activity.events([Kind.CAME])[before:]
    assert [(event.seat, event.detail) for event in came] == [("bob", "ssh, desk, from 127.0.0.1")]
    assert activity.events([Kind.CAME, Kind.LEFT])[-1].kind is Kind.LEFT
    assert "6.6.6.6" in folder_of(room.found).log.read_text()


def _have_logged(port: int, message: str) -> None:
    """Say goodbye with this message, which sshd logs."""
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.start_client(timeout=30)
    goodbye = paramiko.Message()
    goodbye.add_byte(cMSG_DISCONNECT)
    goodbye.add_int(11)
    goodbye.add_string(message)
    goodbye.add_string("")
    transport._send_message(goodbye)  # type: ignore[attr-defined]
    transport.join(30)


def test_keys_come_and_go(room: Room) -> None:
    added = AddedKeys(room.found)
    public = make_key(room.key("laptop")).with_suffix(".pub").read_text()
    room.key("laptop").with_suffix(".pub").write_text(public)
    with pytest.raises(SpecError, match="another seat's already"):
        added.add("ada", room.key("bob").with_suffix(".pub").read_text())
    key = added.add("ada", public)
    gateway.refresh(room.found)
    assert room.ssh("laptop", "true").code == 0
    assert added.revoke("ada", key.fingerprint)
    gateway.refresh(room.found)
    assert room.ssh("laptop", "true").code == 255


def test_what_a_client_leaves_behind_ends_with_it(room: Room) -> None:
    argv = ["ssh", *room.options("ada"), "lab@127.0.0.1", "echo in; sleep 1000"]
    with process.plugged(argv, room.home.root / "log") as line:
        assert line.recv(3) == b"in\n"
        assert len(_inside(room)) > 1
    wait_until(lambda: len(_inside(room)) == 1, "the gateway's processes to end")


def _inside(room: Room) -> set[int]:
    """The processes in the gateway's namespace: sshd itself, and what it started."""
    (holder,) = sandbox.running(folder_of(room.found).config)
    (first,) = process_table.find(lambda pid: process_table.parent(pid) == holder)
    return process_table.within(first) - {holder}


def test_a_machine_that_does_not_answer_is_told_of(room: Room) -> None:
    machine = room.machine("bob")
    qemu = list(process_table.find(lambda pid: machine.handle.tag in process_table.arguments(pid)))
    for pid in qemu:
        process_table.end(pid, patience=0)
    done = room.ssh("bob", "true")
    assert done.code != 0
    assert words(done).startswith("isolab: desk does not answer"), words(done)
    assert take_down([machine], SILENT) == []
    gateway.refresh(room.found)
    gone = room.ssh("bob", "true")
    assert (gone.code, words(gone)[:24]) == (69, "isolab: lab is not up: i")
    assert room.found.shared is not None
    room.raise_machine(room.found.machines, "bob")
    gateway.refresh(room.found)
    assert room.ssh("bob", "true").code == 0


def test_it_starts_once_and_again_when_it_was_killed(room: Room) -> None:
    config = folder_of(room.found).config
    (first,) = sandbox.running(config)
    gateway.start(room.found)
    assert sandbox.running(config) == [first]
    process_table.end(first, patience=0)
    wait_until(lambda: not _connects(room.port), "sshd to end with what holds it")
    assert gateway.wanted(room.found)
    assert not gateway.alive(room.found)
    gateway.start(room.found)
    assert room.ssh("ada", "true").code == 0


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_who_has_the_port_is_named(room: Room) -> None:
    gateway.stop(room.found)
    try:
        with socket.create_server(("127.0.0.1", room.port)):
            with pytest.raises(Unavailable, match=f"port {room.port} is taken"):
                gateway.start(room.found)
            assert not gateway.alive(room.found)
    finally:
        gateway.start(room.found)


def test_a_gateway_that_nobody_wants_is_garbage(room: Room) -> None:
    assert list(reclaim_gateways()) == []
    file = room.found.file
    moved = file.rename(file.with_name("elsewhere"))
    try:
        assert list(reclaim_gateways()) == ["gateway of the class mini"]
        assert not gateway.alive(room.found)
    finally:
        moved.rename(file)
        gateway.start(room.found)


def test_without_sshd_its_package_is_named(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_PLACES", str(room.home.root))
    with pytest.raises(HostLacks) as caught:
        gateway.start(room.found)
    assert "openssh-server" in caught.value.hint
