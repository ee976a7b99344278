"""Labs by name from any folder, and copies of labs to edit."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from built_in import built_in_lab
from lab_files import GOOD_EXERCISE, write_exercise

from orchestrator.cli import main as cli
from orchestrator.cli.labs import open_lab
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.builtin import builtin_labs, find_lab
from orchestrator.labfile.copy_lab import copy_lab
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.writable_copy import writable_copy
from orchestrator.paths import EXERCISES, LABS

LAB = """\
lab: mine
title: Of my own  # mine alone
machines: {bare: {driver: process}}
exercises: [./own, "cost/processes", 'memory/address-space',
  ./deep/er]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder far from any checkout, which we stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine(elsewhere: Path) -> LoadedLab:
    """A lab of somebody's own, with exercises of its own and built-in ones, and a header beside one."""
    folder = elsewhere / "mine"
    write_exercise(folder / "own", GOOD_EXERCISE.replace("[pipes.c]", "[pipes.c], headers: [beside.h]"))
    write_exercise(folder / "deep/er")
    (folder / "beside.h").write_text("/* shared */\n")
    (folder / "lecture.pdf").touch()
    (folder / "lab.yaml").write_text(LAB)
    return open_lab("mine")


def test_every_built_in_lab_is_found_by_name() -> None:
    for name, folder in builtin_labs().items():
        assert find_lab(name) == folder == LABS / name
        assert built_in_lab(name).lab.lab == name
    assert open_lab("separation").lab == built_in_lab("separation").lab


def test_a_path_wins_over_a_name(elsewhere: Path) -> None:
    (elsewhere / "separation").mkdir()
    (elsewhere / "separation/lab.yaml").write_text(LAB)
    assert find_lab("separation") == Path("separation")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("separtion", "did you mean 'separation'? built-in labs: attacks, "),
        ("miine", "did you mean 'mine'? built-in labs: attacks, "),
        ("qqq", "built-in labs: attacks, "),
        ("labs/separation", "did you mean 'separation'? That is a built-in lab."),
        ("memory", "run isolab in another folder"),
        ("labs/nothing", "a lab is a folder with lab.yaml"),
        ("nothing.yaml", "labs here: mine"),
    ],
)
def test_a_lab_that_is_not_there(written: str, told: str, elsewhere: Path, mine: LoadedLab) -> None:
    (elsewhere / "memory").mkdir()
    with pytest.raises(SpecError) as caught:
        open_lab(written)
    assert caught.value.hint.startswith(told)


def test_a_copy_is_a_lab_whose_exercises_are_its_own(mine: LoadedLab, elsewhere: Path) -> None:
    names = copy_lab(mine, elsewhere / "new/copy")
    assert names == ("./own", "./cost/processes", "./memory/address-space", "./deep/er")
    copied = open_lab("new/copy")
    assert tuple(e.name for e in copied.exercises) == names
    assert [e.spec for e in copied.exercises] == [e.spec for e in mine.exercises]
    assert copied.path.read_text() == LAB.replace('"cost', '"./cost').replace("'memory", "'./memory")


def test_a_copy_holds_what_exercises_share_and_nothing_else(mine: LoadedLab, elsewhere: Path) -> None:
    copy_lab(mine, elsewhere / "copy")
    found = {str(p.relative_to(elsewhere / "copy")) for p in (elsewhere / "copy").rglob("*") if p.is_file()}
    assert {"beside.h", "cost/measure.h", "own/pipes.c", "cost/processes/README.md"} < found
    assert not {"lecture.pdf", "cost/ipc/exercise.yaml"} & found


def test_recipes_of_its_own_are_copied(elsewhere: Path) -> None:
    write_exercise(elsewhere / "mine/own")
    (elsewhere / "mine/images").mkdir()
    recipe = (LABS.parent / "images/micro.yaml").read_text()
    (elsewhere / "mine/images/small.yaml").write_text(recipe.replace("image: micro", "image: small"))
    lab = "lab: mine\ntitle: Mine\nmachines: {vm: {driver: qemu, image: small}}\nexercises: [./own]\n"
    (elsewhere / "mine/lab.yaml").write_text(lab)
    copy_lab(open_lab("mine"), elsewhere / "copy")
    assert [*open_lab("copy").recipes] == ["small"]


