"""The gateway's authorized_keys: what each student's key opens. Pure. Source: sshd(8)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.classes.gateway.public_key import owners


def render_authorized_keys(
    keys: Mapping[str, Sequence[str]], ports: Mapping[str, Sequence[int]], enter: Path, secret: str
) -> str:
    """Return a line for each key of each seat.

    A key runs ``enter SEAT`` whatever is asked for, and may have connections forwarded to ``ports[seat]`` of
    this host's loopback: the SSH servers of that seat's machines. Remote forwarding is off for all, in the
    configuration. ``secret`` is for sshd's log: see ``logins``. Raises SpecError for a key of two seats.
    """
    return "".join(
        f"{render_options(seat, ports.get(seat, ()), enter, secret)} {line}\n"
        for line, seat in owners(keys).items()
    )


def render_options(seat: str, ports: Sequence[int], enter: Path, secret: str) -> str:
    """Return the options of one seat's keys, separated by commas."""
    options = ["restrict", "pty"]
    if ports:
        options += ["port-forwarding", *(f'permitopen="127.0.0.1:{port}"' for port in sorted(ports))]
    # What sshd started ends with it: a client that went away leaves nothing on this host.
    words = ["exec", "setpriv", "--pdeathsig", "TERM", "--", "/bin/sh", str(enter), seat, secret]
    command = shlex.join(words).replace("\\", "\\\\").replace('"', '\\"')
    return ",".join([*options, f'command="{command}"'])
