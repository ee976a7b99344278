"""What OpenSSH's client wrote (versions 8.4 to 10, collected by hand), and what isolab makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cluster.model import ClusterHost, Destination
from orchestrator.cluster.reach.complaints import explain, explain_end, login_line
from orchestrator.errors import SpecError, TransportError, Unavailable

HOST = ClusterHost("lab1", Destination("10.0.0.7", "ada"))
CHANGED = """\
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
The fingerprint for the ED25519 key sent by the remote host is
SHA256:aVmSG4uO2nW3Tzh+zHaLC7T8D/hdHUDcTwtV04F5WGk.
Please contact your system administrator.
Host key for 10.0.0.7 has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("words", "kind", "reason", "hint"),
    [
        ("Host key verification failed.", Unavailable, "its host key is unknown", "yes: `ssh ada@10.0.0.7`"),
        (CHANGED.replace("\n", "\r\n"), Unavailable,
         "the known one (SHA256:aVmSG4uO2nW3Tzh+zHaLC7T8D/hdHUDcTwtV04F5WGk now)",
         "ssh-keygen -R"),
        ("ada@10.0.0.7: Permission denied (publickey,password).", Unavailable,
         "lets nobody in with the keys that ssh offered (it takes: publickey,password)", "ssh-copy-id"),
        ('Load key "/k/id": bad permissions\nada@10.0.0.7: Permission denied (publickey).', Unavailable,
         "the private key /k/id cannot be used: bad permissions", "ssh-add /k/id"),
        ("Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures", Unavailable,
         "too many keys", "identity:"),
        ("ssh: Could not resolve hostname lab9: Name or service not known", Unavailable,
         "there is no host lab9: Name or service not known", "hosts file"),
        ("ssh: connect to host 10.0.0.7 port 22: Connection refused", TransportError,
         "no SSH server listens at port 22 of 10.0.0.7", "systemctl start ssh"),
        ("ssh: connect to host 10.0.0.7 port 22: No route to host", TransportError,
         "10.0.0.7 cannot be reached at port 22: No route to host", "firewall"),
        ("Connection timed out during banner exchange\nConnection to 10.0.0.7 port 22 timed out",
         TransportError, "it does not answer", "overloaded"),
        ("kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.7 port 22",
         TransportError, "no SSH server, or it refuses more connections", "MaxStartups"),
        ("Unable to negotiate with 10.0.0.7 port 22: no matching host key type found. Their offer: ssh-dss",
         Unavailable, "no matching host key type found. Their offer: ssh-dss", "upgrade"),
        ("/home/ada/.ssh/config: line 3: Bad configuration option: foo\n"
         "/home/ada/.ssh/config: terminating, 1 bad configuration options",
         SpecError, "ssh does not accept its settings: /home/ada/.ssh/config: line 3", "correct that file"),
        ("Bad owner or permissions on /home/ada/.ssh/config", SpecError, "others may write to it",
         "chmod go-w /home/ada/.ssh/config"),
        ("channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\n"
         "Connection closed by UNKNOWN port 65535", TransportError,
         "the jump host cannot reach it: connect failed: Connection refused", "AllowTcpForwarding"),
        ("kex_exchange_identification: Connection closed by remote host\n"
         "Connection closed by UNKNOWN port 65535", TransportError,
         "the way there that your ssh_config names", "try `ssh ada@10.0.0.7`, which says more"),
        ("something\x1b[2J new", TransportError, r"ssh does not get there: something\x1b[2J new",
         "by hand: `ssh ada@10.0.0.7`"),
        ("", TransportError, "ssh said nothing", "by hand"),
    ],
)  # fmt: skip
def test_every_failure_in_words(words: str, kind: type, reason: str, hint: str) -> None:
    problem = explain(HOST, words)
    assert type(problem) is kind
    assert problem.message.startswith("lab1: ")
    assert reason in problem.message
    assert hint in problem.hint
    assert "{" not in problem.message + problem.hint


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("channel 3: open failed: connect failed: x\nTimeout, server 10.0.0.7 not responding.", "for 15 s"),
        ("Connection to 10.0.0.7 closed by remote host.", "its SSH server ended it"),
        ("client_loop: send disconnect: Broken pipe", "broke: Broken pipe"),
        ("", "not there any more"),
    ],
)
def test_a_connection_that_ended(words: str, reason: str) -> None:
    assert reason in explain_end(HOST, words).message


def test_what_to_type() -> None:
    to = Destination(
        "lab1", "ada", 2222, Path("/k/id"), Destination("inner", None, 23, None, Destination("gate", "eve"))
    )
    assert login_line(to) == "ssh -p 2222 -i /k/id -J eve@gate,inner:23 ada@lab1"


@settings(max_examples=60)
@given(
    st.text(alphabet="PermisondChgafulk:. (){}0\n\x1b\udc80", max_size=60),
    st.sampled_from(["", CHANGED, "line 3: "]),
)
def test_whatever_a_server_says_is_one_printable_line(words: str, more: str) -> None:
    for problem in (explain(HOST, words + more), explain_end(HOST, more + words)):
        assert problem.message.isprintable()
        assert len(problem.message) < 700
        assert problem.hint.isprintable()
