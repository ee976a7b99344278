"""What an OpenSSH server of a test needs on disk: its configuration, keys, and an /etc to be mounted over
this machine's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.host import process

SSHD = Path("/usr/sbin/sshd")
SECONDS = 60.0

_CONFIGURATION = """\
{where}
AuthorizedKeysFile {keys}
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
{more}
"""


def configuration(where: str, host_keys: Sequence[Path], keys: Path, more: str = "") -> str:
    """A server's configuration: the lines ``where`` say where it listens, the public keys in the file
    ``keys`` open every account, ``more`` are further lines."""
    own = "".join(f"\nHostKey {key}" for key in host_keys)
    return _CONFIGURATION.format(where=where + own, keys=keys, more=more)


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair in OpenSSH's format."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
    process.run(argv, deadline=Deadline.after(SECONDS))
    return path


def copied_etc(folder: Path) -> Path:
    """A copy of all of /etc in ``folder``: a file that is mounted over another goes when that one is
    replaced, as useradd(8) does."""
    process.run(["cp", "--archive", "/etc", folder / "etc"], deadline=Deadline.after(SECONDS))
    return folder / "etc"
