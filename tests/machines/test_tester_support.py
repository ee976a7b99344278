"""What the testers of student exercises rely on: strangers are heard within bounds, and ended for certain."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.arch import host_arch
from orchestrator.compile.cross import build_exercise, warnings_of
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.exercises.checks import observations
from orchestrator.exercises.crowded import OBSERVATION, STATUS
from orchestrator.host import process
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Exercise
from orchestrator.paths import EXERCISES

pytestmark = pytest.mark.real

STRANGER = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void leave_one_behind(void)
{
    pid_t pid = fork();
    while (pid == 0)
        pause();
    printf("%d\n", (int)pid);
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";
    char line[64];
    if (strcmp(what, "crash") == 0)
        abort();
    if (strcmp(what, "flood") == 0)
        for (;;)
            puts("more");
    if (strcmp(what, "deaf") == 0)
        for (;;)
            pause();
    for (volatile int forever = strcmp(what, "loop") == 0; forever;)
        continue;
    if (strcmp(what, "leave") == 0)
        leave_one_behind();
    if (strcmp(what, "blocked") == 0 && signal(SIGPIPE, SIG_DFL) == SIG_DFL)
        puts("default");
    if (strcmp(what, "echo") == 0)
        while (fgets(line, sizeof line, stdin) != NULL)
            fputs(line, stdout);
    fputs("said to err", stderr);
    return 3;
}
"""
TESTER = r"""
#define _GNU_SOURCE 1
#include "../support/child.h"
#include <string.h>

enum { MUCH = 1 << 20, ROOM = MUCH };

static char much[MUCH];

static void ask(char *what, const char *name, const char *said_name, size_t length)
{
    char *const argv[] = {"./stranger", what, NULL};
    struct child child = run_to_end(argv, much, length, ROOM);
    show_text(name, ending(&child));
    show_bytes(said_name, child.out.text, child.out.length, 20);
    show_number(what, (long)child.out.length);
    end_child(&child);
}

static void take_lines(void)
{
    char *const argv[] = {"./stranger", "echo", NULL};
    char line[LINE_ROOM];
    struct child child = start_child(argv, NULL, ROOM);
    tell(&child, "one\n\"two\"\n\x01 thr", 15);
    show_bool("sleeps", falls_asleep(child.pid));
    close_end(&child.in);
    hear_line(&child.out, line);
    show_text("first", line);
    hear_line(&child.out, line);
    show_text("second", line);
    show_bool("third_is_whole", hear_line(&child.out, line));
    show_text("third", line);
    await_end(&child);
    show_text("lines_end", ending(&child));
    end_child(&child);
}

int main(void)
{
    protect_tester();
    memset(much, 'm', sizeof much);
    ask("exit", "exits", "exit_said", 0);
    ask("crash", "crashes", "crash_said", 0);
    ask("flood", "floods", "flood_said", 0);
    ask("deaf", "is_deaf", "deaf_said", MUCH);
    ask("loop", "loops", "loop_said", 0);
    ask("leave", "leaves", "left_said", 0);
    ask("blocked", "starts_with", "signal_said", 0);
    ask("echo", "echoes", "echo_said", MUCH);
    take_lines();
    show_end();
    return 0;
}
"""

CROWDED = r"""
#define _GNU_SOURCE 1
#include "../support/child.h"
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NPROC, &none) == -1 || setuid(61998) == -1)
        die("setuid");
    protect_tester();
    show_number("before", 1);
    char *const argv[] = {"./stranger", "exit", NULL};
    struct child child = run_to_end(argv, "", 0, 1);
    end_child(&child);
    return 0;
}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What a tester observed of strangers, and its standard error."""
    programs = _strangers(tmp_path_factory.mktemp("topic"), TESTER)
    done = process.run([programs / "tester"], cwd=programs, deadline=Deadline.after(600))
    return json.loads(done.stdout), done.stderr.decode()


def _strangers(topic: Path, tester: str) -> Path:
    """An exercise with this tester, built; returns its folder."""
    shutil.copytree(EXERCISES / "work/support", topic / "support")
    place = topic / "strangers"
    place.mkdir()
    (place / "stranger.c").write_text(STRANGER)
    (place / "tester.c").write_text(tester)
    support = [f"../support/{name}.c" for name in ("child", "hear", "report")]
    build = [{"sources": ["stranger.c"]}, {"sources": ["tester.c", *support]}]
    about = {"title": "a", "run": "./tester", "shared": ["support"], "build": build}
    exercise = LoadedExercise("work/strangers", place, Exercise.model_validate(about))
    deadline = Deadline.after(600)
    programs = build_exercise(exercise, host_arch(), Archives(deadline), deadline)
    assert warnings_of(programs) == ""
    for name, program in programs.items():
        shutil.copy(program, place / name)
    return place


def test_how_a_program_ended_and_what_it_said_by_then(told: tuple[dict[str, Any], str]) -> None:
    seen, errors = told
    assert (seen["exits"], seen["exit_said"]) == ("exit 3", "")
    assert (seen["crashes"], seen["crash_said"]) == ("signal SIGABRT", "")
    assert "said to err" in errors


def test_one_that_says_too_much_is_ended(told: tuple[dict[str, Any], str]) -> None:
    seen, _ = told
    assert seen["floods"] == "flood"
    assert seen["flood"] == 2**20
    assert seen["flood_said"] == "more\n" * 4


def test_one_that_neither_reads_nor_speaks_is_ended(told: tuple[dict[str, Any], str]) -> None:
    assert told[0]["is_deaf"] == "silent"


def test_one_that_computes_for_ever_is_ended_by_its_processor_time(told: tuple[dict[str, Any], str]) -> None:
    assert told[0]["loops"] == "signal SIGXCPU"


def test_one_that_is_left_behind_is_not_waited_for_and_ended(told: tuple[dict[str, Any], str]) -> None:
    seen, _ = told
    assert seen["leaves"] == "exit 3"
    pid = int(seen["left_said"])
    assert not Path(f"/proc/{pid}").exists() or b"stranger" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_program_starts_with_signals_at_their_defaults(told: tuple[dict[str, Any], str]) -> None:
    assert told[0]["signal_said"] == "default\n"


def test_input_and_output_that_fill_their_pipes_pass_each_other(told: tuple[dict[str, Any], str]) -> None:
    assert (told[0]["echoes"], told[0]["echo"]) == ("exit 3", 2**20)


def test_lines_are_taken_one_by_one_and_made_harmless(told: tuple[dict[str, Any], str]) -> None:
    seen, _ = told
    assert seen["sleeps"] is True
    assert (seen["first"], seen["second"]) == ("one", '"two"')
    assert (seen["third_is_whole"], seen["third"]) == (False, "? thr")
    assert seen["lines_end"] == "exit 3"


@pytest.mark.skipif(os.getuid() != 0, reason="root alone becomes another user")
def test_a_tester_without_processes_left_says_so_and_takes_the_blame(tmp_path: Path) -> None:
    place = _strangers(tmp_path, CROWDED)
    done = process.run([place / "tester"], cwd=place, deadline=Deadline.after(60), check=False)
    assert done.code == STATUS
    words = "cannot start a program: user id 61998 has all the 0 processes it may have"
    assert observations(done.stdout.decode()) == {"before": 1, OBSERVATION: words}
