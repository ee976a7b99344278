"""Whatever a program starts ends with it, also what multiplies: the runner, without a machine around it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import HOST, image_of
from habitat import fresh_home, host_lock, wait_until

from orchestrator.arch import host_arch
from orchestrator.compile.cross import build_exercise
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.host import process, process_table
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Exercise

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: programs run as a user of their own"),
]

USER = 61999
"""Nobody else's, so that the processes it may have are those of this file's tests."""
SECONDS = 60.0
"""For a limit, or for a wish to end, to be heeded on a busy host."""
BOMB = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Should nobody end it, it does so itself. */
static time_t end;

static void multiply(const char *how)
{
    while (time(NULL) < end) {
        pid_t child = fork();
        if (strcmp(how, "sessions") == 0)
            setsid();
        if (strcmp(how, "wake") == 0)
            kill(-1, SIGCONT);
        if (strcmp(how, "orphans") == 0 && child > 0 && rand() % 2 == 0)
            _exit(0);
    }
}

int main(int argc, char *argv[])
{
    end = time(NULL) + 180;
    if (argc == 2 && fork() == 0) {
        setpgid(0, 0);
        multiply(argv[1]);
        return 0;
    }
    while (time(NULL) < end)
        pause();
    return 0;
}
"""


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program, where anybody may run it."""
    folder = tmp_path_factory.mktemp("bomb")
    (folder / "bomb.c").write_text(BOMB)
    spec = Exercise.model_validate({"title": "a", "build": {"sources": ["bomb.c"]}, "run": "./bomb"})
    deadline = Deadline.after(300)
    built = build_exercise(LoadedExercise("./bomb", folder, spec), host_arch(), Archives(deadline), deadline)
    with host_lock("process-trees"), fresh_home() as home:  # for their user
        program = home.root / "bomb"
        program.write_bytes(built["bomb"].read_bytes())
        program.chmod(0o755)
        yield program


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in process_table.find(_is_theirs):
            os.kill(pid, number)


def _is_theirs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return f"\nUid:\t{USER}\t" in status and "\nState:\tZ" not in status


def _command(bomb: Path, how: str, *options: str) -> list[str]:
    return [str(image_of(HOST).runner), "--user", f"{USER}:{USER}", *options, "--", str(bomb), how]


@pytest.mark.parametrize(
    ("limit", "how"),
    [("timeout", how) for how in ("group", "sessions", "orphans", "wake")] + [("processor", "group")],
)
def test_a_limit_ends_all_of_a_fork_bomb_that_left_the_programs_group(
    bomb: Path, limit: str, how: str
) -> None:
    options = ("--timeout", "120000", f"--{limit}", "1000")
    done = process.run(_command(bomb, how, *options), deadline=Deadline.after(SECONDS), hold_stdin=True)
    assert json.loads(done.stdout.splitlines()[0])["killed_for"] == limit
    assert not list(process_table.find(_is_theirs))


def test_a_runner_that_is_asked_to_end_leaves_nothing(bomb: Path) -> None:
    argv = _command(bomb, "group", "--timeout", "600000")
    talk = process.Conversation(argv)
    try:
        wait_until(lambda: len(list(process_table.find(_is_theirs))) > 100, "the bomb")
        os.kill(talk.pid, signal.SIGTERM)
        talk.finish(Deadline.after(SECONDS))
    finally:
        talk.close()
    assert not list(process_table.find(_is_theirs))


def test_without_processes_left_a_program_is_told_not_to_have_started(bomb: Path) -> None:
    with contextlib.ExitStack() as talks:
        # The kernel lets the first one beyond the limit become a program: execve(2).
        for count in (256, 257):
            talk = process.Conversation(_command(bomb, "group", "--timeout", "60000"))
            talks.callback(talk.close)
            wait_until(lambda count=count: len(list(process_table.find(_is_theirs))) >= count, "the bomb")
        done = process.run(_command(bomb, "group"), deadline=Deadline.after(SECONDS), hold_stdin=True)
    report = json.loads(done.stdout)
    assert report["crowded"] is True
    assert report["start_error"] == f"user id {USER} has all the 256 processes it may have"


@pytest.mark.parametrize(
    ("script", "limited"),
    [
        ("kill -XCPU $$", False),
        ("kill -XFSZ $$", False),
        ("ulimit -S -t 1; while :; do :; done", True),
        ("ulimit -f 1; exec head -c 10000 /dev/zero > file", True),
    ],
)
def test_a_signal_for_a_limit_says_whether_there_was_one(script: str, limited: bool) -> None:
    with fresh_home() as home:
        home.root.chmod(0o777)
        words = [str(image_of(HOST).runner), "--user", f"{USER}:{USER}", "--dir", str(home.root)]
        done = process.run(
            [*words, "--", "/bin/sh", "-c", script], deadline=Deadline.after(60), hold_stdin=True
        )
    report = json.loads(done.stdout.splitlines()[0])
    assert report["signal"] in ("SIGXCPU", "SIGXFSZ")
    assert report["limited"] is limited
