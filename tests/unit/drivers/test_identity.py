"""What makes a machine itself: its message, its keys, and the talk with its init."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.guest.identity import (
    ENTROPY_BYTES,
    MOST_BYTES,
    MOST_NOTES,
    Desk,
    Keys,
    Port,
    give,
    make_keys,
    render,
)
from orchestrator.errors import BootError, Interrupted, TimedOut


def parse(message: bytes) -> dict[str, bytes]:
    """The other end of the protocol: lines of a key and a length, each followed by its value."""
    found: dict[str, bytes] = {}
    while message:
        head, _, rest = message.partition(b"\n")
        key, length = head.decode().split(" ")
        found[key], message = rest[: int(length)], rest[int(length) :]
    return found


def fields(blob: bytes) -> list[bytes]:
    """The strings of a key blob (RFC 4251, section 5)."""
    found = []
    while blob:
        (length,) = struct.unpack(">I", blob[:4])
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return found


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_any_bytes_survive_the_message(host: bytes, client: bytes, entropy: bytes) -> None:
    found = parse(render("vm", Keys(host, b"openssh", b"", b"", client), 1700000000.25, entropy))
    assert {"hostname", "time", "entropy", "host-key", "host-key-openssh", "authorised-key"} < set(found)
    assert list(found)[-1] == "end"
    assert (found["hostname"], found["time"], found["end"]) == (b"vm", b"1700000000.250000000", b"")
    assert (found["host-key"], found["authorised-key"], found["entropy"]) == (host, client, entropy)


def parts(message: bytes) -> list[tuple[str, bytes]]:
    """The same, with what is repeated, in the order sent."""
    found = []
    while message:
        head, _, rest = message.partition(b"\n")
        key, length = head.decode().split(" ")
        found.append((key, rest[: int(length)]))
        message = rest[int(length) :]
    return found


def test_a_home_is_mounted_before_keys_are_written_into_it() -> None:
    desk = Desk(home=2**30, keys=("ssh-ed25519 A ann", "ssh-ed25519 B bob"), processes=200)
    found = parts(render("vm", make_keys(), 0, b"", desk=desk))
    names = [name for name, _ in found]
    assert (
        names.index("time")
        < names.index("home")
        < names.index("authorised-key")
        < names.index("student-keys")
    )
    assert dict(found)["student-keys"] == b"ssh-ed25519 A ann\nssh-ed25519 B bob\n"
    assert (dict(found)["home"], dict(found)["processes"]) == (b"1073741824", b"200")


def test_machines_without_a_student_are_told_nothing_of_one() -> None:
    names = {name for name, _ in parts(render("vm", make_keys(), 0, b""))}
    assert names.isdisjoint({"home", "student-keys", "processes"})


@given(st.lists(st.text("abc", min_size=1, max_size=3).map(lambda text: text * 9000), max_size=9))
def test_keys_of_a_large_class_come_in_parts_that_init_can_take(keys: list[str]) -> None:
    message = render("vm", Keys(b"", b"", b"", b"", b""), 0, b"", desk=Desk(keys=tuple(keys)))
    found = [value for name, value in parts(message) if name == "student-keys"]
    assert b"".join(found) == "".join(f"{key}\n" for key in keys).encode()
    assert all(0 < len(value) <= MOST_BYTES for value in found)


def test_private_halves_of_client_keys_never_leave() -> None:
    keys = make_keys()
    assert keys.client_private not in render("vm", keys, 0, b"")


def test_the_host_key_is_in_the_servers_own_format() -> None:
    keys = make_keys()
    name, pair = fields(keys.host_private)
    public_name, public = fields(keys.host_public)
    assert (name, public_name) == (b"ssh-ed25519", b"ssh-ed25519")
    assert (len(pair), len(public), pair[32:]) == (64, 32, public)
    seed = paramiko.ed25519key.nacl.signing.SigningKey(pair[:32])  # type: ignore[attr-defined]
    assert bytes(seed.verify_key) == public


def test_the_public_host_key_is_what_ssh_sends() -> None:
    keys = make_keys()
    assert paramiko.Ed25519Key(data=keys.host_public).asbytes() == keys.host_public


def test_both_halves_of_the_client_key_belong_together() -> None:
    keys = make_keys()
    private = paramiko.Ed25519Key.from_private_key(io.StringIO(keys.client_private.decode()))
    assert keys.client_public == f"ssh-ed25519 {private.get_base64()}\n".encode()


def test_no_two_machines_share_a_key() -> None:
    assert (
        len({key for made in (make_keys(), make_keys()) for key in (made.host_private, made.client_private)})
        == 4
    )


Guest = Callable[[socket.socket], None]


@contextlib.contextmanager
def talking(folder: Path, guest: Guest) -> Iterator[Port]:
    """Our end of a port whose other end is ``guest``, run in a thread."""
    path = folder / "port.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as sock:
                guest(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with Port(path, Deadline.after(20)) as port:
                yield port
        finally:
            thread.join()


def says(*blocks: bytes) -> Guest:
    """A guest that says this, then listens until we hang up."""

    def guest(sock: socket.socket) -> None:
        for block in blocks:
            sock.sendall(block)
        while sock.recv(4096):
            pass

    return guest


def nothing() -> None:
    """What happens meanwhile."""


def test_lines_are_expected_in_order_however_they_arrive(tmp_path: Path) -> None:
    with talking(tmp_path, says(b"rea", b"dy\nss", b"hd\n")) as port:
        port.expect("ready", Deadline.after(20), nothing)
        port.expect("sshd", Deadline.after(20), nothing)


def test_what_init_has_for_people_is_kept_beside_the_lines(tmp_path: Path) -> None:
    notes = b"".join(b"note number %d \x1b[2J\n" % number for number in range(50))
    with talking(tmp_path, says(b"note its home was repaired\nready\n" + notes, b"sshd\n")) as port:
        port.expect("ready", Deadline.after(20), nothing)
        assert port.notes == ["its home was repaired"]
        port.expect("sshd", Deadline.after(20), nothing)
        assert (len(port.notes), port.notes[1]) == (MOST_NOTES, r"number 0 \x1b[2J")


def test_the_guests_own_words_are_told_when_it_fails(tmp_path: Path) -> None:
    with (
        talking(tmp_path, says(b"failed: no busybox\n")) as port,
        pytest.raises(BootError, match="no busybox"),
    ):
        port.expect("ready", Deadline.after(20), nothing)


@pytest.mark.parametrize("block", [b"x" * 5000, b"\xff" * 100_000, b"x\n" * 100_000])
def test_a_flood_ends_at_once(tmp_path: Path, block: bytes) -> None:
    with talking(tmp_path, says(block)) as port, pytest.raises(BootError) as caught:
        port.expect("ready", Deadline.after(20), nothing)
    assert len(caught.value.message) < 300


def test_a_closed_port_is_told(tmp_path: Path) -> None:
    with (
        talking(tmp_path, lambda _: None) as port,
        pytest.raises(BootError, match="closed the guest's serial port"),
    ):
        port.expect("ready", Deadline.after(20), nothing)


def test_a_better_reason_found_meanwhile_wins(tmp_path: Path) -> None:
    def look() -> None:
        raise BootError("the kernel panicked")

    with talking(tmp_path, says()) as port, pytest.raises(BootError, match="panicked"):
        port.expect("ready", Deadline.after(20), look)


def test_silence_ends_with_the_deadline(tmp_path: Path) -> None:
    with talking(tmp_path, says()) as port, pytest.raises(TimedOut, match="waiting for 'ready'"):
        port.expect("ready", Deadline.after(0.05), nothing)


def test_silence_ends_with_the_users_wish(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with talking(tmp_path, says()) as port, pytest.raises(Interrupted):
        port.expect("ready", cancellation.deadline(), nothing)


def test_an_identity_is_handed_over_whole(tmp_path: Path) -> None:
    heard = bytearray()

    def guest(sock: socket.socket) -> None:
        while block := sock.recv(4096):
            heard.extend(block)

    keys = make_keys()
    with talking(tmp_path, guest) as port:
        give(port, "vm", keys)
    found = parse(bytes(heard))
    assert found["host-key"] == keys.host_private
    assert len(found["entropy"]) == ENTROPY_BYTES


def test_the_host_key_is_the_same_in_both_forms() -> None:
    keys = make_keys()
    key = load_ssh_private_key(keys.host_openssh, None)
    assert isinstance(key, Ed25519PrivateKey)
    assert fields(keys.host_public)[1] == key.public_key().public_bytes_raw()
