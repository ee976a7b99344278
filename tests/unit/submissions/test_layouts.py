"""The layouts of learning platforms, by listings made by hand from the platforms' sources and manuals."""

from __future__ import annotations

import contextlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import GOLDEN

from orchestrator.errors import SpecError
from orchestrator.submissions.file_names import file_name
from orchestrator.submissions.intake import described, opened
from orchestrator.submissions.model import Intake, PlatformPerson, Submission

CASES = sorted((GOLDEN / "submissions").glob("*.yaml"))


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


def as_folder(files: Mapping[str, str], path: Path) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (path / name).mkdir()
        else:
            (path / name).write_text(text)
    return path


def as_zip(files: Mapping[str, str], path: Path) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path.with_suffix(".zip")


def as_tar(files: Mapping[str, str], path: Path) -> Path:
    with tarfile.open(path.with_suffix(".tar.gz"), "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path.with_suffix(".tar.gz")


def shown(one: Submission) -> dict[str, Any]:
    files = sorted(str(path.relative_to(one.folder)) for path in one.folder.rglob("*") if path.is_file())
    about = {"of": [student.id for student in one.students], "files": files, "source": one.source}
    said = {
        "submitted": one.submitted,
        "late": one.late,
        "attempt": one.attempt,
        "platform_id": one.platform_id,
        "remarks": list(one.remarks),
        "on_roster": one.on_roster,
    }
    usual: dict[str, Any] = {
        "submitted": None,
        "late": False,
        "attempt": 1,
        "platform_id": "",
        "remarks": [],
        "on_roster": True,
    }
    return about | {key: value for key, value in said.items() if value != usual[key]}


def expected(one: Mapping[str, Any]) -> dict[str, Any]:
    when = {"submitted": datetime.fromisoformat(one["submitted"])} if "submitted" in one else {}
    # Blackboard's times are the host's.
    return {**one, **{key: value if value.tzinfo else value.astimezone() for key, value in when.items()}}


@pytest.mark.parametrize("form", [as_folder, as_zip, as_tar])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_submissions_are_recognised(case: Path, form: Any, tmp_path: Path) -> None:
    golden = yaml.safe_load(case.read_text())
    roster = tmp_path / "roster.csv"
    roster.write_text(golden.get("roster", ""))
    with opened(form(golden["files"], tmp_path / "class"), roster if "roster" in golden else None) as intake:
        assert [shown(one) for one in intake.submissions] == [expected(one) for one in golden["submissions"]]
        assert [one.id for one in intake.absent] == golden.get("absent", [])
        assert list(intake.notes) == golden.get("notes", [])
        assert intake.layout == golden["layout"]
        folders = [one.folder for one in intake.submissions]
    assert not any(folder.exists() for folder in folders)


def take(tmp_path: Path, files: Mapping[str, str], roster: str = "", layout: str = "") -> Intake:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "roster.csv").write_text(roster)
    path = as_folder(files, tmp_path / "class")
    with opened(path, tmp_path / "roster.csv" if roster else None, layout) as intake:
        return intake


def test_nothing_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        take(tmp_path / "some", {"wire.c": "", "notes\x1b.txt": ""})
    assert (
        caught.value.message
        == r"class has no layout that isolab knows: there are files notes\x1b.txt, wire.c"
    )
    assert "Moodle: NAME_NUMBER_assignsubmission_file…" in caught.value.hint
    with pytest.raises(SpecError, match="class has no layout that isolab knows: there is nothing in it"):
        take(tmp_path, {".DS_Store": ""})


def test_two_layouts_at_once_are_not_chosen_from(tmp_path: Path) -> None:
    files = {"lovelaceada_1_2_wire.c": "", "Lab_s1_attempt_2026-03-01-09-30-00_wire.c": ""}
    with pytest.raises(
        SpecError, match="class looks like Canvas and Blackboard: there are files Lab_s1"
    ) as caught:
        take(tmp_path, files)
    assert caught.value.hint.startswith("choose with --layout: moodle, canvas,")
    assert [one.source for one in take(tmp_path, {}, layout="canvas").submissions] == [
        "lovelaceada_1_2_wire.c"
    ]


