"""A class is graded from its hand-ins to its grades; killed on the way, it ends with the same grades."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import isolab, started
from consoles import keep_consoles
from graded import Folder
from habitat import Home, fresh_home, wait_until
from made_up_class import COPIED, TEAM, WORKS, Member, as_canvas, made_up_class, write_roster

from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

MACHINE = "s390x"
KILLS = 3
SECONDS = 3600.0


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as found:
        keep_consoles(request.session, found.root)
        yield found


@pytest.mark.parametrize(
    "number", [11, pytest.param(60, marks=pytest.mark.whole("grading sixty twice takes ten minutes"))]
)
def test_killed_three_times_it_ends_with_the_same_grades(home: Home, number: int) -> None:
    members = made_up_class(number)
    roster = write_roster(members, home.root / "roster.csv")
    submissions = as_canvas(members, home.root / "submissions.zip")
    exercises = ("--exercise", ",".join(WORKS))
    words = ("grade", ROOT / "labs/workshop", submissions, "--roster", roster, "--only", MACHINE, *exercises)
    whole = Folder(home.root / "whole")
    done = isolab(home, *words, "--out", whole.path, seconds=SECONDS)
    assert done.code == 1, done.stderr
    in_all = len(whole.receipts())
    broken = Folder(home.root / "broken")
    for turn in range(KILLS):
        goal = in_all * (turn + 1) // (KILLS + 1)
        _kill_when_there_are(goal, broken, home, (*words, "--out", broken.path))
        assert goal <= len(broken.receipts()) < in_all
        if turn:  # as if it had been killed while it wrote
            broken.append("records.jsonl", b'{"run": "2027')
            broken.append("receipts.jsonl", b'{"receipt":{"attempt":1')
    done = isolab(home, *words, "--out", broken.path, seconds=SECONDS)
    assert done.code == 1, done.stderr
    assert "which isolab was killed while writing; it was dropped" in done.stderr
    assert broken.grades() == whole.grades()
    assert broken.files() == whole.files()
    assert len(broken.receipts()) == in_all
    for folder in (whole, broken):
        assert isolab(home, "grade", "--verify", folder.path).code == 0
    assert home.settled() == []
    removed = isolab(home, "gc").stdout.splitlines()
    others = ("nothing to remove", "removed incomplete ")  # the cache is everybody's
    assert [line for line in removed if not line.startswith(others)] == []
    _each_has_what_it_deserves(whole, members)


def _kill_when_there_are(goal: int, folder: Folder, home: Home, words: tuple[str | Path, ...]) -> None:
    with started(home, *words) as run:
        wait_until(
            lambda: len(folder.receipts()) >= goal or run.child.poll() is not None,
            f"{goal} verdicts",
            SECONDS,
        )
        run.send(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, run.said


def _each_has_what_it_deserves(folder: Folder, members: list[Member]) -> None:
    rows = folder.rows()
    assert len(rows) == len(members) * len(WORKS)
    by_kind = {one.kind: [row for row in rows if row["id"] == one.id] for one in members}
    for kind in ("right", COPIED, TEAM):
        assert {(row["verdict"], row["reason"]) for row in by_kind[kind]} == {("scored", "")}
        assert all(row["points"] == row["max"] for row in by_kind[kind])
    for kind in ("wrong in one way", "wrong in another", "skeleton"):
        assert all(row["verdict"] == "scored" for row in by_kind[kind])
        assert all(0 < float(row["points"]) < float(row["max"]) for row in by_kind[kind])
    assert {row["reason"] for row in by_kind["nothing"]} == {"nothing handed in"}
    assert all("undeclared identifier 'zero'" in row["reason"] for row in by_kind["does not compile"])
    for kind, number in (("nothing", 3), ("does not compile", 3), ("files missing", 2)):
        refused = [row for row in by_kind[kind] if row["verdict"] == "not gradable"]
        assert [row["points"] for row in refused] == ["0"] * number
    assert {row["id"] for row in rows if row["late"]} == {one.id for one in members if one.late}
