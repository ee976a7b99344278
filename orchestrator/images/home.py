"""A home disk's file system: ext4 in a sparse file, made without root and without mounting it.

Only empty ones and those with starting files are made here. What a guest has written to is never
interpreted on this host: the guest itself replays the journal, repairs and grows it
(``images/guest/home.c``). Sources: mke2fs(8), mke2fs.conf(5), debugfs(8), unshare(1).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.host.tempdirs import working_folder
from orchestrator.images.micro import STUDENT

LEAST_BYTES = 32 * 2**20
"""The smallest home disk: its journal alone takes a quarter of this."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_MKE2FS_CONF = """\
[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384
	reserved_ratio = 0
[fs_types]
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,64bit,dir_nlink,extra_isize
	}
"""
"""Our own, so that every host's mke2fs makes the same file system. No checksums of metadata: they cost an
emulated processor time, and one emulator computes them wrong (CRC-16 on s390x, QEMU 7.2)."""
_LOCK = "hhqqi4x"
"""struct flock of a system with large files."""
_OPTIONS = ("-q", "-F", "-t", "ext4", "-L", "isolab-home", "-m", "0", "-J", "size=8")
_EXTENDED = f"root_owner={STUDENT}:{STUDENT},lazy_journal_init=1"


def make(target: Path, size: int, content: Path | None, deadline: Deadline) -> None:
    """Make the file system of a home of ``size`` bytes in ``target``, a new file, with the files in the
    folder ``content``. All belongs to student.

    Raises ProcessFailed if they do not fit, Unavailable, TimedOut, Interrupted.
    """
    with working_folder("home") as work:
        config = work / "mke2fs.conf"
        config.write_text(_MKE2FS_CONF)
        environment = {
            **os.environ,
            "PATH": f"{os.environ.get('PATH', '')}:{PATH}",
            "MKE2FS_CONFIG": str(config),
        }
        # In a file that is a hole already mke2fs leaves holes.
        with target.open("wb") as file:
            file.truncate(size)
        command: list[str | Path] = ["mke2fs", *_OPTIONS, "-E", _EXTENDED]
        if content is not None:
            command = [*_as_student(), *command, "-d", _owned_by_student(content, work / "content")]
        process.run([*command, target], deadline=deadline, env=environment)
        tidy = b"rmdir lost+found\nset_inode_field <2> mode 040700\n"
        process.run(["debugfs", "-w", "-f", "-", target], deadline=deadline, env=environment, stdin=tidy)


def lock(descriptor: int) -> bool:
    """Lock an open home disk; returns whether nobody else has it.

    The lock belongs to the open file, not to a process (fcntl(2), open file description locks): who
    inherits the descriptor has it too, and the kernel releases it when the last copy is closed,
    however its owners end.
    """
    wanted = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _as_student() -> list[str | Path]:
    """Return what precedes a command for which our own files are student's: root's are made so."""
    if os.getuid() == 0:
        return []
    return ["unshare", "--user", f"--map-user={STUDENT}", f"--map-group={STUDENT}"]


def _owned_by_student(content: Path, copy: Path) -> Path:
    """Return a folder with this content that mke2fs will take for student's."""
    if os.getuid() != 0:
        return content
    shutil.copytree(content, copy, symlinks=True)
    for path in _all(copy):
        os.lchown(path, STUDENT, STUDENT)
    return copy


def _all(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")
