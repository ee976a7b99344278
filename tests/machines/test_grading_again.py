"""What has a verdict is found again; what has changed is graded; what was tampered with is found."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import Answer, isolab, started
from consoles import keep_consoles
from graded import Folder
from habitat import Home, fresh_home, wait_until
from made_up_class import BROKEN, Member, as_moodle, write_roster
from place import has_qemu
from places import LABS

from orchestrator.host import process_table

pytestmark = pytest.mark.real

SUM, PRODUCT = "./sum", "./product"

LUCKY = 24
"""Checks on random bits: that two runs agree in all has a probability of one in 2**24."""
LUCK = """
#include <stdio.h>
#include <sys/random.h>

int main(void)
{
    unsigned int bits;
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
        return 1;
    printf("{\\"answer\\": 42, \\"tidy\\": true");
    for (int place = 0; place < 24; place++)
        printf(", \\"bit%d\\": %u", place, bits >> place & 1);
    return puts("}") < 0;
}
"""


def program(answer: object, tidy: str = "true") -> bytes:
    """One that answers the exercises of tests/labs/graded."""
    text = json.dumps(f'{{"answer": {answer}, "tidy": {tidy}}}')
    return f"#include <stdio.h>\nint main(void) {{ return puts({text}) < 0; }}\n".encode()


def slow(seconds: int) -> bytes:
    """A right sum that takes its time."""
    return b"#include <unistd.h>\n" + program(13).replace(b"return ", b"sleep(%d); return " % seconds)


@dataclass(frozen=True)
class Course:
    """A lab of its own, what was handed in, and the folder of grades."""

    home: Home
    lab: Path
    handed_in: Path
    grades: Folder

    def hands_in(self, student: str, **programs: bytes) -> None:
        for name, data in programs.items():
            path = self.handed_in / student / name / f"{name}.c"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    @property
    def words(self) -> tuple[str | Path, ...]:
        return ("grade", self.lab, self.handed_in, "--out", self.grades.path)

    def grade(self, *more: str, code: int = 1) -> dict[str, Any]:
        answer = isolab(self.home, *self.words, *more, "--format", "json")
        assert answer.code == code, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def verify(self, *more: str, code: int = 0) -> Answer:
        answer = isolab(self.home, "grade", "--verify", self.grades.path, *more)
        assert answer.code == code, answer.stdout + answer.stderr
        return answer

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.lab / name).read_text()
        assert old in text
        (self.lab / name).write_text(text.replace(old, new))


def emulators(home: Home) -> list[int]:
    """The QEMUs of the machine ``guest``."""
    return [
        pid
        for pid, words in home.command_lines().items()
        if "-name" in words and words[words.index("-name") + 1].endswith("-guest")
    ]


def kill_emulators(home: Home, killed: set[int]) -> None:
    """Kill those that were not killed before, and note them."""
    for pid in set(emulators(home)) - killed:
        process_table.end(pid, patience=0)
        killed.add(pid)


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as found:
        keep_consoles(request.session, found.root)
        yield found


@pytest.fixture
def course(home: Home, request: pytest.FixtureRequest) -> Iterator[Course]:
    root = home.root / request.node.name[:40]
    shutil.copytree(LABS / "graded", root / "lab")
    (root / "class").mkdir()
    yield Course(home, root / "lab", root / "class", Folder(root / "grades"))
    assert home.settled() == []


def counts(told: dict[str, Any]) -> tuple[int, int]:
    return told["graded"], told["found"]


def moved(told: dict[str, Any]) -> dict[tuple[str, str], int]:
    """How many verdicts of each exercise rose, fell or stayed."""
    found: dict[tuple[str, str], int] = {}
    for one in told["changes"]:
        key = (one["place"]["exercise"], one["moved"])
        found[key] = found.get(key, 0) + 1
    return found


def test_only_what_depends_on_a_change_is_graded(course: Course) -> None:
    course.hands_in("ada", sum=program(13), product=program(42, tidy="false"))
    course.hands_in("ben", sum=program(14), product=program(42, tidy="false"))  # one like Ada's
    course.hands_in("cyd", sum=BROKEN)
    told = course.grade()
    assert counts(told) == (5, 0)  # Cyd's product, which is missing, is one of them
    assert told["verdicts"] == {"scored": 4, "not gradable": 2, "no result": 0}
    first = course.grades.grades(), course.grades.receipts()
    assert [course.grades.row(who, SUM)["points"] for who in ("ada", "ben", "cyd")] == ["3", "1", "0"]

    (course.lab / "product/README.md").write_text("What students read is not graded.\n")
    told = course.grade()
    assert (counts(told), told["changes"]) == ((0, 5), [])
    assert (course.grades.grades(), course.grades.receipts()) == first

    course.hands_in("ben", sum=program(13))
    told = course.grade()
    assert counts(told) == (0, 4)  # which is what Ada handed in
    assert moved(told) == {(SUM, "rose"): 1}
    assert told["changes"][0]["inputs"] == ["the submission"]

    course.edit("product/hidden.yaml", "equals: true", "equals: false")
    told = course.grade()
    assert counts(told) == (2, 2)
    assert moved(told) == {(PRODUCT, "rose"): 2, (PRODUCT, "stayed"): 1}
    assert all(one["inputs"] == ["the hidden tests"] for one in told["changes"])

    course.edit("product/exercise.yaml", "equals: 42", "equals: 43")
    told = course.grade()
    assert counts(told) == (2, 2)
    assert moved(told) == {(PRODUCT, "fell"): 2, (PRODUCT, "stayed"): 1}

    course.edit("lab.yaml", "arch: s390x", "arch: s390x, memory: 192MiB")
    told = course.grade()
    assert counts(told) == (4, 0)
    assert set(moved(told)) == {(SUM, "stayed"), (PRODUCT, "stayed")}

    told = course.grade("--again")
    assert counts(told) == (4, 0)
    assert all(one["moved"] == "stayed" for one in told["changes"])
    course.verify()


def test_what_is_not_the_same_each_time_is_told(course: Course) -> None:
    with (course.lab / "product/exercise.yaml").open("a") as file:
        file.writelines(f"  - {{that: bit{place}, equals: 1}}\n" for place in range(LUCKY))
    (course.lab / "product/skeleton/product.c").write_text(LUCK)
    course.hands_in("ada", product=LUCK.encode(), sum=program(13))
    course.hands_in("ben", sum=program(14))
    told = course.grade("--repeat", "2")
    assert [(one["student"], one["exercise"]) for one in told["unstable"]] == [("ada", PRODUCT)]
    assert any("check bit" in words for words in told["unstable"][0]["what"])
    assert all(words.startswith("on guest: ") for words in told["unstable"][0]["what"])


def test_what_was_tampered_with_is_found_and_what_was_not_is_derived_again(course: Course) -> None:
    course.hands_in("ada", sum=program(13), product=program(41))
    course.hands_in("ben", sum=program(13))
    course.grade()
    assert "all as they were sealed" in course.verify().stdout
    derived = course.verify("--student", "ada").stdout
    assert derived.count("the same verdict") == 2
    records = course.grades.path / "records.jsonl"
    sealed = records.read_bytes()
    points = [record["points"] for record in course.grades.records()]
    assert sorted(points) == [0, 1, 3, 3]
    raised = sealed.replace(b'"points": 1.0', b'"points": 3.0')
    assert raised != sealed
    records.write_bytes(raised)
    assert "product" in course.verify(code=1).stdout
    records.write_bytes(sealed)
    for kept in (course.grades.path / "work").rglob("product.c"):
        kept.write_bytes(program(42))
    assert "are gone or were changed" in course.verify("--student", "ada", code=2).stderr


def test_a_lost_machine_is_retried_and_costs_nothing(course: Course) -> None:
    course.hands_in("ada", sum=slow(10), product=program(42))
    course.hands_in("ben", sum=program(14), product=program(42, tidy="false"))
    with started(course.home, *course.words) as run:
        wait_until(lambda: course.grades.receipts() or run.child.poll() is not None, "Ben's first verdict")
        kill_emulators(course.home, set())
        assert run.wait() == 1, run.said
        assert "no result for" in run.said
        assert "attempt 2 on fresh machines" in run.said
    assert course.grades.row("ada", SUM)["points"] == "3"
    assert course.grades.row("ben", SUM)["points"] == "1"
    assert course.grades.row("ada", PRODUCT)["points"] == "3"
    course.verify()


def test_without_a_machine_there_is_no_result_and_it_is_graded_later(course: Course) -> None:
    course.hands_in("ada", sum=slow(2), product=program(42))
    killed: set[int] = set()

    def ended() -> bool:
        kill_emulators(course.home, killed)
        return run.child.poll() is not None

    with started(course.home, *course.words, "--exercise", SUM) as run:
        wait_until(ended, "the end", 600)
        assert run.wait() == 3, run.said
        assert "attempt 3 on fresh machines" in run.said
        assert "attempt 4" not in run.said
        assert "ada: ./sum: this could not be graded" in run.said
    assert len(killed) >= 3
    row = course.grades.row("ada", SUM)
    assert (row["points"], row["verdict"]) == ("", "no result")
    assert list(course.grades.path.rglob("command.txt")), "the logs of what gave no result are kept"
    told = course.grade(code=0)
    assert counts(told) == (2, 0)
    assert course.grades.row("ada", SUM)["points"] == "3"
    course.verify()


def test_interrupted_it_keeps_its_verdicts_and_leaves_nothing(course: Course) -> None:
    course.hands_in("ada", sum=program(13), product=program(42))
    course.hands_in("ben", sum=slow(15))
    with started(course.home, *course.words) as run:
        wait_until(lambda: course.grades.receipts() or run.child.poll() is not None, "a verdict")
        wait_until(lambda: has_qemu(course.home) or run.child.poll() is not None, "QEMU")
        run.send(signal.SIGINT)
        assert run.wait() == 130, run.said
        assert "verdicts were kept" in run.said
    assert course.home.settled() == []
    kept = len(course.grades.receipts())
    assert kept
    course.verify()
    course.hands_in("ben", sum=program(13))
    told = course.grade(code=1)
    assert sum(counts(told)) == 3  # Ben's sum is like Ada's, his product is missing
    assert told["found"] >= 1


def test_moodles_zip_comes_back_as_moodles_worksheet(course: Course) -> None:
    files = {"sum/sum.c": program(13), "product/product.c": program(42)}
    members = [
        Member("s1", "Ada Lane", "", files=files),
        Member("s2", "Ben Moor", "", files={**files, "sum/sum.c": program(14)}),
        Member("s3", "Cyd Nash", ""),
    ]
    zipped = as_moodle(members, course.lab.parent / "class.zip")
    roster = write_roster(members, course.lab.parent / "roster.csv")
    sheet = course.lab.parent / "sheet.csv"
    rows = [
        f"Participant {100 + place},{one.name},{one.id}@uni.example,Submitted,,12.00,Yes,-,-,\r\n"
        for place, one in enumerate(members)
    ]
    header = "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    header += "Last modified (submission),Last modified (grade),Feedback comments\r\n"
    sheet.write_bytes((header + "".join(rows)).encode())
    words = ("grade", course.lab, zipped, "--roster", roster, "--moodle", sheet)
    done = isolab(course.home, *words, "--out", course.grades.path)
    assert done.code == 1, done.stderr
    filled = (course.grades.path / "moodle/sheet.csv").read_bytes().decode()
    cells = [row.split(",")[4] for row in filled.split("\r\n")[1:4]]
    assert cells == ["12.00", "8.00", "0.00"]