def test_a_chosen_layout_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no layout that isolab knows") as caught:
        take(tmp_path, {"s1/wire.c": ""}, layout="moodle")
    assert caught.value.hint == "recognised are Moodle: NAME_NUMBER_assignsubmission_file…"
    with pytest.raises(SpecError, match="unknown layout 'mooodle'") as caught:
        take(tmp_path, {}, layout="mooodle")
    assert caught.value.hint == "did you mean 'moodle'?"


def test_folders_that_no_id_of_the_roster_names(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nobody who handed in is on the roster"):
        take(tmp_path, {"lab1-ada/wire.c": "", "lab1-bob/wire.c": ""}, "id\nada\nbob\n")
    intake = take(tmp_path, {}, "id\nada\nbob\n", layout="classroom")
    assert [one.students[0].id for one in intake.submissions] == ["ada", "bob"]
    assert all(one.on_roster for one in intake.submissions)


def test_a_user_name_at_github_is_not_somebody_elses_id(tmp_path: Path) -> None:
    roster = "id,github\nada,bob\ncarol,\n"
    intake = take(tmp_path, {"lab1-bob/wire.c": "", "lab1-ada/wire.c": ""}, roster, layout="classroom")
    assert [one.students[0].id for one in intake.submissions] == ["ada", "unknown-ada"]
    assert [one.source for one in intake.submissions] == ["lab1-bob", "lab1-ada"]


def test_folders_called_by_names_or_both(tmp_path: Path) -> None:
    roster = 'id,name\ns1,Ada Lovelace\ns2,"Smith, Bob"\ns3,Li Wei\ns4,Li Wei\n'
    files = {"Lovelace_Ada/a.c": "", "s2-bob-smith/a.c": "", "Li Wei/a.c": "", "li wei s4/a.c": ""}
    intake = take(tmp_path, files, roster)
    assert {one.source: one.students[0].id for one in intake.submissions if one.on_roster} == {
        "Lovelace_Ada": "s1",
        "s2-bob-smith": "s2",
        "li wei s4": "s4",
    }


def test_words_of_a_name_are_not_run_together_unless_the_platform_did(tmp_path: Path) -> None:
    roster = "id,name\ns1,Anna Lee\ns2,Siobhan O'Neill\n"
    files = {"Ann Alee_1_assignsubmission_file/a.c": "", "Annalee_3_assignsubmission_file/a.c": ""}
    files |= {"Siobhan ONeill_2_assignsubmission_file/a.c": ""}
    intake = take(tmp_path / "moodle", files, roster)
    assert [one.students[0].id for one in intake.submissions] == ["moodle-1", "moodle-3", "s2"]
    intake = take(tmp_path / "canvas", {"leeanna_1_2_a.c": ""}, roster)
    assert [one.students[0].id for one in intake.submissions] == ["s1"]


def test_a_students_folder_alone_does_not_say_that_it_is_anothers(tmp_path: Path) -> None:
    roster = "id,name\ns1,Ada Lovelace\ns2,Eve Adams\n"
    files = {
        "s2/submission_metadata.yml": "submission_1: {':submitters': [{':sid': s1}]}",
        "s2/submission_1/a.c": "",
    }
    intake = take(tmp_path / "metadata", files, roster)
    assert [one.students[0].id for one in intake.submissions] == ["s2"]
    intake = take(tmp_path / "canvas", {"s2/lovelaceada_1_2_a.c": ""}, roster, layout="folders")
    assert [one.students[0].id for one in intake.submissions] == ["s2"]


def test_a_name_in_canvas_that_ends_with_a_number(tmp_path: Path) -> None:
    intake = take(tmp_path, {"lovelaceada_4001_666_9_a.c": "", "smithbob_4002_9_a.c": ""})
    assert intake.notes == (
        "whose these are can be read in two ways: lovelaceada_4001_666_9_a.c; the first number was taken",
    )


def test_somebody_with_another_id_is_not_who_has_the_same_name(tmp_path: Path) -> None:
    about = "submission_{0}: {{':submitters': [{{':name': {1}, ':sid': {2}}}]}}\n"
    text = about.format(1, "Bob Smith", "s2") + about.format(2, "Ada Lovelace", "s9")
    files = {"submission_metadata.yml": text, "submission_1/a.c": "", "submission_2/a.c": ""}
    intake = take(tmp_path, files, "id,name\ns1,Ada Lovelace\ns2,Bob Smith\n")
    assert [one.students[0].id for one in intake.submissions] == ["s2", "s9"]
    assert intake.notes == (
        "not on the roster: Ada Lovelace: its id, s9, is not on it",
        "without a result until it is known who is who: s1 (Ada Lovelace)",
    )
    intake = take(tmp_path, files, "id,name\n1,Ada Lovelace\n2,Bob Smith\n")  # ids of another kind
    assert [one.students[0].id for one in intake.submissions] == ["1", "2"]


SMITHS = (
    "id,name,email{0}\ns5,John Smith,five@x.org{1}\ns6,John Smith,six@x.org{2}\ns7,Eve Moe,eve@x.org{3}\n"
)
OF_SMITHS = {f"John Smith_{number}_assignsubmission_file/a.c": "" for number in (905, 906)}
EVES = {"Eve Moe_907_assignsubmission_file/a.c": ""}


def test_who_may_have_handed_in_is_not_absent_for_certain(tmp_path: Path) -> None:
    intake = take(tmp_path, OF_SMITHS | EVES, SMITHS.format("", "", "", ""))
    assert [one.id for one in intake.unclear] == ["s5", "s6"]
    assert intake.notes[:1] == (
        "not on the roster: John Smith (moodle-905), John Smith (moodle-906): "
        "2 on it are called John Smith (s5, s6)",
    )


def test_numbers_in_the_roster_say_who_is_who(tmp_path: Path) -> None:
    intake = take(tmp_path, OF_SMITHS, SMITHS.format(",moodle", ",905", ",0906", ","))
    assert [(one.students[0].id, one.platform_id) for one in intake.submissions] == [
        ("s5", "905"),
        ("s6", "906"),
    ]
    assert (intake.notes, intake.unclear) == ((), ())


def test_one_who_is_known_leaves_the_other_open(tmp_path: Path) -> None:
    intake = take(tmp_path, OF_SMITHS | EVES, SMITHS.format(",moodle", ",905", ",", ","))
    assert [one.students[0].id for one in intake.submissions] == ["moodle-906", "s5", "s7"]
    assert [one.id for one in intake.unclear] == ["s6"]


def test_where_names_are_hidden_anybody_may_have_handed_in(tmp_path: Path) -> None:
    files = {name.replace("John Smith", "Participant"): "" for name in OF_SMITHS}
    intake = take(tmp_path, files, SMITHS.format(",moodle", ",905", ",", ","))
    assert [one.students[0].id for one in intake.submissions] == ["moodle-906", "s5"]
    assert [one.id for one in intake.unclear] == ["s6", "s7"]


@pytest.mark.parametrize(
    ("people", "who"),
    [
        (
            [("moodle", "905", "John Smith", "five@x.org"), ("moodle", "906", "Smith, John", "S6")],
            ["s5", "s6"],
        ),
        ([("canvas", "905", "John Smith", "five@x.org")], ["moodle-905", "moodle-906"]),
        ([("moodle", "905", "Eve Moe", "eve@x.org")], ["moodle-905", "moodle-906"]),
        ([("moodle", "905", "John Smith", "john@x.org")], ["moodle-905", "moodle-906"]),
        ([("moodle", "905", "", "five@x.org")] * 2, ["moodle-905", "moodle-906"]),
    ],
    ids=["addresses or ids", "of another platform", "of another assignment", "not on the roster", "twice"],
)
def test_the_platforms_table_says_who_is_who(
    people: Sequence[tuple[str, str, str, str]], who: Sequence[str], tmp_path: Path
) -> None:
    path = as_folder(OF_SMITHS | EVES, tmp_path / "class")
    (tmp_path / "roster.csv").write_text(SMITHS.format("", "", "", ""))
    known = [PlatformPerson(platform, number, name, (text,)) for platform, number, name, text in people]
    with opened(path, tmp_path / "roster.csv", people=lambda _ids: known) as intake:
        assert [one.students[0].id for one in intake.submissions if one.platform_id != "907"] == who


@pytest.mark.parametrize("odd", ["2027/12", ".hidden", "S1 A", "../up"])
def test_any_id_has_a_folder_in_which_its_student_hands_in(odd: str, tmp_path: Path) -> None:
    """The one that the lab was handed out in, as not every id can be the name of a folder."""
    intake = take(tmp_path, {f"{file_name(odd)}/a.c": "", "s2/a.c": ""}, f"id,name\n{odd},Ada\ns2,Ben\n")
    assert {one.students[0].id for one in intake.submissions} == {odd, "s2"}
    assert intake.notes == ()


def test_the_screen_says_what_was_recognised(tmp_path: Path) -> None:
    files = {f"s{number}/wire.c": "" for number in range(1, 6)}
    intake = take(tmp_path, files, "id,name\ns1,Ada\ns2,Bob\ns7,Eve\n")
    assert described(intake) == [
        "a folder for each student: 5 submissions, of Ada, Bob, s3, …",
        "1 handed in nothing: Eve",
        "not on the roster: s3, s4, s5",
    ]


def test_one_folder_is_a_student_unless_it_is_called_like_the_archive(tmp_path: Path) -> None:
    files = {"ada/wire/wire.c": "", "ada/pipe/pipe.c": ""}
    with opened(as_zip(files, tmp_path / "week3"), None) as intake:
        assert [one.source for one in intake.submissions] == ["ada"]
    with opened(as_zip(files, tmp_path / "ada"), None) as intake:
        assert [one.source for one in intake.submissions] == ["pipe", "wire"]


@pytest.mark.parametrize("words", ["- [a", "just text", "x: !!python/object:os.system {}", "{" * 5000])
def test_metadata_that_is_not(tmp_path: Path, words: str) -> None:
    with pytest.raises(SpecError, match=r"submission_metadata\.yml (is not YAML|lists no submissions)"):
        take(tmp_path, {"submission_metadata.yml": words, "submission_1/wire.c": ""})


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(SpecError, match="nowhere: no such folder or archive"),
        opened(tmp_path / "nowhere", None),
    ):
        pass


