"""How the system's ssh is called, written out."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.cluster.model import Destination
from orchestrator.cluster.reach.command_line import asking, opening, over, through

SOCKET, LOG = Path("/tmp/s/1a2b"), Path("/tmp/s/1a2b.log")
CLIENT = "ssh -F none -S /tmp/s/1a2b -o ControlMaster=no -o ProxyCommand=false -o LogLevel=ERROR"
UNWATCHED = (
    "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 "
    "-o LogLevel=INFO -o ForwardAgent=no -o ForwardX11=no -o PermitLocalCommand=no"
)
MASTER = (
    "-o ControlMaster=yes -o ControlPersist=600 -o ClearAllForwardings=yes -o RequestTTY=no "
    "-o RemoteCommand=none"
)


def test_the_master_connection() -> None:
    argv = opening(Destination("lab1.example"), SOCKET, LOG)
    assert shlex.join(argv) == (
        f"ssh -N -T -S /tmp/s/1a2b -E /tmp/s/1a2b.log {UNWATCHED} {MASTER} -- lab1.example"
    )


def test_a_user_a_port_and_an_identity() -> None:
    argv = opening(Destination("lab1", "ada", 2222, Path("/k/my id%1")), SOCKET, LOG)
    about = [argv[at + 1] for at, word in enumerate(argv) if word == "-o"]
    assert about[8:12] == ["User=ada", "Port=2222", 'IdentityFile="/k/my id%%1"', "IdentitiesOnly=yes"]


def test_a_jump_host_with_its_own_identity_and_another_before_it() -> None:
    first = Destination("gate", "eve", 22)
    jump = Destination("inner", "ada", None, Path("/k/50%"), first)
    argv = opening(Destination("lab1", jump=jump), SOCKET, LOG)
    (proxy,) = [word for word in argv if word.startswith("ProxyCommand=")]
    # ssh replaces %% by %, and what is in it once more, in the ssh that it starts.
    words = shlex.split(proxy.removeprefix("ProxyCommand="))
    assert words[:4] == ["ssh", "-T", "-W", "[%h]:%p"]
    assert 'IdentityFile="/k/50%%%%"' in words
    assert words[-2:] == ["--", "inner"]
    (inner,) = [word for word in words if word.startswith("ProxyCommand=")]
    assert shlex.split(inner)[3] == "[%%h]:%%p"
    assert inner.endswith("-o User=eve -o Port=22 -- gate")


def test_commands_over_it() -> None:
    assert shlex.join(over(SOCKET, ["echo", "a b", "$HOME"])) == (
        CLIENT + """ -T -- host 'echo '"'"'a b'"'"' '"'"'$HOME'"'"''"""
    )
    assert shlex.join(over(SOCKET, [], tty=True)) == f"{CLIENT} -t -- host"
    assert shlex.join(asking(SOCKET, "forward", "-R", "x")) == f"{CLIENT} -O forward -R x -- host"
    assert through(SOCKET, "::1", 22)[-4:] == ["-W", "[::1]:22", "--", "host"]
