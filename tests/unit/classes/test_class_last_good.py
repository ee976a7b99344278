"""A class whose files are wrong in the middle of an edit, and one whose roster has other ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_term import made_up_class
from public_keys import ED25519

from orchestrator.classes.last_good import keep, last_good
from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.new_seats import told_of_new
from orchestrator.classes.paths import home_image
from orchestrator.cli.classes import ACTIONS, MEANWHILE, _loaded
from orchestrator.errors import SpecError


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    made_up_class(tmp_path / "class", 2)
    (tmp_path / "class/roster.csv").write_text("id,github\ns00,ada\ns01,\n")
    (tmp_path / "class/keys").mkdir()
    (tmp_path / "class/keys/ada.keys").write_text(f"{ED25519}\n")
    return load_class(tmp_path / "class")


BROKEN = {
    "class.yaml": ["class: term\nclass: term\n", "class: other\n", "a: [", "roster: nobody.csv\n"],
    "roster.csv": ["id\ns00\ns00\n", "", "name\nAda\n"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, those in BROKEN.items() for text in those])
def test_it_goes_on_as_it_was(
    found: LoadedClass, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    keep(found)
    (found.folder / name).write_text(text)
    for action in sorted(MEANWHILE):
        assert _loaded(str(found.folder), action) == found
        said = capsys.readouterr().err
        assert name in said
        assert "going on with the class as it was" in said
    for action in ACTIONS.keys() - MEANWHILE:
        with pytest.raises(SpecError):
            _loaded(str(found.folder), action)


def test_what_was_never_up_has_no_other_version(found: LoadedClass) -> None:
    (found.folder / "class.yaml").write_text("class: [")
    assert last_good(found.folder) is None
    with pytest.raises(SpecError):
        _loaded(str(found.folder), "down")


def home(found: LoadedClass, seat: str) -> None:
    image = home_image(found, seat, "desk")
    image.parent.mkdir(parents=True)
    image.touch()


def test_a_first_up_has_nothing_to_say_of_home_folders(found: LoadedClass) -> None:
    assert told_of_new(found, found.seats) == []


def test_who_is_new_is_told_and_whose_home_folder_is_nobodys(found: LoadedClass) -> None:
    home(found, "s00")
    assert told_of_new(found, found.seats) == ["new, with a fresh home folder: s01"]
    home(found, "s10")
    _, nobodys = told_of_new(found, found.seats)
    assert nobodys.startswith("home folders of nobody on the roster: s10.")
    assert told_of_new(found, found.seats[:1]) == []


def test_who_was_collected_and_begins_anew_is_told(found: LoadedClass) -> None:
    (found.folder / "collected/s01").mkdir(parents=True)
    (words,) = told_of_new(found, found.seats)
    assert words.startswith("collected before, and now with a fresh home folder: s01.")
