"""Every exercise there is, on one machine of each kind it is written for: it passes, or is skipped
for a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from command import Answer, isolab, records
from consoles import keep_consoles
from habitat import fresh_home

from orchestrator.paths import EXERCISES

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("attacks")]

MACHINES = {
    "process": "{driver: process}",
    "sandbox": "{driver: sandbox}",
    "container": "{driver: container}",
    "vm": "{driver: qemu, accel: tcg}",
    "arm64": "{driver: qemu, arch: arm64}",
    "s390x": "{driver: qemu, arch: s390x}",
    "armhf": "{driver: qemu, arch: armhf}",
}
NAMES = sorted(str(path.parent.relative_to(EXERCISES)) for path in EXERCISES.glob("*/*/exercise.yaml"))


class Run:
    """The one run all tests here look at."""

    def __init__(self, answer: Answer, found: list[dict[str, Any]]) -> None:
        self.answer = answer
        self.records = {(record["exercise"], record["machine"]): record for record in found}


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        (home.root / "lab.yaml").write_text(_lab())
        answer = isolab(home, "run", home.root / "lab.yaml", "--out", home.out, seconds=1800.0)
        yield Run(answer, records(home))


def _lab() -> str:
    machines = "\n".join(f"  {name}: {about}" for name, about in MACHINES.items())
    return f"lab: every-exercise\nmachines:\n{machines}\nexercises: [{', '.join(NAMES)}]\n"


def test_the_run_comes_to_its_end(run: Run) -> None:
    assert run.answer.code == 0, run.answer.stdout + run.answer.stderr
    assert len(run.records) == len(NAMES) * len(MACHINES)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_or_says_why_not(run: Run, name: str) -> None:
    for machine in MACHINES:
        record = run.records[name, machine]
        words = f"{machine}: {record['status']}: {record['reason']}\n{record['stdout']}{record['stderr']}"
        assert record["status"] in ("pass", "skip"), words
        assert record["status"] == "pass" or record["reason"], words


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_somewhere(run: Run, name: str) -> None:
    """But for those that take a network with another machine, which this lab has not, or a program
    that the image `micro` has not."""
    reasons = {run.records[name, machine]["reason"] for machine in MACHINES}
    ran = any(run.records[name, machine]["status"] == "pass" for machine in MACHINES)
    expected = ("needs a network", "not installed in this machine")
    assert ran or all(any(words in reason for words in expected) for reason in reasons), reasons
