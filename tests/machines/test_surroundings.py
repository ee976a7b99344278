"""What programs find around them is isolab's: the same on every kind of machine, from whatever shell."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from command import environment, isolab
from consoles import keep_consoles
from habitat import Home, fresh_home
from places import LABS

pytestmark = pytest.mark.real

MACHINES = "process,sandbox,container,vm,s390x"
HOSTILE = (
    "sh",
    "-c",
    "ulimit -S -n 100; ulimit -S -s 4096; ulimit -S -t 1000; umask 022; trap '' QUIT USR1 PIPE; "
    'exec nice -n 5 "$@" 9</etc/passwd',
    "sh",
)
"""The shell of somebody who has set whatever a shell can set."""


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    if os.getuid() != 0:
        pytest.skip("needs root: lowering a nice value takes it")
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield home


def test_they_are_the_same_on_all_kinds_of_machines_and_not_the_callers(home: Home) -> None:
    probe = LABS / "surroundings" / "probe.c"
    env = environment(home, MINE="leaks", LD_LIBRARY_PATH="/nowhere")
    answer = isolab(home, "try", probe, "word", "--on", MACHINES, env=env, prefix=HOSTILE)
    assert "the same on all 5 machines" in answer.stdout, answer.stdout + answer.stderr
    assert answer.code == 0
    shown = [line.strip(" |") for line in answer.stdout.splitlines()]
    for line in (
        "2 words, the first is ./probe",
        "umask 022, nice 0, flags 0",
        "core 0 -1",
        "nofile 1024 4096",
        "/dev/stdin: opens",
        "/dev/stdout: opens",
        "oom_score_adj 0",
        "/ 755",
        "/tmp 1777",
        "/var/tmp 1777",
        "HOME yes, USER student, nobody yes",
        "clean clean",
    ):
        assert line in shown
    assert not [line for line in shown if line.startswith(("open:", "blocked:", "not at"))]
