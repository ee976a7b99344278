"""Programs that misbehave fail, with a reason; nobody else is harmed. Labs with mistakes start nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from command import isolab, records, run_lab, statuses
from consoles import keep_consoles
from habitat import Home, fresh_home
from places import LABS

pytestmark = pytest.mark.real

MACHINES = ("bare", "crate", "guest")


@pytest.fixture(scope="module")
def rough(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], dict[str, Any]]]:
    """The records of one run of all bad programs on three kinds of machines, by machine and exercise."""
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        answer = run_lab(home, "rough")
        assert answer.code == 1, answer.stderr
        yield {(r["machine"], r["exercise"]): r for r in records(home)}


@pytest.mark.parametrize("machine", MACHINES)
class TestBadPrograms:
    def test_one_that_prints_for_ever(self, rough: dict[Any, Any], machine: str) -> None:
        record = rough[machine, "./flood"]
        assert record["status"] == "fail"
        assert record["reason"] == "stopped by isolab: too much output\noutput truncated"
        assert len(record["stdout"]) == 64 * 1024

    def test_one_that_never_ends(self, rough: dict[Any, Any], machine: str) -> None:
        record = rough[machine, "./endless"]
        assert record["status"] == "fail"
        # Both limits are 10 s here, and a guest's clock of its processor may be ahead of the host's.
        by_which = ("(1 s, times ", "used 10 s of processor time, stopped by isolab")
        assert any(words in record["reason"] for words in by_which), record["reason"]

    def test_one_that_gives_up(self, rough: dict[Any, Any], machine: str) -> None:
        record = rough[machine, "./three"]
        assert (record["status"], record["exit_code"], record["signal"]) == ("fail", 3, None)
        assert "exit_code: got 3, expected 0" in record["reason"]
        assert record["stderr"] == "cannot do it\n"

    def test_one_that_crashes(self, rough: dict[Any, Any], machine: str) -> None:
        record = rough[machine, "./segfault"]
        assert (record["status"], record["exit_code"], record["signal"]) == ("fail", None, "SIGSEGV")
        assert "killed by SIGSEGV" in record["reason"]

    def test_one_that_prints_garbage(self, rough: dict[Any, Any], machine: str) -> None:
        record = rough[machine, "./garbage"]
        assert (record["status"], record["exit_code"]) == ("fail", 0)
        assert record["stdout"].startswith("caf\ufffd \0 \x1b[31m \ufffd\ufffd\n")
        assert len(record["observations"]["answer"]) == 2000
        assert record["reason"].startswith('answer: got      "xxx')
        assert "(600000 characters, sha256 " in record["reason"]
        assert len(record["reason"]) < 2400

    def test_the_others_are_fine(self, rough: dict[Any, Any], machine: str) -> None:
        assert (rough[machine, "./fine"]["status"], rough[machine, "./fine"]["points"]) == ("pass", 1)

    def test_points_are_neither_lost_nor_given(self, rough: dict[Any, Any], machine: str) -> None:
        points = {name: r["points"] for (where, name), r in rough.items() if where == machine}
        assert {name for name, won in points.items() if won} == {"./fine"}
        assert all(r["max_points"] == 1 for r in rough.values())


@pytest.mark.alone
def test_a_fork_bomb_is_held_by_its_boundary() -> None:
    """The kernel counts a user's processes on the whole host, containers' too: while the bomb stands,
    no other container's student can fork."""
    with fresh_home() as home:
        answer = run_lab(home, "swarm")
        found = {(r["machine"], r["exercise"]): (r["status"], r["reason"]) for r in records(home)}
        for machine in ("crate", "guest"):
            assert found[machine, "./forks"][0] == "fail", found
            assert found[machine, "./fine"] == ("pass", ""), found
        assert answer.code == 1


class TestBadInput:
    @pytest.fixture
    def home(self) -> Iterator[Home]:
        with fresh_home() as home:
            yield home

    def test_every_mistake_is_told_and_nothing_starts(self, home: Home) -> None:
        answer = run_lab(home, "mistaken")
        assert (answer.code, answer.stdout) == (2, "")
        told = answer.stderr.replace("'", "")
        for words in ("lab.yaml:3:", "did you mean process", "did you mean memory", "ipc/pipe", "./nothing"):
            assert words in told
        assert not home.out.exists()

    @pytest.mark.parametrize(
        ("option", "name", "meant"),
        [("--only", "gest", "guest"), ("--exercise", "./quik", "./quick")],
    )
    def test_a_name_that_is_not_in_the_lab(self, home: Home, option: str, name: str, meant: str) -> None:
        answer = run_lab(home, "box", option, name)
        assert answer.code == 2
        assert f"{name!r}" in answer.stderr
        assert f"did you mean {meant}" in answer.stderr.replace("'", "")
        assert not home.out.exists()

    def test_a_lab_that_is_not_there(self, home: Home) -> None:
        answer = isolab(home, "run", LABS / "bok", "--out", home.out)
        assert answer.code == 2
        assert "no lab at" in answer.stderr

    def test_a_program_that_does_not_compile_is_told_from_one_that_fails(self, home: Home) -> None:
        answer = run_lab(home, "uncompiled")
        assert answer.code == 3
        assert statuses(home) == {("bare", "./broken"): "error", ("bare", "./fine"): "pass"}
        (broken,) = (r for r in records(home) if r["exercise"] == "./broken")
        assert "broken.c does not compile:\nbroken.c:3:12: error: " in broken["reason"]
        assert "use of undeclared identifier 'nowhere'" in broken["reason"]
