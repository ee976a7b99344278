"""Who came over SSH, as sshd's log says it, and not as somebody makes it say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.gateway.logins import Login, parse_logins
from orchestrator.classes.gateway.sockets import parse_row

SECRET = "e14068104b0e4053"
LOG = f"""\
Server listening on 127.0.0.1 port 2222.
Connection from 10.0.0.7 port 41004 on 10.0.0.1 port 2222 rdomain ""\r
Accepted publickey for lab from 10.0.0.7 port 41004 ssh2: ED25519 SHA256:jzI+kPYrRlSP\r
User child is on pid 5\r
Starting session: forced-command (key-option) 'exec setpriv --pdeathsig TERM -- /bin/sh /etc/isolab/enter \
ada {SECRET}' on pts/0 for lab from 10.0.0.7 port 41004 id 0\r
Starting session: forced-command (key-option) 'exec setpriv --pdeathsig TERM -- /bin/sh '/home/a b/enter' \
team-4 {SECRET}' for desk from fe80::1 port 5 id 1\r
Disconnected from user lab 10.0.0.7 port 41004\r
"""


def test_sessions_that_began() -> None:
    assert list(parse_logins(LOG, SECRET)) == [
        Login("ada", "lab", "10.0.0.7", 41004),
        Login("team-4", "desk", "fe80::1", 5),
    ]


def test_what_does_not_know_the_secret_is_not_believed() -> None:
    assert list(parse_logins(LOG, "another-secret")) == []
    within = LOG.replace("Starting session", "Received disconnect from 6.6.6.6 port 1:11: Starting session")
    assert list(parse_logins(within, SECRET)) == []


PIECES = [
    "Starting session: ",
    "forced-command (key-option) ",
    "'exec enter ada guess",
    "' for ",
    "lab",
    " from ",
]
PIECES += ["10.0.0.7", " port ", "1", " id 0", "\n", "\r", " ", "\ufffd"]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=20))
def test_nothing_without_the_secret_is_a_login(pieces: list[str]) -> None:
    assert list(parse_logins("".join(pieces), SECRET)) == []


def test_rows_of_the_kernels_tables() -> None:
    row = parse_row(
        "   1: 0100007F:08AE 0700000A:A02C 01 00000000:00000000 00:00000000 00000000  1000        0 54321 1"
    )
    assert (row.port, row.peer, row.state, row.inode) == (2222, ("10.0.0.7", 41004), "01", "54321")
    six = parse_row(
        "   0: 00000000000000000000000000000000:08AE 000080FE000000000000000001000000:0005 01 "
        "00000000:00000000 00:00000000 00000000     0        0 99 1"
    )
    assert (six.port, six.peer) == (2222, ("fe80::1", 5))
