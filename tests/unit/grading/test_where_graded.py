"""Work that several hosts grade: each verdict is sealed with its host's machine, and found again by it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import factories
import pytest

from orchestrator.errors import Interrupted
from orchestrator.grading.grade import Choice, Outcome, grade_works
from orchestrator.grading.graders import Graders, Task
from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.model import Verdict
from orchestrator.grading.queue import Batch
from orchestrator.grading.receipts import RECEIPTS, Receipt, read
from orchestrator.grading.work import Work, WorkStore
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Lab
from orchestrator.progress import SilentProgress
from orchestrator.record import Record, Status
from orchestrator.submissions.model import Intake, Student, Submission

WHO = ("ada", "ben", "cyd", "dan")
ENTRY = "lab:0123456789abcdef"
ALDER = MachineIdentity(f"micro-1 {ENTRY}", "QEMU 7")
BIRCH = MachineIdentity(f"micro-2 {ENTRY}", "QEMU 8")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()


@dataclass
class Hosts:
    """Hosts that take turns, and what they graded; ``failing`` give no result, and after ``stop`` verdicts
    the command is interrupted. ``unplaced``: none gets anything."""

    kinds: Mapping[str, MachineIdentity]
    away: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    unplaced: bool = False
    stop: int = 1000
    graded: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def where(self, task: Task) -> Iterator[Graders]:
        yield _Graders(self, task)


@dataclass(frozen=True)
class _Graders:
    hosts: Hosts
    task: Task

    @property
    def away(self) -> frozenset[str]:
        return self.hosts.away

    def kinds(self) -> Mapping[str, Mapping[str, MachineIdentity]]:
        return {"vm": self.hosts.kinds}

    def records(self, batches: Sequence[Batch]) -> Generator[tuple[Batch, Record], None, None]:
        for batch in batches:
            if len(self.hosts.graded) == self.hosts.stop:
                raise Interrupted("interrupted")
            host = list(self.hosts.kinds)[len(self.hosts.graded) % len(self.hosts.kinds)]
            self.hosts.graded.append(host)
            failed = host in self.hosts.failing or self.hosts.unplaced
            status, name = Status.ERROR if failed else Status.PASS, "" if self.hosts.unplaced else host
            made = factories.record("a", machine="vm", host=name, run=batch.run, status=status, points=1.0)
            yield batch, made


def grade(folder: Path, hosts: Hosts, *, again: bool = False) -> Outcome:
    exercise = factories.loaded(Path(__file__).parent / "nothing", {"student": {"files": ["a.c"]}}, "a")
    lab = LoadedLab(
        Lab.model_validate({"lab": "small", "machines": {"vm": {"driver": "qemu"}}, "exercises": ["a"]}),
        Path("lab.yaml"),
        (exercise,),
    )

    def works(store: WorkStore, _course: bytes) -> list[Work]:
        found = [Submission((Student(who),), Path(), who) for who in WHO]
        return [Work(one, exercise, store.keep({"a.c": one.source.encode()}), {}) for one in found]

    intake = Intake("folders", (), tuple(Student(who) for who in WHO))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.grading.grade.digest_of_exercise", lambda _: ("p" * 64, "h" * 64))
        choice = Choice(("vm",), again=again)
        return grade_works(lab, (exercise,), intake, works, choice, folder, SilentProgress(), hosts.where)


def receipts(folder: Path) -> list[Receipt]:
    return [line.receipt for line in read((folder / RECEIPTS).read_bytes()).readable]


def test_each_verdict_is_sealed_with_what_its_host_has(tmp_path: Path) -> None:
    grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}))
    found = Counter((one.host, one.template, one.qemu) for one in receipts(tmp_path / "out"))
    assert found == {
        ("alder", ALDER.template, ALDER.qemu): 2,
        ("birch", BIRCH.template, BIRCH.qemu): 2,
    }


def test_nothing_is_graded_twice_whichever_host_had_it(tmp_path: Path) -> None:
    grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}))
    again = Hosts({"birch": BIRCH, "alder": ALDER})
    outcome = grade(tmp_path / "out", again)
    assert (outcome.graded, outcome.found, again.graded) == (0, 4, [])


def test_verdicts_of_a_host_that_is_away_count(tmp_path: Path) -> None:
    grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}))
    later = Hosts({"alder": ALDER}, away=frozenset({"birch"}))
    assert grade(tmp_path / "out", later).graded == 0


def test_those_of_a_host_that_left_the_cluster_do_not(tmp_path: Path) -> None:
    grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}))
    assert grade(tmp_path / "out", Hosts({"alder": ALDER})).graded == 2


def test_a_machine_that_is_another_in_the_lab_is_graded_though_its_host_is_away(tmp_path: Path) -> None:
    grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}))
    other = replace(ALDER, template="micro-1 lab:fedcba9876543210")
    assert grade(tmp_path / "out", Hosts({"alder": other}, away=frozenset({"birch"}))).graded == 4


def test_another_qemu_on_one_host_has_its_verdicts_graded_again(tmp_path: Path) -> None:
    grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}))
    newer = Hosts({"alder": ALDER, "birch": replace(BIRCH, qemu="QEMU 9")})
    outcome = grade(tmp_path / "out", newer)
    assert outcome.graded == 2
    assert all("QEMU" in one.inputs for one in outcome.changes)


def test_what_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH}, stop=3))
    assert grade(tmp_path / "out", Hosts({"alder": ALDER, "birch": BIRCH})).graded == 1
    assert len(receipts(tmp_path / "out")) == len(WHO)


def test_what_one_host_cannot_do_another_one_does(tmp_path: Path) -> None:
    hosts = Hosts({"alder": ALDER, "birch": BIRCH, "cedar": ALDER}, failing=frozenset({"birch"}))
    outcome = grade(tmp_path / "out", hosts)
    assert {one.verdict for one in outcome.book.grades} == {Verdict.SCORED}
    assert "birch" not in {one.host for one in receipts(tmp_path / "out")}


def test_what_no_host_had_is_sealed_without_a_machine(tmp_path: Path) -> None:
    outcome = grade(tmp_path / "out", Hosts({"alder": ALDER}, unplaced=True))
    assert {one.verdict for one in outcome.book.grades} == {Verdict.NO_RESULT}
    assert {(one.host, one.template, one.qemu) for one in receipts(tmp_path / "out")} == {("", "", "")}
