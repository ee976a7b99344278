"""The gateway's folder in the class's state: what its sshd reads, and how it reads it.

``etc`` is what sshd finds at /etc, in a mount namespace of its own; where there can be none, it reads the
same files where they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator import ownership
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import GATEWAY, class_state
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder, state_dir

GATEWAY_ID = 60602
"""The user and group of the gateway when root starts it: nobody's, beside ``UNUSED_IDS``."""
MOUNTED = Path("/etc/isolab")
"""Where sshd sees the files in its own namespace."""
WANTED = "wanted"
"""File whose presence says that the gateway should run; it names the class file."""


@dataclass(frozen=True)
class Folder:
    """The gateway's folder. ``token`` is the ownership token of the state folder it is in."""

    root: Path
    token: str

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def files(self) -> Path:
        return self.etc / MOUNTED.name

    @property
    def config(self) -> Path:
        """sshd's configuration; its path, with the token, is in the command line of every gateway."""
        return self.files / f"isolab-gateway-{self.token}.conf"

    @property
    def host_key(self) -> Path:
        return self.files / "host_key"

    @property
    def authorized_keys(self) -> Path:
        return self.files / "authorized_keys"

    @property
    def socket(self) -> Path:
        """Where the class's service answers."""
        return self.files / "requests.sock"

    @property
    def log(self) -> Path:
        return self.root / "sshd.log"

    @property
    def wanted(self) -> Path:
        return self.root / WANTED

    def seat(self, name: str) -> Path:
        """Return the folder with a seat's key, and where its machines stand."""
        return self.files / "seats" / name

    def write(self, path: Path, text: str) -> None:
        """Write a file that the gateway may read and not change, unless it says so already."""
        data = text.encode()
        if path.is_file() and path.read_bytes() == data:
            return
        write_atomically(path, data)
        readable(path)


def gateway_id() -> int:
    """Return the user that the gateway runs as."""
    return GATEWAY_ID if os.getuid() == 0 else os.getuid()


def readable(path: Path) -> None:
    """Let the gateway read a file, and nobody else."""
    if os.getuid() == 0:
        os.chown(path, 0, GATEWAY_ID)
        path.chmod(0o640)
    else:
        path.chmod(0o600)


def folder_of(found: LoadedClass) -> Folder:
    """Return the gateway's folder, made if necessary. Raises Unavailable."""
    folder = Folder(class_state(found) / GATEWAY, ownership.token(state_dir()))
    # The mode that counts is that of the class's folder above: 0700. In its namespace sshd sees these.
    make_folder(folder.files / "seats", 0o755, exist_ok=True)
    return folder