def test_every_built_in_lab_can_be_copied(elsewhere: Path) -> None:
    for name in builtin_labs():
        lab = built_in_lab(name)
        copy_lab(lab, elsewhere / name)
        assert [e.spec for e in open_lab(name).exercises] == [e.spec for e in lab.exercises]


@pytest.mark.parametrize("target", ["full", "file", "link", "mine/own/in"])
def test_a_copy_goes_nowhere_else(target: str, mine: LoadedLab, elsewhere: Path) -> None:
    (elsewhere / "full").mkdir()
    (elsewhere / "full/thesis.tex").write_text("years of work\n")
    (elsewhere / "file").touch()
    (elsewhere / "link").symlink_to("nowhere")
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(SpecError, match=target):
        copy_lab(mine, elsewhere / target)
    assert sorted(elsewhere.rglob("*")) == before


def test_an_empty_folder_will_do(mine: LoadedLab, elsewhere: Path) -> None:
    (elsewhere / "empty").mkdir()
    copy_lab(mine, elsewhere / "empty")
    assert open_lab("empty").exercises


def test_two_exercises_for_one_place(elsewhere: Path) -> None:
    write_exercise(elsewhere / "mine/cost/processes")
    (elsewhere / "mine/lab.yaml").write_text(
        LAB.replace("./own", "./cost/processes").replace("./deep/er", "")
    )
    with pytest.raises(SpecError, match="cost/processes"):
        copy_lab(open_lab("mine"), elsewhere / "copy")


def test_names_that_are_not_written_out(elsewhere: Path) -> None:
    lab = LAB.replace("'memory/address-space'", r'"memory\x2faddress-space"').replace("./deep/er", "")
    (elsewhere / "mine").mkdir()
    (elsewhere / "mine/lab.yaml").write_text(lab.replace("./own, ", ""))
    with pytest.raises(SpecError, match=r"lab\.yaml:4:31: .*memory/address-space"):
        copy_lab(open_lab("mine"), elsewhere / "copy")


def test_the_verb_says_what_to_type_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["isolab", "copy", "cost", "my copy"]) == Exit.PASSED
    assert "isolab run 'my copy'" in capsys.readouterr().out
    assert cli.run(["isolab", "copy", "cost", "other", "--format", "json"]) == Exit.PASSED
    said = json.loads(capsys.readouterr().out)
    assert said["next"] == ["isolab validate other", "isolab run other"]
    assert said["exercises"][0] == "./" + open_lab("cost").exercises[0].name
    assert cli.run(["isolab", "copy", "cost", "other"]) == Exit.BAD_INPUT
    assert "other is not empty" in capsys.readouterr().err


def test_tests_of_an_installed_isolab_are_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("orchestrator.cli.test.IN_CHECKOUT", False)
    assert cli.run(["isolab", "test"]) == Exit.BAD_INPUT
    assert "source" in capsys.readouterr().err


def test_a_copy_of_what_is_read_only_can_be_written(elsewhere: Path) -> None:
    source = elsewhere / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner/script").write_text("#!/bin/sh\n")
    (source / "inner/script").chmod(0o555)
    (source / "inner").chmod(0o555)
    writable_copy(source, elsewhere / "target")
    modes = [stat.S_IMODE((elsewhere / "target" / n).stat().st_mode) for n in ("inner", "inner/script")]
    assert modes == [0o755, 0o755]


def test_exercises_of_other_places_are_not_built_in(mine: LoadedLab) -> None:
    """A name without ``./`` is a built-in exercise, wherever the lab is."""
    folders = {e.name: e.folder for e in mine.exercises}
    assert folders["cost/processes"] == EXERCISES / "cost/processes"
    assert folders["./own"] == Path("mine/own")
