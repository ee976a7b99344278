"""Taking a class down: which home folders of an examination are destroyed, and what is told of the others."""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from class_work import write_class

from orchestrator.classes import down, gateway
from orchestrator.classes.home_files import HomeFiles
from orchestrator.classes.machines import Place
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.paths import home_image
from orchestrator.classes.work import collect, take
from orchestrator.classes.work.collect import Collected
from orchestrator.classes.work.listing import Item
from orchestrator.classes.work.not_taken import MOST_LINES, not_taken
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.progress import SilentProgress
from orchestrator.transport.local import CommandTransport


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))


@pytest.fixture
def exam(tmp_path: Path) -> LoadedClass:
    return write_class(tmp_path, due="2020-03-08T17:00+00:00", more="exam: true")


def taken_down(
    found: LoadedClass, patch: pytest.MonkeyPatch, *copies: Collected, collected: object = None
) -> down.Down:
    """Take down a class whose collection ends so; each seat has its one machine and home folder."""
    machines = {}
    for one in copies:
        image = home_image(found, one.seat, one.machine)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_text("work")
        machines[Place(one.seat, one.machine)] = SimpleNamespace(name=f"{one.seat}.{one.machine}")
    patch.setattr(down, "held", lambda *_: nullcontext())
    patch.setattr(down, "there", lambda _: machines)
    patch.setattr(down, "collect", collected or (lambda *_, **__: [*copies]))
    patch.setattr(down, "take_down", lambda *_: [])
    patch.setattr(gateway, "stop", lambda _: None)
    return down.bring_down(found, found.seats, SilentProgress(), Cancellation(), everything=True)


def test_a_home_is_destroyed_only_if_all_its_files_were_collected(
    exam: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Collected("ada", "desk", skipped=("link: it is a link",))
    large = Collected("bob", "desk", skipped=("core: 2.0 GiB",), missed=("core: 2.0 GiB",))
    done = taken_down(exam, monkeypatch, link, large)
    assert done.destroyed == (Place("ada", "desk"),)
    assert not home_image(exam, "ada", "desk").exists()
    kept = home_image(exam, "bob", "desk")
    assert kept.read_text() == "work"
    assert done.failed == (f"bob/desk: not taken: core: 2.0 GiB; its home folder is kept in {kept}",)


def test_of_an_examination_what_went_away_meanwhile_is_looked_for_once_more(
    exam: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def collected(_found: object, seats: list[Seat], *_: object, **__: object) -> list[Collected]:
        asked.append([seat.name for seat in seats])
        lost = ("swap: it went away",) if len(asked) == 1 else ()
        return [Collected(s.name, "desk", fresh=1, missed=lost if s.name == "bob" else ()) for s in seats]

    both = [Collected(seat.name, "desk") for seat in exam.seats]
    done = taken_down(exam, monkeypatch, *both, collected=collected)
    assert asked == [["ada", "bob"], ["bob"]]
    assert [one.fresh for one in done.collected] == [1, 2]
    assert (done.failed, len(done.destroyed)) == ((), 2)


def test_without_an_examination_what_was_not_taken_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = write_class(tmp_path)
    done = taken_down(found, monkeypatch, Collected("bob", "desk", skipped=("core",), missed=("core",)))
    assert (done.failed, done.destroyed) == ((), ())
    assert home_image(found, "bob", "desk").exists()


def test_a_home_folder_is_one_line_of_what_was_not_taken() -> None:
    some = Collected("ada", "desk", skipped=tuple(f"f{number}: why" for number in range(5)))
    (line,) = not_taken([some, Collected("bob", "desk")])
    assert line == "ada/desk: 5 not taken: f0: why; f1: why; f2: why; and 2 more"
    lines = not_taken([some] * (MOST_LINES + 2), " (more)")
    assert (len(lines), lines[-1]) == (MOST_LINES + 1, "… and 2 more home folders (more)")


def test_the_limit_is_never_less_than_the_home_folder_can_hold(tmp_path: Path) -> None:
    found = write_class(tmp_path, more="quota: {disk: 16MiB}")
    assert collect._most(found, HomeFiles(found).get("ada", "desk")) == 32 * 2**20
    image = home_image(found, "ada", "desk")
    image.parent.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(2**30)
    assert collect._most(found, HomeFiles(found).get("ada", "desk")) == 2**30


def test_sparse_files_and_odd_names_are_taken(tmp_path: Path) -> None:
    home, target = tmp_path / "home", tmp_path / "target"
    home.mkdir()
    odd = ["line\nbreak", "-C", os.fsdecode(b"\xff"), 'a "b" \\n $x', " "]
    for name in odd:
        (home / name).write_text(name.replace("\udcff", "ff"))
    with (home / "sparse").open("wb") as file:
        file.truncate(2**24)
        file.seek(2**23)
        file.write(b"data")
    items = [_item(home, name) for name in (*odd, "sparse")]
    machine: Any = SimpleNamespace(name="desk")
    connections: Any = SimpleNamespace(to=lambda *_: nullcontext(CommandTransport()))
    came = take.take_files(machine, connections, str(home), items, target, Deadline.after(60))
    assert came == {*odd, "sparse"}
    assert all((target / name).read_text() == name.replace("\udcff", "ff") for name in odd)
    assert (target / "sparse").stat().st_size == 2**24
    assert (target / "sparse").stat().st_blocks * 512 < 2**20


def test_holes_that_take_too_long_keep_nothing_else_from_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, target = tmp_path / "home", tmp_path / "target"
    home.mkdir()
    (home / "small").write_text("work")
    with (home / "sparse").open("wb") as file:
        file.truncate(2**21)
    monkeypatch.setattr(take, "LARGE_HOLES", 2**20)
    monkeypatch.setattr(take, "HOLES_SECONDS", 0.0)
    machine: Any = SimpleNamespace(name="desk")
    connections: Any = SimpleNamespace(to=lambda *_: nullcontext(CommandTransport()))
    items = [_item(home, "small"), _item(home, "sparse")]
    assert take.take_files(machine, connections, str(home), items, target, Deadline.after(60)) == {"small"}
    assert [path.name for path in target.iterdir()] == ["small"]


def _item(home: Path, name: str) -> Item:
    about = (home / name).lstat()
    return Item(name, stat.S_IFREG | 0o644, about.st_size, 1, 1, about.st_ino, about.st_blocks)
