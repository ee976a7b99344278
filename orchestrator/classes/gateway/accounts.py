"""The small /etc that the gateway's sshd sees: its login names are those of machines. Pure.

All of them have the gateway's one unprivileged user. The host's own accounts are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def render_etc(names: Sequence[str], uid: int, gid: int) -> Mapping[str, str]:
    """Return the text of each file by its name. Sources: passwd(5), group(5), nsswitch.conf(5)."""
    return {
        # A password that is no hash: nobody's, and not locked, which sshd would take for a closed account.
        "passwd": "".join(f"{name}:*:{uid}:{gid}::/:/bin/sh\n" for name in names),
        "group": f"gateway:*:{gid}:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    }
