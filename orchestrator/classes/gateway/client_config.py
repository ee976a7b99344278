"""What the gateway's own ssh reads when it enters a seat's machines. Pure. Source: ssh_config(5)."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.classes.gateway.standing import Place
from orchestrator.labfile.ssh_endpoint import key_type

KEY, CONFIG, KNOWN_HOSTS = "key", "config", "known_hosts"
"""Files in a seat's folder."""


def render_config(names: Mapping[str, Place], folder: Path, dial: Sequence[str]) -> str:
    """Return a seat's configuration: an entry for each login name whose machine is up.

    ``folder`` is the seat's, as the gateway sees it, and ``dial`` the command that connects to a port, which
    follows with the machine's name. ``enter`` reads the lines ``Host`` and ``Port``.
    """
    return "".join(
        "\n".join(
            [f"Host {name}", *(f"    {key} {value}" for key, value in _options(place, folder, dial).items())]
        )
        + "\n"
        for name, place in names.items()
    )


def render_known_hosts(names: Mapping[str, Place]) -> str:
    """Return the keys that a seat's machines have to show, by their aliases."""
    places = {place.alias: bytes.fromhex(place.host_key) for place in names.values()}
    return "".join(
        f"{alias} {key_type(blob)} {base64.b64encode(blob).decode()}\n" for alias, blob in places.items()
    )


def _options(place: Place, folder: Path, dial: Sequence[str]) -> dict[str, str]:
    return {
        "HostName": "127.0.0.1",
        "Port": str(place.port),
        "User": "student",
        "HostKeyAlias": place.alias,
        "UserKnownHostsFile": f'"{folder / KNOWN_HOSTS}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "IdentityFile": f'"{folder / KEY}"',
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "ClearAllForwardings": "yes",
        "EscapeChar": "none",
        "LogLevel": "ERROR",
        "ProxyCommand": shlex.join([*dial, str(place.port), place.machine]).replace("%", "%%"),
        "ProxyUseFdpass": "yes",
        "ServerAliveInterval": "30",
        "ServerAliveCountMax": "4",
        # Cheap for an emulated processor; the connection does not leave this host.
        "KexAlgorithms": "curve25519-sha256,curve25519-sha256@libssh.org",
        "Ciphers": "aes128-ctr,chacha20-poly1305@openssh.com",
    }
