"""What freezes and thaws, on a small process of several threads in place of an emulator."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.qemu.thaw import image_file, memory_map, parts, standstill
from orchestrator.drivers.qemu.thaw.image_file import Frozen
from orchestrator.drivers.qemu.thaw.parts import HostParts
from orchestrator.host import process_table

pytestmark = pytest.mark.skipif(
    host_arch().name not in parts.HOSTS, reason="not written for this architecture"
)

PROGRAM = """
import ctypes, os, struct, threading, time

SECCOMP, FILTER, NO_NEW_PRIVS = 317, 1, 38
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL, GETPRIORITY = 0x7FFF0000, 0x00050000 | 95, 140

code = b"".join(struct.pack("=HBBI", *line) for line in (
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, GETPRIORITY), (RETURN, 0, 0, FAIL), (RETURN, 0, 0, ALLOW)))
program = struct.pack("@HP", 4, ctypes.addressof(kept := ctypes.create_string_buffer(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.syscall(SECCOMP, FILTER, 0, program) == 0

def denied():
    try:
        os.getpriority(os.PRIO_PROCESS, 0)
    except OSError as problem:
        return problem.errno

def work(name):
    for number in range(100000):
        words = f"{name} {number} {threading.get_native_id()} {os.getpid()} {denied()}\\n"
        os.write(1, words.encode())
        time.sleep(0.01)

threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
for one in threads:
    one.start()
for one in threads:
    one.join()
"""
DENIED = 95
"""What the program's filter answers."""


@dataclass(frozen=True)
class Line:
    """What one of the program's threads wrote: its name, how often it has, its thread's and its process's id,
    and the error of the call that its filter denies."""

    name: str
    number: int
    thread: int
    process: int
    denied: int


def spawn(argv: list[str], output: Path, inherited: dict[int, int], **environment: str) -> int:
    """Start a program that writes to a file, with these descriptors under these numbers."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, str(output), flags, 0o600),
        *((os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in inherited.items()),
    ]
    variables = {"PATH": os.environ["PATH"], **environment}
    # Descriptors must have the very numbers that a frozen process had.
    return os.posix_spawn(argv[0], argv, variables, file_actions=actions)  # noqa: TID251


def lines(path: Path) -> list[Line]:
    text = path.read_text() if path.exists() else ""
    rows = (line.split() for line in text.splitlines(keepends=True) if line.endswith("\n"))
    return [Line(row[0], *map(int, row[1:])) for row in rows]


def await_both(path: Path) -> None:
    poll(lambda: {"a", "b"} <= {line.name for line in lines(path)}, Deadline.after(30), "both threads")


def ended(pid: int) -> int:
    """Wait for a child; returns its status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(scope="module")
def made() -> HostParts:
    return parts.for_host(Deadline.after(120))


@pytest.fixture(scope="module")
def image(made: HostParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A process that was frozen, and is gone."""
    folder = tmp_path_factory.mktemp("frozen")
    reading, writing = os.pipe()
    program = [sys.executable, "-I", "-c", PROGRAM]
    library = shutil.copy2(made.library, folder)
    variables = {"LD_PRELOAD": str(library), standstill.CONTROL: "77"}
    pid = spawn(program, folder / "before", {writing: 77}, **variables)
    os.close(writing)
    try:
        await_both(folder / "before")
        still = standstill.stop(pid, reading, Deadline.after(30))
        assert (still.threads, still.filters) == (2, 1)
        memory, kernel = memory_map.read(pid)
        whole = Frozen(still.context, kernel, memory, ())
        with memory_map.memory_of(pid) as file:
            read = file.fileno()
            image_file.write(folder / "image", whole, lambda address, length: os.pread(read, length, address))
        yield folder / "image"
    finally:
        os.kill(pid, signal.SIGKILL)
        ended(pid)
        os.close(reading)


def thawed(made: HostParts, image: Path, output: Path, *words: str) -> int:
    """Start the loader with the image as descriptor 9, and one that becomes 77; returns its process."""
    with image.open("rb") as file, output.open("ab") as log:
        argv = [str(made.loader), "9", "0", "0", *words, "8:77", "--", "emulator", "-name", "isolab-x"]
        return spawn(argv, output, {file.fileno(): 9, log.fileno(): 8})


def refusal(made: HostParts, image: Path, output: Path) -> str:
    """What the loader says of an image that it does not become."""
    assert ended(thawed(made, image, output)) == 119
    return output.read_text()


def test_its_threads_go_on_where_they_stood(made: HostParts, image: Path, tmp_path: Path) -> None:
    before = lines(image.parent / "before")
    pid = thawed(made, image, tmp_path / "after")
    try:
        await_both(tmp_path / "after")
        after = lines(tmp_path / "after")
        for name in "ab":
            reached = max(line.number for line in before if line.name == name)
            first = next(line for line in after if line.name == name)
            assert first.number in (reached, reached + 1)
            assert (first.process, first.denied) == (pid, DENIED)
        threads = {line.thread for line in after}
        assert len(threads) == 2
        assert threads.isdisjoint({line.thread for line in before} | {pid})
        assert threads <= {int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()}
        assert process_table.arguments(pid)[-3:] == ["emulator", "-name", "isolab-x"]
        assert Path(f"/proc/{pid}/comm").read_text() == "emulator\n"
        open_there = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        assert open_there >= {0, 1, 2, 77}
        assert not open_there & {8, 9}, "what was for the loader alone"
    finally:
        os.kill(pid, signal.SIGKILL)
        ended(pid)


def test_many_of_one_image_are_apart(made: HostParts, image: Path, tmp_path: Path) -> None:
    """Wherever the kernel puts the loader's own stack."""
    pids = [thawed(made, image, tmp_path / str(number)) for number in range(10)]
    try:
        for number in range(10):
            await_both(tmp_path / str(number))
            assert {line.process for line in lines(tmp_path / str(number))} == {pids[number]}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            ended(pid)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (0, "not an image"),
        (4, "another version"),
        (8, "damaged"),
        (48, "another one (vDSO)"),
        (82, "damaged: parts"),
    ],
)
def test_a_damaged_image_is_refused(
    made: HostParts, image: Path, tmp_path: Path, at: int, words: str
) -> None:
    whole = bytearray(image.read_bytes())
    whole[at + 1] ^= 0x7F
    (tmp_path / "image").write_bytes(whole)
    assert words in refusal(made, tmp_path / "image", tmp_path / "said")


def test_one_that_is_not_complete_is_refused(made: HostParts, image: Path, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(image.read_bytes()[:-5000])
    assert "damaged: memory" in refusal(made, tmp_path / "image", tmp_path / "said")


def test_one_of_another_kernel_is_refused(made: HostParts, image: Path, tmp_path: Path) -> None:
    whole = bytearray(image.read_bytes())
    code = int.from_bytes(whole[72:80], "little")
    whole[code + 100] ^= 1
    (tmp_path / "image").write_bytes(whole)
    assert "another one (code of its vDSO)" in refusal(made, tmp_path / "image", tmp_path / "said")


def test_one_whose_libraries_have_changed_is_refused(made: HostParts, image: Path, tmp_path: Path) -> None:
    """As after an upgrade: the file of this name is another one."""
    library = image.parent / "standstill.so"
    about = library.stat()
    os.utime(library, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    try:
        assert "another one now" in refusal(made, image, tmp_path / "said")
    finally:
        os.utime(library, ns=(about.st_atime_ns, about.st_mtime_ns))
