"""The configuration of the gateway's sshd. Pure. Source: sshd_config(5)."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.classes.gateway.folder import Folder
from orchestrator.labfile.ssh_endpoint import Endpoint

Version = tuple[int, int]

SFTP = "isolab sftp"
"""What a request for the subsystem sftp becomes: sshd hands it to the forced command as the command line."""

_ALWAYS = {
    # It has no rights to look after the files of others, and no accounts but one.
    "StrictModes": "no",
    "PidFile": "none",
    "UsePAM": "no",
    "UseDNS": "no",
    "LogLevel": "VERBOSE",
    # A key, and nothing else, opens.
    "AuthenticationMethods": "publickey",
    "PasswordAuthentication": "no",
    "HostbasedAuthentication": "no",
    "PermitRootLogin": "no",
    # What a key opens is said beside it; nothing more than that is possible.
    "AllowTcpForwarding": "local",
    "PermitListen": "none",
    "GatewayPorts": "no",
    "AllowStreamLocalForwarding": "no",
    "AllowAgentForwarding": "no",
    "X11Forwarding": "no",
    "PermitTunnel": "no",
    "PermitUserRC": "no",
    "PermitUserEnvironment": "no",
    "PrintMotd": "no",
    "PrintLastLog": "no",
    "Compression": "no",
    "Subsystem": f"sftp {SFTP}",
    # For a room of students behind one address who all come at nine, and wrong keys among them.
    "LoginGraceTime": "60",
    "MaxAuthTries": "8",
    "MaxSessions": "20",
    "MaxStartups": "200:30:400",
    "ClientAliveInterval": "30",
    "ClientAliveCountMax": "6",
}


def render_server_config(
    listen: Endpoint, names: Sequence[str], folder: Folder, inside: str, version: Version
) -> str:
    """Return the configuration for this version of OpenSSH; ``inside`` is where sshd sees its files."""
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    lines = {
        "ListenAddress": f"{host}:{listen.port}",
        "HostKey": f"{inside}/{folder.host_key.name}",
        "AuthorizedKeysFile": f"{inside}/{folder.authorized_keys.name}",
        "AllowUsers": " ".join(names),
        **_ALWAYS,
        "KbdInteractiveAuthentication" if version >= (8, 7) else "ChallengeResponseAuthentication": "no",
    }
    if version >= (8, 5):
        lines["PerSourceMaxStartups"] = "100"
    if version >= (9, 2):
        lines["UnusedConnectionTimeout"] = "10m"
    if version >= (9, 8):
        lines["PerSourcePenalties"] = "authfail:1s noauth:1s grace-exceeded:5s max:60s min:30s"
    return "".join(f"{name} {value}\n" for name, value in lines.items())
