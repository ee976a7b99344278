"""Addresses, jump hosts and host keys as a lab file writes them."""

from __future__ import annotations

import pytest

from orchestrator.labfile.ssh_endpoint import (
    Endpoint,
    checked_user,
    fingerprint,
    key_type,
    parse_address,
    parse_host_key,
    parse_jump,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFaX1H1cMZJNLqh1sBuLBNqv3qsoKHuYTYmTq2mBN4Oi me@here"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("board", "board", 22),
        ("board.example:2222", "board.example", 2222),
        ("192.0.2.7", "192.0.2.7", 22),
        ("[2001:db8::7]", "2001:db8::7", 22),
        ("[2001:db8::7]:2222", "2001:db8::7", 2222),
        ("[fe80::1%eth0]", "fe80::1%eth0", 22),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Endpoint(host, port)
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":22",
        "a b",
        "board:",
        "board:x",
        "-oProxyCommand=x",
        "a@b",
        "[]",
        "[x]:1",
        "a/b",
        "[::1]22",
        "a\nb",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as"):
        parse_address(text)


def test_what_was_meant_by_a_bare_ipv6_address() -> None:
    with pytest.raises(ValueError, match=r"in brackets, as in \[::1\]"):
        parse_address("::1")


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_ports_that_are_none(port: str) -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        parse_address(f"board:{port}")


def test_known_hosts_names_the_port_unless_it_is_the_usual_one() -> None:
    assert Endpoint("board").known_as == "board"
    assert Endpoint("::1", 2222).known_as == "[::1]:2222"


def test_jump_hosts() -> None:
    assert parse_jump("me@gate:2222") == ("me", Endpoint("gate", 2222))
    assert parse_jump("gate") == ("", Endpoint("gate"))
    with pytest.raises(ValueError, match=r"user@gate\.example"):
        parse_jump("-l@gate")


def test_users() -> None:
    assert checked_user("pi") == "pi"
    assert checked_user("EXAMPLE\\me") == "EXAMPLE\\me"
    with pytest.raises(ValueError, match="user name"):
        checked_user("-l root")


def test_host_keys() -> None:
    blob = parse_host_key(KEY)
    assert key_type(blob) == "ssh-ed25519"
    # What `ssh-keygen -l` says of this key.
    assert fingerprint(blob) == "SHA256:jWn1NHd47FEFMO6mvXjeNwjBFvV3v6lCqIAJyE8H4QU (ssh-ed25519)"


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", "AAAA", KEY.replace("ssh-ed25519", "ssh-rsa"), "ssh-ed25519 AAAA", "ssh-dss AAAA",
     "ssh-ed25519 not-base64!", "ssh-ed25519 /////w=="],
)  # fmt: skip
def test_what_is_no_host_key(line: str) -> None:
    with pytest.raises(ValueError, match="expected a public key line"):
        parse_host_key(line)
