"""A machine that is lost while it works is told as such, in a run and in `try`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Started, records, started
from consoles import keep_consoles
from habitat import Home, fresh_home, wait_until
from trees import below

from orchestrator.host import process_table

pytestmark = pytest.mark.real

SLEEPER = "#include <unistd.h>\nint main(void) { sleep(60); return 0; }\n"
LAB = """\
lab: lost
defaults: {image: micro, accel: tcg}
machines: {guest: {driver: qemu, arch: s390x}}
exercises: [./sleeper]
"""
EXERCISE = """\
title: Sleep
build: {sources: [sleeper.c]}
run: ./sleeper
timeout: 90s
"""


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as found:
        keep_consoles(request.session, found.root)
        yield found


@pytest.fixture
def lab(home: Home) -> Path:
    folder = home.root / "lab/sleeper"
    folder.mkdir(parents=True)
    (folder.parent / "lab.yaml").write_text(LAB)
    (folder / "exercise.yaml").write_text(EXERCISE)
    (folder / "sleeper.c").write_text(SLEEPER)
    return folder.parent


def _has_facts(home: Home) -> bool:
    return any(path.name == "facts.json" for path in below(home.root))


def lose(home: Home, run: Started, name: str) -> None:
    """Kill the machine's emulator when it is connected, and its program starts."""
    wait_until(lambda: _has_facts(home) or run.child.poll() is not None, "its facts")
    for pid, words in home.command_lines().items():
        if "-name" in words and words[words.index("-name") + 1].endswith(f"-{name}"):
            process_table.end(pid, patience=0)


def test_in_a_run_it_is_an_error_of_that_machine(home: Home, lab: Path) -> None:
    with started(home, "run", lab, "--out", home.out) as run:
        lose(home, run, "guest")
        assert run.wait() == 3, run.said
        assert "unexpected error" not in run.said
    [record] = records(home)
    assert record["status"] == "error"
    assert home.settled() == []


def test_try_says_so_too(home: Home, lab: Path) -> None:
    with started(home, "try", lab / "sleeper/sleeper.c", "--on", "s390x", "--timeout", "90s") as run:
        lose(home, run, "s390x")
        assert run.wait() == 3, run.said
        assert "unexpected error" not in run.said
    assert home.settled() == []
