"""Files pushed into a home folder: nothing of the student's is overwritten, and all come or none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from class_work import write_class

from orchestrator.classes.work import push
from orchestrator.classes.work.place import STAGE, place_command
from orchestrator.classes.work.push import Pushed
from orchestrator.cli.classes import push as cli
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Exit, LabError
from orchestrator.host import process
from orchestrator.sessions.outgoing import outgoing

SITE = SimpleNamespace(site=SimpleNamespace(users={"student": 0}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, in which commands of a machine run as they are."""
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(push, "entry", lambda _machine, _user, argv: SimpleNamespace(argv=argv))
    monkeypatch.setattr(push, "home_of", lambda _: str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "ours/data").mkdir(parents=True)
    (tmp_path / "ours/notes").write_text("ours")
    (tmp_path / "ours/data/set").write_text("ours")
    return tmp_path / "home"


def pushed(home: Path) -> Pushed:
    machine: Any = SimpleNamespace(name="ada.desk", handle=SITE)
    ours = home.parent / "ours"
    return push._copied(machine, outgoing([ours / "data", ours / "notes"]), Cancellation())


def content(home: Path) -> dict[str, str]:
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


def test_a_students_file_survives_any_number_of_pushes(home: Path) -> None:
    (home / "notes").write_text("hers")
    assert pushed(home) == Pushed("", "", 2, backed_up=("notes~",))
    assert pushed(home) == Pushed("", "", 0, left_alone=("data/set", "notes"))
    (home.parent / "ours/notes").write_text("ours, once more")
    assert pushed(home) == Pushed("", "", 1, left_alone=("data/set",), backed_up=("notes~2",))
    assert content(home) == {
        "notes": "ours, once more",
        "notes~": "hers",
        "notes~2": "ours",
        "data/set": "ours",
    }


def test_links_and_what_is_of_another_kind_are_kept_too(home: Path) -> None:
    (home / "elsewhere").mkdir()
    (home / "data").symlink_to("elsewhere")
    (home / "notes").mkdir()
    (home / "notes/mine").write_text("hers")
    assert pushed(home).backed_up == ("notes~", "data~")
    assert (home / "data~").readlink() == Path("elsewhere")
    assert content(home) == {"data/set": "ours", "notes": "ours", "notes~/mine": "hers"}
    assert list((home / "elsewhere").iterdir()) == []


def test_odd_names_and_links_of_ours_arrive(home: Path) -> None:
    ours = home.parent / "ours/data"
    for name in ("-n", "a b ", "$x", "back\\slash", "~"):
        (ours / name).write_text(name)
    (ours / "link").symlink_to("set")
    assert pushed(home).files == 8
    assert (home / "data/link").readlink() == Path("set")
    assert content(home / "data").keys() == {"-n", "a b ", "$x", "back\\slash", "~", "set", "link"}
    assert pushed(home).files == 0


def test_what_cannot_be_sent_leaves_all_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "notes").write_text("hers")

    def full(_machine: object, _what: object, folder: str, _deadline: object) -> int:
        Path(folder).mkdir()
        (Path(folder) / "notes").write_text("")
        raise LabError("no space left")

    monkeypatch.setattr(push, "_send", full)
    with pytest.raises(LabError, match="no space left"):
        pushed(home)
    assert content(home) == {"notes": "hers"}
    assert not (home / STAGE).exists()


def test_what_cannot_be_put_in_its_place_is_undone(home: Path) -> None:
    (home / "data").write_text("hers")
    (home / "notes").write_text("hers")
    (home / STAGE / "data/deep").mkdir(parents=True)
    for name in ("notes", "data/set", "data/deep/er"):
        (home / STAGE / name).write_text("ours")
    names = b"notes\ndata/\ndata/set\ndata/deep/\ndata/deep/er\nnot there\n"
    done = process.run(place_command(str(home)), deadline=Deadline.after(30), stdin=names, check=False)
    assert done.code == 1
    left = {name: text for name, text in content(home).items() if not name.startswith(STAGE)}
    assert left == {"data": "hers", "notes": "hers"}


def test_without_an_open_lab_it_says_when_the_first_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = write_class(tmp_path, due="2099-03-08T17:00+00:00, from: 2099-03-01T12:00+00:00")
    assert cli.act(found, (), ClassOptions()) is Exit.PASSED
    assert "no lab is open yet; small opens at 2099-03-01" in capsys.readouterr().out
