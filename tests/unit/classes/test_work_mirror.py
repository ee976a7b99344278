"""The copy of a home folder: only what changed is fetched, and whenever isolab is killed one is whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from class_work import item

from orchestrator.classes.work.chosen import Chosen
from orchestrator.classes.work.listing import Item
from orchestrator.classes.work.mirror import BEFORE, Mirror, Renewed
from orchestrator.errors import LabError, TransportError

NOW = 5000
MUCH = 2**30


class Machine:
    """A home folder as the machine has it; ``asked`` are the paths that were fetched."""

    def __init__(self, **files: str) -> None:
        self.files = {name.replace("__", "/"): text for name, text in files.items()}
        self.at = dict.fromkeys(self.files, 1000)
        self.asked: list[str] = []

    def write(self, path: str, text: str, at: int = 2000) -> None:
        self.files[path], self.at[path] = text, at

    def wanted(self) -> Chosen:
        items = [item(path, len(text), at=self.at[path]) for path, text in sorted(self.files.items())]
        folders = {str(above) for path in self.files for above in Path(path).parents} - {"."}
        return Chosen(tuple(items), tuple(sorted(folders)), ())

    def fetch(self, files: Sequence[Item], into: Path) -> set[str]:
        self.asked = [one.path for one in files]
        for path in self.asked:
            (into / path).write_text(self.files[path])
        return set(self.asked)


def renew(folder: Path, machine: Machine, most: int = MUCH, **more: bool) -> Renewed:
    machine.asked = []
    return Mirror(folder, "desk").renew(machine.wanted(), NOW, machine.fetch, most, **more)


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def machine() -> Machine:
    return Machine(a="one", d__b="two", d__c="three")


def test_only_what_changed_is_fetched(tmp_path: Path, machine: Machine) -> None:
    assert renew(tmp_path, machine) == Renewed(3, 3, 11)
    assert content(tmp_path / "desk") == machine.files
    assert renew(tmp_path, machine) == Renewed(3)
    assert machine.asked == []
    machine.write("d/b", "TWO!")
    assert renew(tmp_path, machine) == Renewed(3, 1, 4)
    assert machine.asked == ["d/b"]
    assert content(tmp_path / "desk") == machine.files


def test_what_was_deleted_is_set_aside_and_the_copy_is_as_the_home(tmp_path: Path, machine: Machine) -> None:
    renew(tmp_path, machine)
    del machine.files["d/b"], machine.files["d/c"]
    assert renew(tmp_path, machine).gone == 2
    assert content(tmp_path / "desk") == {"a": "one"}
    assert not (tmp_path / "desk/d").exists()
    assert sorted(content(tmp_path / BEFORE).values()) == ["three", "two"]


def test_the_oldest_of_what_was_deleted_goes_first(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / BEFORE / "20000101-000000Z/desk").mkdir(parents=True)
    (tmp_path / BEFORE / "20000101-000000Z/desk/old").write_text("x" * 50_000)
    renew(tmp_path, machine, most=20_000)
    assert content(tmp_path / BEFORE) == {}


def test_a_change_within_the_clocks_second_is_not_missed(tmp_path: Path, machine: Machine) -> None:
    machine.at["a"] = NOW - 1
    renew(tmp_path, machine)
    index = tmp_path / ".index-desk.json"
    index.write_text(index.read_text().replace('"came": "20', '"came": "19'))
    assert renew(tmp_path, machine) == Renewed(3)  # it is fetched, and is as it was
    assert machine.asked == ["a"]
    assert Mirror(tmp_path, "desk").known()["a"].came.startswith("19")
    machine.files["a"] = "ONE"  # of the same size, at the same second
    assert renew(tmp_path, machine).fresh == 1
    assert Mirror(tmp_path, "desk").known()["a"].came.startswith("20")
    assert content(tmp_path / "desk") == machine.files


def test_what_somebody_removed_here_comes_again(tmp_path: Path, machine: Machine) -> None:
    renew(tmp_path, machine)
    (tmp_path / "desk/a").unlink()
    (tmp_path / "desk/d/c").write_text("another size")
    renew(tmp_path, machine)
    assert sorted(machine.asked) == ["a", "d/c"]
    shutil.rmtree(tmp_path / "desk")
    renew(tmp_path, machine)
    assert content(tmp_path / "desk") == machine.files


def test_what_goes_away_meanwhile_is_told_or_stays_as_it_was(tmp_path: Path, machine: Machine) -> None:
    renew(tmp_path, machine)
    machine.write("a", "ONE!")
    machine.write("new", "gone")
    with patch.object(machine, "fetch", lambda _files, _into: set()):
        assert Mirror(tmp_path, "desk").renew(machine.wanted(), NOW, machine.fetch, MUCH).lost == ("new",)
    assert content(tmp_path / "desk")["a"] == "one"
    renew(tmp_path, machine)
    assert sorted(machine.asked) == ["a", "new"]


def test_an_incomplete_list_deletes_nothing(tmp_path: Path, machine: Machine) -> None:
    renew(tmp_path, machine)
    del machine.files["d/b"]
    machine.write("new", "four")
    assert renew(tmp_path, machine, complete=False).gone == 0
    assert set(content(tmp_path / "desk")) == {"a", "d/b", "d/c", "new"}


def test_a_failure_leaves_the_copy_as_it_was(tmp_path: Path, machine: Machine) -> None:
    renew(tmp_path, machine)
    before = content(tmp_path / "desk")
    machine.write("a", "ONE!")
    with (
        patch.object(machine, "fetch", side_effect=TransportError("lost")),
        pytest.raises(TransportError),
    ):
        Mirror(tmp_path, "desk").renew(machine.wanted(), NOW, machine.fetch, MUCH)
    assert content(tmp_path / "desk") == before
    renew(tmp_path, machine)
    assert content(tmp_path / "desk") == machine.files


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "seat").write_text("a file")
    with pytest.raises(LabError, match="cannot write the copy"):
        renew(tmp_path / "seat", machine)


class Killed(BaseException):
    """The process ends here."""


def killed_at(number: int, folder: Path, machine: Machine) -> bool:
    """Renew the copy, and end just before the renaming of this number; returns whether there is one."""
    done, real = 0, Path.rename

    def rename(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == number:
            raise Killed
        return real(self, target)

    with patch.object(Path, "rename", rename):
        try:
            renew(folder, machine)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("number", range(1, 7))
def test_killed_at_any_step_it_goes_on(tmp_path: Path, machine: Machine, number: int) -> None:
    renew(tmp_path, machine)
    old = content(tmp_path / "desk")
    machine.write("a", "ONE!")
    del machine.files["d/b"], machine.files["d/c"]
    machine.write("e/f", "new")
    if not killed_at(number, tmp_path, machine):
        assert number > 4  # each of the steps was tried
    mirror = Mirror(tmp_path, "desk")
    mirror.recover()
    assert content(mirror.copy) in (old, machine.files)
    renew(tmp_path, machine)
    assert content(tmp_path / "desk") == machine.files
    assert sorted(content(tmp_path / BEFORE).values()) == ["three", "two"]
    assert [path.name for path in tmp_path.glob(".*") if path.is_dir()] == [BEFORE]
