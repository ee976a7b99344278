"""The C library of real toolchains: the same version on every architecture, and the same declarations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.cli import main
from orchestrator.compile.toolchain import PROGRAM_FLAGS, compile_program, libc_version, prepare
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import Exit
from orchestrator.host import process

pytestmark = pytest.mark.real

PROGRAM = """\
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
int main(void)
{
	char *folders[] = {"/", 0};
	FTS *tree = fts_open(folders, FTS_PHYSICAL, 0);
	return !tree || fts_close(tree) || renameat2(-1, "a", -1, "b", 0) == 0;
}
"""


def test_every_architecture_has_the_same(tmp_path: Path) -> None:
    archives, deadline = Archives(Deadline.after(1800)), Deadline.after(1800)
    (tmp_path / "uses.c").write_text(PROGRAM)
    for arch in ARCHITECTURES.values():
        toolchain = prepare(arch, archives.suite(arch.suite), deadline)
        words = compile_program(arch, toolchain, [tmp_path / "uses.c"], (), tmp_path / arch.name, deadline)
        assert words == "", arch.name
    versions = {libc_version(arch) for arch in ARCHITECTURES.values()}
    assert len(versions) == 1
    assert versions != {""}


GLIBC_NAMES = """\
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
static char *nothing[] = {0};
int main(int argc, char *argv[])
{
	if (argc == 2)
		return 7;
	char *again[] = {argv[0], "again", 0};
	int self = open("/proc/self/exe", O_RDONLY), status = 0, kept = dup(0), left = dup(0);
	pid_t child = fork();
	if (child == 0) {
		execveat(self, "", again, nothing, AT_EMPTY_PATH);
		/* An emulator of processes may be asked in vain. */
		_exit(errno == ENOEXEC || errno == ENOSYS ? 7 : 1);
	}
	int fd = pidfd_open(child, 0);
	if (fd == -1 || TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) != child || WEXITSTATUS(status) != 7)
		return 2;
	if (pidfd_send_signal(fd, 0, 0, 0) != -1 || errno != ESRCH || pidfd_getfd(fd, 0, 0) != -1)
		return 3;
	if (close_range(kept, kept, 0) != 0 || fcntl(kept, F_GETFD) != -1 || fcntl(left, F_GETFD) == -1)
		return 4;
	closefrom(3);
	if (fcntl(left, F_GETFD) != -1)
		return 5;
	if (strcmp(sigabbrev_np(SIGUSR1), "USR1") != 0 || sigabbrev_np(0) != 0 || sigabbrev_np(SIGRTMAX) != 0)
		return 6;
	return sigdescr_np(SIGHUP) == 0;
}
"""
OWN_NAMES = """\
#include <unistd.h>
int close_range(unsigned first, unsigned last, int flags) { return (int)(first + last) + flags; }
int main(void) { return close_range(1, 2, 3) != 6; }
"""


@pytest.mark.parametrize("name", ["amd64", "s390x"])
def test_programs_may_use_what_glibc_has_and_manual_pages_promise(tmp_path: Path, name: str) -> None:
    """Run where it can be: by the host itself, or by an emulator of its processes if there is one."""
    archives, deadline, arch = Archives(Deadline.after(1800)), Deadline.after(1800), ARCHITECTURES[name]
    toolchain = prepare(arch, archives.suite(arch.suite), deadline)
    (tmp_path / "uses.c").write_text(GLIBC_NAMES)
    program = tmp_path / "uses"
    assert compile_program(arch, toolchain, [tmp_path / "uses.c"], (), program, deadline) == ""
    before = [] if arch.name == host_arch().name else [shutil.which(f"qemu-{arch.name}")]
    if None in before:
        pytest.skip(f"compiled for {name}, but nothing here executes it")
    done = process.run([*filter(None, before), program], deadline=Deadline.after(60), check=False)
    assert done.code == 0


def test_a_function_of_such_a_name_in_a_program_is_the_programs(tmp_path: Path) -> None:
    archives, deadline, arch = Archives(Deadline.after(1800)), Deadline.after(1800), host_arch()
    toolchain = prepare(arch, archives.suite(arch.suite), deadline)
    (tmp_path / "own.c").write_text(OWN_NAMES)
    assert compile_program(arch, toolchain, [tmp_path / "own.c"], (), tmp_path / "own", deadline) == ""
    assert process.run([tmp_path / "own"], deadline=Deadline.after(60), check=False).code == 0


GLIBC = """\
#include <gnu/libc-version.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static void bye(void) { puts("bye"); }
static void *other(void *argument) { return argument; }
int main(int argc, char *argv[])
{
	pthread_t thread;
	void *result = 0;
	if (atexit(bye) != 0 || pthread_create(&thread, 0, other, argv) != 0)
		return 1;
	if (pthread_join(thread, &result) != 0)
		return 2;
	printf("%d %zu %d %s %.1f\\n", result == argv, sizeof(time_t), close_range(100, 101, 0),
		strncmp(gnu_get_libc_version(), "2.", 2) == 0 ? "glibc" : "?", sqrt(argc + 3.0));
	return 0;
}
"""
BITS_32 = ("armhf", "i386", "mipsel")


@pytest.mark.whole
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_glibc_too(tmp_path: Path, name: str) -> None:
    """Executed where it can be: by the host itself, or by an emulator of its processes if there is one."""
    archives, deadline = Archives(Deadline.after(600)), Deadline.after(600)
    arch = ARCHITECTURES[name].linked_with("glibc")
    toolchain = prepare(arch, archives.suite(arch.suite), deadline)
    (tmp_path / "uses.c").write_text(GLIBC)
    program = tmp_path / "uses"
    words = compile_program(
        arch, toolchain, [tmp_path / "uses.c"], (), program, deadline, standard=PROGRAM_FLAGS
    )
    assert words == ""
    assert libc_version(arch) == ("2.41" if name == "riscv64" else "2.36")
    emulator = ARCHITECTURES[name].qemu.replace("-system-", "-").replace("qemu-ppc64", "qemu-ppc64le")
    before = [] if name == host_arch().name else [shutil.which(emulator)]
    if None in before:
        pytest.skip(f"compiled for {name}, but nothing here executes it")
    done = process.run([*filter(None, before), program], deadline=Deadline.after(60), check=False)
    assert done.code == 0
    # An emulator of processes may be asked for a new system call in vain.
    time_size = 4 if name in BITS_32 else 8
    assert done.stdout.decode().replace(" -1 ", " 0 ") == f"1 {time_size} 0 glibc 2.0\nbye\n"


DIFFERS = """\
#include <stdio.h>
#include <string.h>
int main(void)
{
	char buffer[64] = "";
	char *text = (char *)strerror_r(1, buffer, sizeof buffer);
	/* glibc's returns the text, musl's writes it and returns 0. */
	printf("%s\\n", text == 0 || buffer[0] != 0 ? "as POSIX says" : "as GNU says");
	return 0;
}
"""


def test_try_with_both_libraries_shows_which_one_a_difference_is_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "differs.c").write_text(DIFFERS)
    words = ["try", str(tmp_path / "differs.c"), "--libc", "both", "--on", "process", "--format", "json"]
    assert main.run(["isolab", *words]) == Exit.FAILED
    said = json.loads(capsys.readouterr().out)
    assert {one["stdout"]: one["machines"] for one in said["answers"]} == {
        "as POSIX says\n": ["process musl"],
        "as GNU says\n": ["process glibc"],
    }
    (cause,) = said["answers"][1]["likely_causes"]
    assert (cause["name"], cause["there"]) == ("C library", "musl 1.2.5 on the same machines")
    assert [one["libc"] for one in said["machines"]] == ["musl 1.2.5", "glibc 2.36"]
