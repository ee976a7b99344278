"""Handing in: frozen with a receipt, numbered, late when it is; and what grading takes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
from class_work import SKELETON, write_class

from orchestrator.classes.activity import Activity, Kind
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.work import hand_in as handing
from orchestrator.classes.work.chosen import Chosen
from orchestrator.classes.work.class_intake import class_intake
from orchestrator.classes.work.deposit_box import ABOUT, box, deposited, digests_of
from orchestrator.classes.work.hand_in import HandIn, hand_in, policy_of
from orchestrator.classes.work.mirror import Mirror
from orchestrator.classes.work.receipt import verify_receipt
from orchestrator.classes.work.requests import answer
from orchestrator.errors import Exit, LabError, SpecError
from orchestrator.gradebook.policy import Keep
from orchestrator.grading.keys import signing_key
from orchestrator.paths import state_dir
from orchestrator.progress import SilentProgress
from orchestrator.submissions.model import Submission

BEGUN = "int main(void) { return 1; }\n"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


@contextmanager
def at_home(**files: str) -> Iterator[None]:
    """Let the seat's home folder have these files: ``first`` is that exercise's, ``second`` the other's."""
    names = {"first": "first/answer.c", "second": "topic/second/answer.c", "more": "first/more.txt"}

    def work_of(*about: object) -> tuple[None, Chosen]:
        target = about[4]
        assert isinstance(target, Path)
        for name, text in files.items():
            (target / names[name]).parent.mkdir(parents=True, exist_ok=True)
            (target / names[name]).write_text(text)
        return None, Chosen((), (), ("big: 5.0 GiB",))

    with patch.object(handing, "work_of", work_of):
        yield


def handed(found: LoadedClass, *exercises: str, seat: int = 0) -> HandIn:
    return hand_in(found, found.seats[seat], "small", exercises, "ada")


