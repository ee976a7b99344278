"""Connection URIs of libvirt daemons: which are supported, and the ssh(1) command for remote ones. Pure.

Source: libvirt.org, "Connection URIs" and "Remote support"; ssh(1).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

SYSTEM, SESSION = "qemu:///system", "qemu:///session"
EXPECTED = f"expected {SYSTEM}, {SESSION}, qemu+ssh://HOST/system or qemu+ssh://HOST/session"


@dataclass(frozen=True)
class Uri:
    """One daemon. ``host`` is empty for this host; ``ssh`` is the program that connects to a remote
    one, ``keyfile`` the private key it uses, "" for its own choice."""

    text: str
    session: bool
    user: str = ""
    host: str = ""
    port: int | None = None
    socket: str = ""
    ssh: str = "ssh"
    keyfile: str = ""

    @property
    def remote(self) -> bool:
        return bool(self.host)

    @property
    def where(self) -> str:
        """The daemon's host, for messages."""
        return self.host or "this host"

    @property
    def jump(self) -> str:
        """The host as ssh_config(5) writes it in ProxyJump, "" for this host."""
        if not self.host:
            return ""
        user, port = f"{self.user}@" if self.user else "", f":{self.port}" if self.port else ""
        return user + (f"[{self.host}]" if ":" in self.host else self.host) + port

    def ssh_argv(self, *options: str) -> list[str]:
        """The start of an ssh command line to the host that never prompts and trusts no unknown key."""
        argv = [self.ssh, "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        argv += ["-o", "ConnectTimeout=30", *(["-i", self.keyfile] if self.keyfile else [])]
        argv += [*(["-p", str(self.port)] if self.port else []), *(["-l", self.user] if self.user else [])]
        return [*argv, *options, "--", self.host]


def parse(text: str) -> Uri:
    """Parse a URI. Raises ValueError stating what was expected."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(EXPECTED) from None
    options = dict(parse_qsl(parts.query))
    over_ssh = parts.scheme == "qemu+ssh"
    sound = parts.scheme in ("qemu", "qemu+unix", "qemu+ssh") and parts.path in ("/system", "/session")
    if not sound or bool(host) != over_ssh or parts.fragment or host.startswith("-"):
        raise ValueError(EXPECTED)
    if over_ssh and options.get("no_verify", "0") != "0":
        raise ValueError("no_verify would trust any host: add the host's key to known_hosts instead")
    if over_ssh and "no_tty" not in options:
        # Its ssh must fail instead of prompting: nobody may be there to answer.
        text += f"{'&' if parts.query else '?'}no_tty=1"
    return Uri(
        text=text,
        session=parts.path == "/session",
        user=parts.username or "",
        host=host,
        port=port,
        socket=options.get("socket", ""),
        ssh=options.get("command", "ssh"),
        keyfile=options.get("keyfile", ""),
    )


def default_uri() -> str:
    """The daemon for machines whose lab names none: the system daemon for root, else the user's session."""
    return SYSTEM if os.getuid() == 0 else SESSION


def checked(text: str) -> str:
    """Return the text itself if it is a supported URI. Raises ValueError."""
    parse(text)
    return text
