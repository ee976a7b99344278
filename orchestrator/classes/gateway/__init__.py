"""The gateway: the way for students over SSH into their machines, and nowhere else.

OpenSSH's own sshd, on a port of the class's, as an unprivileged user. Every key is bound to its seat: see
docs/adr/0034-gateway.md.
"""

from __future__ import annotations

from orchestrator.classes.gateway.endpoint import endpoint
from orchestrator.classes.gateway.lifecycle import alive, login_name, refresh, start, stop, wanted
from orchestrator.classes.gateway.logins import present, record_logins
from orchestrator.classes.gateway.sockets import require_free

__all__ = [
    "alive",
    "endpoint",
    "login_name",
    "present",
    "record_logins",
    "refresh",
    "require_free",
    "start",
    "stop",
    "wanted",
]