NAMES = st.sampled_from(
    [
        "Ada_1_assignsubmission_file", "Ada_1_assignsubmission_file_w.c", "ada_1_2_w.c", "anon_a1_2_w.c",
        "lab-ada", "lab-bob", "s1", "s1.zip", "L_s1_attempt_2026-03-01-09-30-00.txt", ".git", "__MACOSX",
        "L_s1_attempt_2026-03-01-09-30-00_w.c", "submission_metadata.yml", "submission_1", "x\n\x1b", "w.c",
    ]
)  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8), st.booleans())
def test_any_names_give_each_file_to_one_or_are_refused(
    tmp_path: Path, names: list[str], with_roster: bool
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name,github\ns1,Ada,bob\ns2,Bob,ada\n")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = len(str(number))
            archive.addfile(member, io.BytesIO(str(number).encode()))
    (tmp_path / "class.tar").write_bytes(data.getvalue())
    with (
        contextlib.suppress(SpecError),
        opened(tmp_path / "class.tar", roster if with_roster else None) as intake,
    ):
        found = [
            path.read_text() for one in intake.submissions for path in one.folder.rglob("*") if path.is_file()
        ]
        assert len(found) == len(set(found))
        assert all(
            len({one.id for one in those.students}) == len(those.students) for those in intake.submissions
        )
        assert {one.id for one in intake.absent}.isdisjoint(
            student.id for one in intake.submissions for student in one.students
        )
