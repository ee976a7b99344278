"""Files of a student's that lie elsewhere: taken where there is no doubt, and the student is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.errors import SpecError
from orchestrator.exercises.submission import HandedIn, handed_in, with_work
from orchestrator.labfile.load import LoadedExercise, LoadedLab, load_exercise
from orchestrator.labfile.models import Lab

EXERCISE = """\
title: t
student: {{files: [{files}]}}
build: {{sources: [{source}]}}
run: ./{program}
checks: [{{that: x, equals: 1}}]
"""


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


def exercise(folder: Path, name: str, *files: str) -> LoadedExercise:
    place = folder / "lab" / name
    for file in files:
        (place / "skeleton" / file).parent.mkdir(parents=True, exist_ok=True)
        (place / "skeleton" / file).touch()
    text = EXERCISE.format(files=", ".join(files), source=files[0], program=Path(files[0]).stem)
    (place / "exercise.yaml").write_text(text)
    return load_exercise(place, name)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> list[LoadedExercise]:
    """Two exercises with a file each of their own, and one that both have."""
    return [
        exercise(tmp_path, "net/wire", "wire.c", "common.h"),
        exercise(tmp_path, "ipc/pipe", "pipe.c", "common.h"),
    ]


def taken(tmp_path: Path, lab: list[LoadedExercise], *names: str) -> list[HandedIn]:
    return handed_in(write(tmp_path / "hers", {name: f"/* {name} */" for name in names}), lab)


def source(one: HandedIn, name: str) -> str:
    return one.files[name].decode().removeprefix("/* ").removesuffix(" */")


@pytest.mark.parametrize(
    "there",
    [
        "net/wire/Wire.C",
        "wire/WIRE.c",
        "NET/Wire/wire.c",
        "ada/my-solution/wire/wire.c",
        "ada/net/wire/src/wire.c",
        "wire.c",
        "src/wire.c",
        "wire-1.c",
        "wire/wire (2).c",
        "skeleton/wire.c",
    ],
)
def test_a_file_elsewhere_is_taken_and_the_student_is_told(
    tmp_path: Path, lab: list[LoadedExercise], there: str
) -> None:
    one, two = taken(tmp_path, lab, there, "__MACOSX/wire/._wire.c", "__MACOSX/wire.c", ".git/wire.c")
    assert source(one, "wire.c") == there
    (remark,) = one.remarks
    assert remark.startswith(f"took {there} as ")
    assert remark.endswith("wire/wire.c")
    assert not one.absent
    assert two.absent
    assert two.remarks == ()


def test_what_is_in_its_place_is_taken_without_a_word(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    one, _ = taken(tmp_path, lab, "net/wire/wire.c", "net/wire/common.h", "wire.c", "old/wire.c")
    assert source(one, "wire.c") == "net/wire/wire.c"
    assert (one.missing, one.remarks) == ((), ())


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (["a/wire.c", "b/wire.c"], "a/wire.c and b/wire.c could be meant: hand in one of them"),
        (
            ["WIRE.C", "Wire.c", "src/wire.c"],
            "WIRE.C and Wire.c and 1 more could be meant: hand in one of them",
        ),
        (["wire-1.c", "wire-2.c"], "wire-1.c and wire-2.c could be meant: hand in one of them"),
        (
            ["x/wire/wire.c", "wire/Wire.c"],
            "wire/Wire.c and x/wire/wire.c could be meant: hand in one of them",
        ),
    ],
)
def test_where_two_can_be_meant_none_is_taken(
    tmp_path: Path, lab: list[LoadedExercise], there: list[str], told: str
) -> None:
    one, _ = taken(tmp_path, lab, *there)
    assert "wire.c" not in one.files
    assert one.missing[0].endswith(f"wire.c is missing ({told})")
    assert one.remarks == ()


def test_two_that_are_the_same_are_one(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    hers = write(tmp_path / "hers", {"a/wire.c": "same", "b/wire.c": "same"})
    one, _ = handed_in(hers, lab)
    assert one.files["wire.c"] == b"same"
    assert one.remarks == ("took a/wire.c as net/wire/wire.c",)


@pytest.mark.parametrize(
    ("there", "better"),
    [
        (["wire/wire.c", "old/wire.c"], "wire/wire.c"),
        (["x/wire/wire.c", "old/wire.c"], "x/wire/wire.c"),
        (["x/wire/wire.c", "x/wire/skeleton/wire.c"], "x/wire/wire.c"),
        (["src/wire.c", "wire-1.c"], "src/wire.c"),
    ],
)
def test_one_in_a_folder_of_the_exercise_or_of_the_plain_name_is_meant(
    tmp_path: Path, lab: list[LoadedExercise], there: list[str], better: str
) -> None:
    one, _ = taken(tmp_path, lab, *there)
    assert source(one, "wire.c") == better


def test_what_two_exercises_have_is_taken_only_from_their_folders(
    tmp_path: Path, lab: list[LoadedExercise]
) -> None:
    one, two = taken(tmp_path, lab, "common.h", "x/pipe/Common.h")
    assert "common.h" not in one.files
    assert one.missing[1] == "net/wire/common.h is missing (common.h is there: it belongs in net/wire/)"
    assert source(two, "common.h") == "x/pipe/Common.h"


def test_another_exercises_folder_is_left_alone(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    one, _ = taken(tmp_path, lab, "ipc/pipe/wire.c", "x/pipe/wire.c")
    assert "wire.c" not in one.files
    hers = write(tmp_path / "his", {"lock/wire.c": ""})
    (alone,) = handed_in(hers, lab[:1], ["sync/lock"])
    assert "wire.c" not in alone.files
    (alone,) = handed_in(hers, lab[:1])
    assert alone.remarks == ("took lock/wire.c as wire.c",)


@pytest.mark.parametrize("text", [None, " "], ids=["missing", "empty"])
def test_what_is_missing_is_the_same_whichever_exercises_are_looked_for(
    tmp_path: Path, lab: list[LoadedExercise], text: str | None
) -> None:
    hers = write(
        tmp_path / "hers", {"common.h": "", "notes.txt": ""} | ({} if text is None else {"wire.c": text})
    )
    lab = [exercise(tmp_path, "net/wire", "wire.c"), lab[1]]
    both, (alone,) = handed_in(hers, lab), handed_in(hers, lab[:1], ["ipc/pipe"])
    assert alone.reason != both[0].reason
    assert alone.same_reason == both[0].same_reason == both[0].reason


def test_folders_of_the_same_name_in_two_topics(tmp_path: Path) -> None:
    both = [exercise(tmp_path, "a/pipe", "pipe.c"), exercise(tmp_path, "b/pipe", "pipe.c")]
    one, two = taken(tmp_path, both, "ada/B/pipe/pipe.c")
    assert (set(one.files), source(two, "pipe.c")) == (set(), "ada/B/pipe/pipe.c")


def test_files_of_one_exercise_that_differ_in_folder_or_case(tmp_path: Path) -> None:
    (one,) = taken(tmp_path, [exercise(tmp_path, "x/y", "m.c", "a/x.h", "b/x.h")], "q/M.c", "q/a/x.h", "x.h")
    assert {name: source(one, name) for name in one.files} == {"m.c": "q/M.c", "a/x.h": "q/a/x.h"}


def test_a_file_elsewhere_is_read_as_any_other(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    hers = write(tmp_path / "hers", {"wire.c": ""})
    (hers / "wire.c").unlink()
    (hers / "wire.c").symlink_to("/etc/passwd")
    assert handed_in(hers, lab)[0].missing[0] == "wire.c points outside its folder"
    (hers / "wire.c").unlink()
    os.mkfifo(hers / "wire.c")
    assert handed_in(hers, lab)[0].missing[0] == "wire.c is not a regular file"
    (hers / "wire.c").unlink()
    write(hers, {"\x1b/wire.c": "x" * 2**20 + "x"})
    assert handed_in(hers, lab)[0].missing[0] == r"\x1b/wire.c is larger than 1 MiB"


def test_among_too_many_files_none_is_meant(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    one, _ = taken(tmp_path, lab, "src/wire.c", *(f"{number}" for number in range(2000)))
    assert "wire.c" not in one.files
    assert one.missing[0].startswith("net/wire/wire.c is missing")


def test_a_file_too_deep_is_not_looked_for(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    one, _ = taken(tmp_path, lab, "/".join("d" * 70) + "/wire.c")
    assert one.missing[0] == "net/wire/wire.c is missing"
    one, _ = taken(tmp_path, lab, "/".join("d" * 60) + "/wire.c")
    assert one.remarks


def test_the_screen_says_what_was_taken(tmp_path: Path, lab: list[LoadedExercise]) -> None:
    names = [one.name for one in lab]
    spec = Lab.model_validate({"lab": "small", "machines": {"vm": {"driver": "qemu"}}, "exercises": names})
    hers = write(tmp_path / "hers", {"src/wire.c": "x", "wire/common.h": ""})
    with with_work(LoadedLab(spec, tmp_path / "lab.yaml", tuple(lab)), hers) as (whole, words):
        assert (whole.exercises[0].folder / "wire.c").read_text() == "x"
    assert words[:2] == [f"running the work in {hers}: net/wire", "took src/wire.c as wire/wire.c"]
    with pytest.raises(SpecError):
        handed_in(tmp_path / "nowhere", lab)