def test_what_was_begun_is_frozen_with_a_signed_receipt(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    with at_home(first=BEGUN, second=SKELETON, more="notes"):
        done = handed(found)
    assert (done.number, done.exercises, done.again) == (1, ("first",), False)
    assert done.missing == ("topic/second: not begun",)
    assert done.skipped == ("big: 5.0 GiB",)
    assert done.folder == tmp_path / "handed-in/small/ada/1"
    assert digests_of(done.folder / "files").keys() == {"first/answer.c", "first/more.txt"}
    told = verify_receipt((done.folder / "receipt.txt").read_text(), signing_key(state_dir()).public_key())
    assert told.problems == ()
    assert told.files == digests_of(done.folder / "files")
    assert all(path.stat().st_mode & 0o222 == 0 for path in (done.folder / "files").rglob("*"))
    (event,) = Activity(found).events([Kind.HANDED_IN])
    assert (event.seat, event.lab, event.exercise) == ("ada", "small", "first")


def test_it_is_numbered_and_the_same_is_not_taken_twice(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    with at_home(first=BEGUN):
        first, again = handed(found), handed(found)
    assert (again.number, again.again, again.time, again.receipt) == (1, True, first.time, first.receipt)
    with at_home(first=BEGUN + "\n"):
        assert handed(found).number == 2
    with at_home(first=BEGUN):
        assert handed(found).number == 3
    assert len(Activity(found).events([Kind.HANDED_IN])) == 3


def at(moment: datetime) -> AbstractContextManager[object]:
    """Let hand-ins come at this time."""
    clock = Mock(wraps=datetime)
    clock.now = lambda _zone: moment
    return patch.object(handing, "datetime", clock)


DUE = datetime(2020, 3, 8, 17, tzinfo=UTC)
EARLY, LATE = DUE - timedelta(hours=1), DUE + timedelta(hours=1)


def test_the_same_files_are_no_later_for_what_came_since(tmp_path: Path) -> None:
    found = write_class(tmp_path, due=DUE.isoformat())
    with at_home(first=BEGUN, second=BEGUN):
        with at(EARLY):
            one = handed(found, "first")
        with at(LATE):
            other, again, both = handed(found, "second"), handed(found, "first"), handed(found)
    assert (one.late, other.late, both.late) == ("", "late by 1:00:00", "late by 1:00:00")
    assert (again.number, again.again, again.late, again.time) == (1, True, "", EARLY)
    with class_intake(found, found.labs[0], found.labs[0].lab.exercises, Keep.LAST) as intake:
        assert [(i.about, i.attempt, i.submitted) for i in intake.submissions] == [
            (("./first",), 3, EARLY),
            (("./topic/second",), 3, LATE),
        ]
    assert "first: never checked; handed in 2020-03-08" in (text := said(found, "status")[1])
    assert "late" not in next(line for line in text.split("\n") if "  first:" in line)


def test_going_back_to_earlier_files_counts_as_the_last_in_their_time(tmp_path: Path) -> None:
    found = write_class(tmp_path, due=DUE.isoformat())
    for text, when in ((BEGUN, EARLY), ("other", LATE), (BEGUN, LATE)):
        with at_home(first=text), at(when):
            done = handed(found)
    assert (done.number, done.again, done.late) == (3, False, "")
    (last, _) = of_seat(found, "ada")
    assert (last.attempt, last.submitted) == (3, EARLY)
    assert any("the same files came first" in words for words in last.remarks)


def test_after_an_examination_nothing_is_handed_in(tmp_path: Path) -> None:
    found = write_class(tmp_path, due=DUE.isoformat(), more="exam: true")
    code, text = said(found, "hand-in")
    assert code is Exit.INFRASTRUCTURE
    assert "the examination is over: it ended at 2020-03-08" in text
    TimeLimits(found).extend([found.seats[0].name], 600)
    with at_home(first=BEGUN):
        assert handed(found).number == 1


def test_nothing_is_nothing(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    with at_home(first=SKELETON), pytest.raises(SpecError, match="nothing was begun"):
        handed(found)
    with at_home(), pytest.raises(SpecError, match="nothing to hand in"):
        handed(found, "first")
    with at_home(first=SKELETON):  # whoever names it means it
        assert handed(found, "first").exercises == ("first",)
    with pytest.raises(SpecError, match="no exercise 'frist'"):
        handed(found, "frist")


def test_late_is_marked_and_taken(tmp_path: Path) -> None:
    found = write_class(tmp_path, due="2020-03-08T17:00+00:00")
    with at_home(first=BEGUN):
        done = handed(found)
    assert done.late.startswith("late by ")
    assert "in time: no, late by" in done.receipt
    assert policy_of(found, found.labs[0]).due == datetime(2020, 3, 8, 17, tzinfo=UTC)


def test_a_disk_is_not_filled_by_handing_in(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    with at_home(first=BEGUN):
        handed(found)
    with (
        at_home(first="other"),
        patch.object(handing, "MOST_TIMES", 1),
        pytest.raises(SpecError, match="1 time"),
    ):
        handed(found)


def test_killed_while_it_is_written_there_is_no_half_of_it(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    killed = patch.object(Path, "rename", side_effect=KeyboardInterrupt)
    with at_home(first=BEGUN), killed, pytest.raises(KeyboardInterrupt):
        handed(found)
    assert deposited(box(found, "small", "ada")) == []
    with at_home(first=BEGUN):
        assert handed(found).number == 1


def test_a_damaged_one_is_not_passed_over(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    with at_home(first=BEGUN):
        done = handed(found)
    (done.folder / ABOUT).chmod(0o600)
    (done.folder / ABOUT).write_text("{}")
    with pytest.raises(LabError, match="is damaged"):
        deposited(box(found, "small", "ada"))


def submissions(found: LoadedClass, keep: Keep = Keep.LAST) -> list[tuple[str, int, tuple[str, ...]]]:
    with class_intake(found, found.labs[0], found.labs[0].lab.exercises, keep) as intake:
        return [(one.students[0].id, one.attempt, one.about or ()) for one in intake.submissions]


def of_seat(found: LoadedClass, seat: str) -> list[Submission]:
    with class_intake(found, found.labs[0], found.labs[0].lab.exercises, Keep.LAST) as intake:
        return [one for one in intake.submissions if one.source.endswith(seat)]


def test_grading_takes_the_last_of_each_exercise_or_all(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    assert submissions(found) == []
    with at_home(first=BEGUN):
        handed(found)
    assert submissions(found) == [("ada", 1, ("./first",)), ("ada", 1, ("./topic/second",))]
    with at_home(first=BEGUN + "\n", second=BEGUN):
        handed(found, "second")
    assert submissions(found) == [("ada", 1, ("./first",)), ("ada", 2, ("./topic/second",))]
    with at_home(first=BEGUN + "\n\n", second=BEGUN):
        handed(found)
    assert submissions(found) == [("ada", 3, ("./first",)), ("ada", 3, ("./topic/second",))]  # of two times
    assert [attempt for _, attempt, _ in submissions(found, Keep.BEST)] == [1, 2, 3, 3]
    last = of_seat(found, "ada")[-1]
    assert last.submitted is not None
    assert (last.folder / "first/answer.c").read_text() == BEGUN + "\n\n"


def test_who_handed_in_nothing_is_graded_as_collected(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    collect(tmp_path, "bob", first=BEGUN, second=SKELETON)
    one, other = of_seat(found, "bob")
    assert (one.about, other.about) == (("./first",), ("./topic/second",))
    assert "not handed in" in one.remarks[0]
    assert one.submitted is not None
    assert datetime.now(UTC) - one.submitted < timedelta(minutes=10)
    assert other.submitted is None
    with class_intake(found, found.labs[0], found.labs[0].lab.exercises, Keep.LAST) as intake:
        assert list(other.folder.glob("[!.]*")) == []
        assert [student.id for student in intake.absent] == ["ada"]
        assert "graded as collected: bob" in intake.notes[0]


def collect(folder: Path, seat: str, **files: str) -> None:
    names = {"first": "small/first/answer.c", "second": "small/topic/second/answer.c"}
    mirror = Mirror(folder / "collected" / seat, "desk")
    from class_work import item

    items = tuple(item(names[name], len(text)) for name, text in sorted(files.items()))

    def fetch(wanted: object, into: Path) -> set[str]:
        for name, text in files.items():
            (into / names[name]).write_text(text)
        return {names[name] for name in files}

    mirror.renew(
        Chosen(items, ("small", "small/first", "small/topic", "small/topic/second"), ()), 5000, fetch, 9
    )


def test_feedback_says_when_what_was_collected_came_and_that_it_is_late(tmp_path: Path) -> None:
    found = write_class(tmp_path, due=DUE.isoformat())
    before = datetime.now().astimezone()
    collect(tmp_path, "bob", first=BEGUN)
    (words,) = of_seat(found, "bob")[0].remarks
    days = {before.date(), datetime.now().astimezone().date()}
    assert any(f"its files came {day}" in words for day in days)
    assert ", late by " in words


def test_starting_files_alone_are_nobodys_work(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    collect(tmp_path, "bob", first=SKELETON, second=SKELETON)
    assert submissions(found) == []


def said(found: LoadedClass, *words: str) -> tuple[Exit, str]:
    lines, asked = [], answer(found, found.seats[0], words, SilentProgress())
    while True:
        try:
            lines.append(next(asked))
        except StopIteration as end:
            return end.value, "\n".join(lines)


class TestRequests:
    def test_handing_in_ends_with_the_receipt(self, tmp_path: Path) -> None:
        found = write_class(tmp_path)
        with at_home(first=BEGUN):
            code, text = said(found, "isolab", "hand-in", "small/first")
        assert code is Exit.PASSED
        head, _, rest = text.partition("Keep this receipt:\n\n")
        assert "handed in as number 1: first" in head
        assert verify_receipt(rest + "\n", signing_key(state_dir()).public_key()).problems == ()

    def test_status_says_what_is_due_and_done(self, tmp_path: Path) -> None:
        found = write_class(tmp_path, due="2020-03-08T17:00+08:00")
        with at_home(first=BEGUN), at(EARLY):
            handed(found)
        code, text = said(found, "status")
        assert code is Exit.PASSED
        assert "small: due Sun 8 March 2020, 17:00 (UTC+08:00)" in text  # as in the handout
        assert "first: never checked; handed in 2020-03-09 00:00 +0800 (number 1" in text
        assert "topic/second: never checked; not handed in" in text

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["rm", "-rf"], "cannot do 'rm'"),
            (["hand-inn"], "hand-in"),
            (["check"], "which exercise"),
            (["help", "x"], "isolab help takes no further words"),
            (["status", "x"], "isolab status takes no further words"),
            (["check", "small"], "one exercise at a time"),
            (["check", "small/../../etc"], "no exercise"),
            (["hand-in", "x\x1b[31m"], "\\x1b[31m"),
            (["check", "a" * 300], "too long"),
            (["help"] * 20, "too long"),
        ],
    )
    def test_words_that_mean_nothing(self, tmp_path: Path, words: list[str], told: str) -> None:
        code, text = said(write_class(tmp_path), *words)
        assert code is Exit.BAD_INPUT
        assert told in text
        assert all(line.isprintable() for line in text.split("\n"))

    def test_no_machine_is_told(self, tmp_path: Path) -> None:
        code, text = said(write_class(tmp_path), "check", "second")
        assert code is Exit.INFRASTRUCTURE
        assert "no machine of ada is up" in text
