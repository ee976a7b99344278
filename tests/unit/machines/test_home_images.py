"""Home disks as files: made whole or not at all, kept, made larger, and used by one machine at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from factories import handle, order

from orchestrator.deadline import Deadline
from orchestrator.drivers.guest.layout import SITE
from orchestrator.drivers.model import HomeDisk
from orchestrator.errors import SpecError, TransportError, Unavailable
from orchestrator.host import process
from orchestrator.images import home as home_image
from orchestrator.machines.homes import ensure_home, fitted, set_student_keys
from orchestrator.machines.journal import Journal, member_of
from orchestrator.transport.base import Result, Transport

MIB = 2**20


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


def soon() -> Deadline:
    return Deadline.after(60)


def asked(file: Path, *commands: str) -> str:
    """What debugfs(8) says of a file system."""
    lines = "\n".join(commands).encode()
    path = f"{os.environ['PATH']}:{home_image.PATH}"
    done = process.run(["debugfs", "-f", "-", file], deadline=soon(), stdin=lines, env={"PATH": path})
    return done.stdout.decode()


def test_it_is_students_private_and_takes_hardly_any_room(tmp_path: Path) -> None:
    disk = ensure_home(tmp_path / "homes/ann/desk.img", 1024 * MIB, None, soon())
    assert disk == HomeDisk(tmp_path / "homes/ann/desk.img", 1024 * MIB)
    about = disk.file.stat() if disk.file else None
    assert about is not None
    assert (about.st_size, about.st_mode & 0o777) == (1024 * MIB, 0o600)
    assert about.st_blocks * 512 < 2 * MIB
    said = asked(disk.file or Path(), "stat /", "ls -p /", "show_super_stats -h")
    assert "User:  1000   Group:  1000" in said
    assert "Mode:  0700" in said
    assert "lost+found" not in said
    assert "Reserved block count:     0\n" in said
    assert "has_journal" in said


def test_what_it_is_to_contain_belongs_to_student_too(tmp_path: Path) -> None:
    content = tmp_path / "content"
    (content / "lab/first").mkdir(parents=True)
    (content / "lab/first/main.c").write_text("int main;\n")
    (content / "link").symlink_to("lab/first")
    disk = ensure_home(tmp_path / "a.img", 32 * MIB, content, soon())
    assert disk.file is not None
    assert "int main;" in asked(disk.file, "cat /lab/first/main.c")
    for path in ("/lab", "/lab/first/main.c", "/link"):
        assert "User:  1000   Group:  1000" in asked(disk.file, f"stat {path}")
    assert (content / "lab/first/main.c").stat().st_uid == os.getuid()


def test_one_that_exists_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.img"
    ensure_home(file, 64 * MIB, None, soon())
    file.write_bytes(b"a student's work")
    os.truncate(file, 64 * MIB)
    before = file.stat().st_mtime_ns
    assert ensure_home(file, 32 * MIB, tmp_path, soon()) == HomeDisk(file, 64 * MIB)
    assert file.read_bytes().startswith(b"a student's work")
    assert file.stat().st_mtime_ns == before


def test_it_is_made_larger_unless_a_machine_has_it(tmp_path: Path) -> None:
    disk = ensure_home(tmp_path / "a.img", 64 * MIB, None, soon())
    assert disk.file is not None
    with disk.file.open("rb+") as used:
        assert home_image.lock(used.fileno())
        assert ensure_home(disk.file, 96 * MIB, None, soon()).size == 64 * MIB
    assert ensure_home(disk.file, 96 * MIB, None, soon()) == HomeDisk(disk.file, 96 * MIB)
    assert disk.file.stat().st_size == 96 * MIB


def test_a_lock_is_held_by_whoever_inherits_the_file(tmp_path: Path) -> None:
    """As QEMU does, and after it whatever ends it."""
    file = tmp_path / "a.img"
    file.write_bytes(b"")
    with file.open("rb+") as ours:
        assert home_image.lock(ours.fileno())
        copy = os.dup(ours.fileno())
    with file.open("rb+") as another:
        assert not home_image.lock(another.fileno())
        os.close(copy)
        assert home_image.lock(another.fileno())


def test_a_killed_maker_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """Nothing is cleaned up on the way out, so any end leaves what a kill leaves."""

    def dies(target: Path, _size: int, _content: Path | None, _deadline: Deadline) -> None:
        target.write_bytes(b"half of it")
        raise SystemExit

    file = tmp_path / "a.img"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home_image, "make", dies)
        with pytest.raises(SystemExit):
            ensure_home(file, 64 * MIB, None, soon())
    assert not file.exists()
    assert [path.name for path in tmp_path.glob(".*")] == [".a.img.new"]
    assert "User:  1000" in asked(ensure_home(file, 64 * MIB, None, soon()).file or Path(), "stat /")
    assert list(tmp_path.glob(".*")) == []


def test_many_who_make_it_at_once_make_one(tmp_path: Path) -> None:
    file = tmp_path / "a.img"
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: (ensure_home(file, 32 * MIB, None, soon()), file.stat().st_ino), range(8))
        )
    assert len(set(made)) == 1


def test_only_machines_that_can_have_one_are_given_one(tmp_path: Path) -> None:
    disk = HomeDisk(tmp_path / "a.img", 64 * MIB)
    found = fitted(order(), disk, ["ssh-ed25519 AAAA ann"])
    assert (found.home, found.student_keys) == (disk, ("ssh-ed25519 AAAA ann",))
    with pytest.raises(SpecError, match=r"driver container, image micro.* has no home disk"):
        fitted(order(driver="container"), disk, [])
    cloud = replace(order(), image=replace(order().image, kind="cloud"))
    with pytest.raises(SpecError, match="has no home disk"):
        fitted(cloud, disk, [])


def test_the_journal_remembers_home_and_keys_for_a_reset(tmp_path: Path) -> None:
    found = fitted(
        order(), HomeDisk(tmp_path / "a.img", 64 * MIB), ["ssh-ed25519 A ann", "ssh-ed25519 B bob"]
    )
    journal = Journal(tmp_path / "machines.db")
    journal.intend(handle(), member_of("class.ann", "class.yaml", found))
    (entry,) = journal.entries()
    assert entry.member is not None
    assert entry.member.order == found


class Machine:
    """A transport that remembers, and answers with a status."""

    def __init__(self, code: int) -> None:
        self.code, self.got = code, b""

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        self.got = stdin
        return Result(self.code, b"isolab: cannot write: No space left on device\n", b"")


def test_keys_are_replaced_line_by_line() -> None:
    machine = Machine(0)
    set_student_keys(cast(Transport, machine), SITE, ["ssh-ed25519 A ann\n", " ssh-rsa B bob"], soon())
    assert machine.got == b"ssh-ed25519 A ann\nssh-rsa B bob\n"


def test_a_machine_that_cannot_store_keys_says_why() -> None:
    with pytest.raises(TransportError, match="No space left on device") as told:
        set_student_keys(cast(Transport, Machine(1)), SITE, [], soon())
    assert "delete something" in told.value.hint
    with pytest.raises(Unavailable):
        set_student_keys(cast(Transport, Machine(0)), replace(SITE, switch=False), [], soon())
