"""Verdicts on disk: sealed as they fall, found again, untouched by what is not sealed."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import factories
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.cli.signals import stop_signals
from orchestrator.errors import SpecError
from orchestrator.grading.about import About, write_about
from orchestrator.grading.inputs import Inputs
from orchestrator.grading.queue import Unit
from orchestrator.grading.receipts import RECEIPTS, Graded, Receipt, Receipts
from orchestrator.grading.store import GradeStore
from orchestrator.grading.verification import verify
from orchestrator.grading.work import Work, WorkStore
from orchestrator.record import RECORDS, Record, Status, read_records
from orchestrator.submissions.model import Student, Submission

KEY = Ed25519PrivateKey.generate()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "grades"
    made.mkdir()
    return made


def unit(digest: str = "d", exercise: str = "a", machine: str = "vm") -> Unit:
    about = Submission((Student("ada"),), Path(), "ada")
    work = Work(about, factories.loaded(Path("/exercises") / exercise, {}, exercise), digest, {})
    return Unit(work, machine, Inputs(digest, "p", "h", "t", "q"))


def record(points: float = 1.0, **changes: object) -> Record:
    plain = factories.record("a", machine="vm", points=points, status=Status.PASS)
    return replace(plain, **changes)  # type: ignore[arg-type]


def place(who: str, exercise: str = "a") -> Graded:
    return Graded(who, exercise, "vm", 1)


def test_a_verdict_is_found_again_by_what_it_depends_on_whoever_it_was_given_to(folder: Path) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record())
    with GradeStore(folder, KEY) as store:
        found = store.find(unit().same)
        assert found is not None
        assert found.student == "s1"
        store.add(place("s2"), unit(), found)
        store.finish([place("s2"), place("s1")])
        assert store.find(unit("other").same) is None
    assert [one.student for one in read_records(folder / RECORDS)] == ["s2", "s1"]
    assert verify(folder).problems == ()


def test_a_record_without_a_receipt_does_not_count(folder: Path) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record())
    with (folder / RECORDS).open("a") as file:
        file.write(record(99.0).to_json() + "\n" + '{"run": "cut of')
    with GradeStore(folder, KEY) as store:
        found = store.find(unit().same)
        assert found is not None
        assert found.points == 1.0
        store.add(place("s2"), unit("e"), record(0.5))
        store.finish([place("s1"), place("s2")])
    assert [one.points for one in read_records(folder / RECORDS)] == [1.0, 0.5]


def test_a_record_that_was_changed_does_not_count(folder: Path) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record(0.5))
    line = json.loads((folder / RECORDS).read_text())
    (folder / RECORDS).write_text(json.dumps({**line, "points": 100.0}) + "\n")
    with GradeStore(folder, KEY) as store:
        assert store.find(unit().same) is None


def test_no_result_is_kept_but_not_found(folder: Path) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record(status=Status.ERROR, reason="lost"))
        assert store.find(unit().same) is None
        assert store.verdicts[place("s1")].record.reason == "lost"
    with GradeStore(folder, KEY) as store:
        assert store.find(unit().same) is None


def test_verdicts_of_others_who_were_graded_there_stay(folder: Path) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("gone"), unit(), record())
        store.add(place("here"), unit("e"), record())
        store.finish([place("here")])
    assert [one.student for one in read_records(folder / RECORDS)] == ["here", "gone"]


def test_one_command_at_a_time_grades_into_a_folder(folder: Path) -> None:
    with GradeStore(folder, KEY), pytest.raises(SpecError, match="another isolab"):
        GradeStore(folder, KEY)


def test_files_are_kept_by_content_and_their_change_is_noticed(folder: Path) -> None:
    store = WorkStore(folder)
    files = {"a.c": b"int x;", "sub/b.h": b""}
    digest = store.keep(files)
    assert store.keep(files) == digest
    assert store.read(digest) == files
    (store.place(digest) / "a.c").write_bytes(b"int y;")
    with pytest.raises(SpecError, match="were changed"):
        store.read(digest)


class Killed(BaseException):
    """Ends what is under way as SIGKILL does: nothing more is written."""


def killed_while_sealing(folder: Path, monkeypatch: pytest.MonkeyPatch, who: Graded, one: Record) -> None:
    """Add a verdict, killed when its record is on disk and its receipt is not."""

    def stop(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as only_here, GradeStore(folder, KEY) as store:
        only_here.setattr(Receipts, "append", stop)
        with pytest.raises(Killed):
            store.add(who, unit("other"), one)


def test_an_interrupt_comes_after_the_receipt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Receipts.append

    def interrupted(receipts: Receipts, receipt: Receipt) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        append(receipts, receipt)

    monkeypatch.setattr(Receipts, "append", interrupted)
    with GradeStore(folder, KEY) as store, pytest.raises(KeyboardInterrupt), stop_signals():
        store.add(place("s1"), unit(), record())
    found = verify(folder)
    assert (found.problems, found.receipts, found.records) == ((), 1, 1)


@pytest.mark.parametrize("who", ["s1", "s2"], ids=["graded before", "new"])
def test_what_a_kill_leaves_is_told_and_is_no_problem_until_the_class_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record())
    killed_while_sealing(folder, monkeypatch, place(who), record(0.5, student=who))
    about = About("lab.yaml", {"s1": ["ada"], "s2": ["ben"]}, finished=False)
    write_about(folder, about)
    found = verify(folder)
    assert (found.finished, found.problems, len(found.left)) == (False, (), 1)
    assert found.left[0].startswith(f"{RECORDS}:2 (a of {who} on vm): ")

    write_about(folder, replace(about, finished=True))
    finished = verify(folder)
    assert (finished.problems, finished.left) == (found.left, ())

    with GradeStore(folder, KEY) as store:
        store.add(place("s2"), unit("other"), record(0.5, student="s2"))
        store.finish([place("s1"), place("s2")])
    assert verify(folder).problems == ()


def test_in_a_folder_that_is_not_finished_what_replaced_a_verdict_is_a_problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record())
    sealed = (folder / RECORDS).read_text()
    killed_while_sealing(folder, monkeypatch, place("s1"), record(0.5))
    write_about(folder, About("lab.yaml", {"s1": ["ada"]}, finished=False))
    (folder / RECORDS).write_text((folder / RECORDS).read_text().replace(sealed, ""))
    assert len(verify(folder).problems) == 1


def test_an_older_result_is_left_until_the_class_is_finished(folder: Path) -> None:
    write_about(folder, About("lab.yaml", {"s1": ["ada"]}, finished=False))
    with GradeStore(folder, KEY) as store:
        store.add(place("s1"), unit(), record(0.5))
        store.add(place("s1"), unit("e"), record(1.0))
    with (folder / RECORDS).open("a") as file, (folder / RECEIPTS).open("a") as receipts:
        file.write('{"run": "cut of')
        receipts.write('{"receipt":{"att')
    found = verify(folder)
    assert found.problems == ()
    assert ["older result" in found.left[2], "not a record" in found.left[1]] == [True, True]
    assert "ends in a part of a line" in found.left[0]
