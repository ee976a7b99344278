"""What OpenSSH's known_hosts files say about a server; names hashed here were hashed by ssh-keygen."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import Unavailable
from orchestrator.labfile.ssh_endpoint import Endpoint, key_type, parse_host_key
from orchestrator.transport import known_hosts
from orchestrator.transport.known_hosts import known_keys, trusted

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFaX1H1cMZJNLqh1sBuLBNqv3qsoKHuYTYmTq2mBN4Oi"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQM="
HASHED = f"""\
|1|eaPGS2fVRJShnx8YRMtOd1dChfM=|787kUIKWb+trMCXZ0TYSbv6rimw= {ED}
|1|zNtlbqKhefHKem1W6R9v/sRzITg=|Sm+yeeKyu2bvUMDmPTGJSKeSnqM= {OTHER}
"""
BOARD = Endpoint("board.example")


def test_by_name_or_address_with_or_without_a_port() -> None:
    text = f"# comment\nboard.example,192.0.2.7 {ED} me@here\n[board.example]:2222 {OTHER}\n"
    assert known_keys(text, BOARD) == known_keys(text, Endpoint("192.0.2.7")) == (parse_host_key(ED),)
    assert known_keys(text, Endpoint("board.example", 2222)) == (parse_host_key(OTHER),)
    assert known_keys(text, Endpoint("board.example", 2223)) == ()
    assert known_keys(text, Endpoint("elsewhere.example")) == ()


def test_case_does_not_matter() -> None:
    assert known_keys(f"Board.Example {ED}\n", Endpoint("BOARD.example"))


def test_hashed_names() -> None:
    assert known_keys(HASHED, BOARD) == (parse_host_key(ED),)
    assert known_keys(HASHED, Endpoint("board.example", 2222)) == (parse_host_key(OTHER),)
    assert known_keys(HASHED, Endpoint("other.example")) == ()


def test_patterns_and_exceptions() -> None:
    text = f"*.example,!board.example {ED}\n"
    assert known_keys(text, Endpoint("a.example"))
    assert known_keys(text, BOARD) == ()


def test_the_best_kind_of_key_comes_first() -> None:
    keys = known_keys(f"board.example {RSA}\nboard.example {ED}\n", BOARD)
    assert [key_type(key) for key in keys] == ["ssh-ed25519", "ssh-rsa"]


def test_a_revoked_key_is_not_believed_wherever_it_stands() -> None:
    text = f"board.example {ED}\nboard.example {OTHER}\n@revoked * {ED}\n"
    assert known_keys(text, BOARD) == (parse_host_key(OTHER),)


def test_certificate_authorities_are_passed_over() -> None:
    assert known_keys(f"@cert-authority *.example {ED}\n", BOARD) == ()


@pytest.mark.parametrize(
    "line", ["board.example", "board.example ssh-ed25519", "board.example ssh-ed25519 ???", "|1|x|y z w",
             "|1|AAAA ssh-ed25519 AAAA", "@revoked", "board.example sk-ssh-ed25519@openssh.com AAAA"],
)  # fmt: skip
def test_lines_that_say_nothing(line: str) -> None:
    assert known_keys(f"{line}\nboard.example {ED}\n", BOARD) == (parse_host_key(ED),)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(known_hosts, "files", lambda: (tmp_path / "one", tmp_path / "two"))
    return tmp_path


def test_all_files_count(home: Path) -> None:
    (home / "two").write_text(f"board.example {ED}")
    assert trusted(BOARD) == (parse_host_key(ED),)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("server", "through", "line"),
    [
        (BOARD, "", "ssh-keyscan board.example >> ~/.ssh/known_hosts"),
        (Endpoint("::1", 2222), "", "ssh-keyscan -p 2222 ::1 >> ~/.ssh/known_hosts"),
        (Endpoint("10.0.0.2", 2222), "me@gate", "ssh -J me@gate -p 2222 10.0.0.2"),
    ],
)
def test_a_server_nobody_knows_is_told_with_what_to_type(server: Endpoint, through: str, line: str) -> None:
    with pytest.raises(Unavailable, match="is unknown") as caught:
        trusted(server, through)
    assert f"run `{line}` and compare the fingerprint" in caught.value.hint
