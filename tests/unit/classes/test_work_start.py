"""What a seat starts from: the labs that are open, without hidden tests, with its own parameters."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from class_work import SKELETON, write_class

from orchestrator.classes.load import load_class
from orchestrator.classes.model import Seat
from orchestrator.classes.work.listing import Item
from orchestrator.classes.work.push import missing_of
from orchestrator.classes.work.start import starting, starting_files
from orchestrator.exercises.parameters import values
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.labfile.load import load_exercise
from orchestrator.paths import state_dir
from orchestrator.sessions.outgoing import outgoing


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_is_what_students_get_ready_to_edit(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    with starting_files(found, found.seats[0]) as folder:
        of_one = {"README.md", "exercise.yaml", "skeleton/answer.c", "answer.c"}
        wanted = {f"small/{name}/{file}" for name in ("first", "topic/second") for file in of_one}
        assert names(folder) == {"small/lab.yaml", *wanted}
        assert (folder / "small/first/answer.c").read_text() == SKELETON
        every = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
        assert "secret" not in every
        place = folder
    assert not place.exists()


def test_each_seat_has_its_own_values_and_the_others_are_not_touched(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    course = course_key(signing_key(state_dir()))
    exercise = found.labs[0].lab.exercises[1]
    texts = []
    with starting(found) as labs, labs.of(found.seats[0]) as ada, labs.of(found.seats[1]) as bob:
        for seat, folder in zip(found.seats, (ada, bob), strict=True):
            own = values(exercise.spec, exercise.name, seat.label, course)["own"]
            texts.append((folder / "small/topic/second/README.md").read_text())
            assert texts[-1] == f"# Answer\n\nYours is {own}.\n"
            (folder / "small/topic/second/answer.c").unlink()  # a lab keeps it in skeleton/ alone
            loaded = load_exercise(folder / "small/topic/second", "topic/second")
            assert loaded.hidden is None
            assert {name: one.value for name, one in loaded.spec.parameters.items()} == {"own": own}
    assert texts[0] != texts[1]


def test_a_group_has_the_values_of_its_first_member(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    group = Seat("red", "red", tuple(member for seat in found.seats for member in seat.members))
    with starting(found) as labs, labs.of(group) as red, labs.of(found.seats[0]) as ada:
        path = "small/first/README.md"
        assert (red / path).read_text() == (ada / path).read_text()


def test_a_lab_that_is_not_open_is_not_there(tmp_path: Path) -> None:
    found = write_class(tmp_path)
    text = (tmp_path / "class.yaml").read_text().replace("lab: small", "lab: small, from: 2027-03-01T09:00Z")
    (tmp_path / "class.yaml").write_text(text)
    found = load_class(tmp_path)
    assert found.open_labs(datetime(2027, 3, 1, 8, 59, tzinfo=UTC)) == ()
    assert len(found.open_labs(datetime(2027, 3, 1, 9, 0, tzinfo=UTC))) == 1
    with starting_files(found, found.seats[0], datetime(2027, 1, 1, tzinfo=UTC)) as folder:
        assert names(folder) == set()


def test_only_what_is_missing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "lab/a/deep").mkdir(parents=True)
    for name in ("x", "a/y", "a/deep/z"):
        (tmp_path / "lab" / name).write_text("ours")
    home = [
        Item("lab", 0o40755, 0, 0, 0, 1),
        Item("lab/x", 0o100644, 9, 0, 0, 2),
        Item("lab/a", 0o120777, 1, 0, 0, 3),
    ]
    missing, there = missing_of(outgoing([tmp_path / "lab"]), home)
    assert [name for _, name in missing.members] == []
    assert sorted(there) == ["lab/a/deep/z", "lab/a/y", "lab/x"]  # lab/a is a link, whose place is taken
    missing, there = missing_of(outgoing([tmp_path / "lab"]), home[:2])
    assert [name for _, name in missing.members] == ["lab/a", "lab/a/deep", "lab/a/deep/z", "lab/a/y"]
    assert there == ["lab/x"]
