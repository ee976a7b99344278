"""Mistakes around a student's work: in exercise.yaml and hidden.yaml, each told once, in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import told, unmarked

from orchestrator.errors import SpecError
from orchestrator.labfile.load import load_exercise
from orchestrator.labfile.schema import hidden_schema

VISIBLE = """\
title: Serve
student: {files: [service.c]}
build:
  - {sources: [service.c]}
  - {sources: [tester.c]}
run: ./tester
checks: [{that: greets, equals: true}]
"""
HIDDEN = """\
build: {sources: [hidden/prober.c]}
run: ./prober
checks: [{that: survives, equals: true}]
wrong:
  rude: [greets]
  frail: [survives]
"""
FILES = ("tester.c", "hidden/prober.c", "skeleton/service.c", "solution/service.c", "wrong/rude/service.c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A student exercise in which all is well."""
    place = tmp_path / "mine"
    for name in (*FILES, "wrong/frail/service.c"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    (place / "exercise.yaml").write_text(VISIBLE)
    (place / "hidden.yaml").write_text(HIDDEN)
    return place


def mistakes(folder: Path, file: str, text: str) -> list[str]:
    """What is told about the exercise with this text in one of its files."""
    plain, places = unmarked(text)
    (folder / file).write_text(plain)
    with pytest.raises(SpecError) as caught:
        load_exercise(folder, "mine")
    return [words.replace("» ", "»") for words in told(caught.value, folder / file, places)]


def test_hidden_tests_are_loaded_beside_the_exercise(folder: Path) -> None:
    exercise = load_exercise(folder, "mine")
    assert exercise.hidden
    assert exercise.hidden.wrong == {"rude": ["greets"], "frail": ["survives"]}
    assert (exercise.hidden.rules, exercise.hidden.untested) == ({}, {})
    whole = exercise.spec.with_hidden(exercise.hidden)
    assert [step.run for step in whole.run] == ["./tester", "./prober"]
    assert [build.program for build in whole.build] == ["service", "tester", "prober"]
    assert [check.that for check in whole.checks] == ["greets", "survives"]
    assert [check.that for check in exercise.spec.checks] == ["greets"]


def test_what_students_are_given_is_an_exercise(folder: Path) -> None:
    """Without hidden tests and solutions, and also with the work where it is built."""
    for name in ("hidden.yaml", "hidden/prober.c", "solution/service.c"):
        (folder / name).unlink()
    (folder / "solution").rmdir()
    assert load_exercise(folder, "mine").hidden is None
    (folder / "skeleton/service.c").rename(folder / "service.c")
    (folder / "skeleton").rmdir()
    assert load_exercise(folder, "mine").spec.student


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[service.c]}\nbuild", "[service.c, »service.c]}\nbuild", ["»'service.c' is listed twice"]),
        (
            "[service.c]}\nbuild",
            "[service.c, »tester.c]}\nbuild",
            ["»'tester.c' is a student's file: move it to skeleton/",
             "»no file 'skeleton/tester.c'", "»no file 'solution/tester.c'"],
        ),
        (
            "[service.c]}\nbuild",
            "[service.c, »other.c]}\nbuild",
            ["»no build uses 'other.c' (did you mean 'tester.c'?)",
             "»no file 'skeleton/other.c'", "»no file 'solution/other.c'"],
        ),
        (
            "[service.c]}\nbuild",
            "[service.c, »../up.h]}\nbuild",
            ["»no file 'skeleton/../up.h'", "»no file 'solution/../up.h'"],
        ),
        ("[service.c]}\nbuild", "»[]}\nbuild", ["»expected at least one entry", "4:16: no file 'service.c'"]),
        (
            "{sources: [tester.c]}",
            "{command: »make}",
            ["»a build command on this host would handle a student's files (use `sources:`, or `in: guest`)"],
        ),
        ("[tester.c]}", "[»tester2.c]}", ["»no file 'tester2.c' (did you mean 'tester.c'?)"]),
    ],
)  # fmt: skip
def test_mistakes_in_what_a_student_writes(folder: Path, before: str, after: str, words: list[str]) -> None:
    (folder / "hidden.yaml").unlink()
    assert before in VISIBLE
    assert sorted(mistakes(folder, "exercise.yaml", VISIBLE.replace(before, after))) == sorted(words)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("hidden/prober.c", "»hidden/probe.c", ["»no file 'hidden/probe.c'"]),
        ("build: {sources", "build: »{output: tester, sources", ["»'tester' is also built by exercise.yaml"]),
        ("that: survives,", "that: survives, »equal: true,",
         ["»unknown key 'equal' (did you mean 'equals'?)"]),
        ("{that: survives, equals", "{that: »file_canary, equals",
         ["»file_canary reports a canary that `canaries:` in exercise.yaml does not list"
          " (add it there: canaries: [file])",
          "3:38: expected one of: untouched, read, written, deleted, emptied, signalled, stopped, killed,"
          " starved, reached, knocked on, on the host",
          "6:11: no check tests 'survives'"]),
        ("[greets]", "[»greet]", ["»no check tests 'greet' (did you mean 'greets'?)"]),
        ("  frail:", "  »frial:", ["»no folder 'wrong/frial' (did you mean 'frail'?)",
                                   "4:1: `wrong:` has no entry for the folder 'wrong/frail'"]),
        ("[greets]", "»[]", ["»expected at least one entry"]),
        ("run: ./prober", "run: »'./prober \"'",
         ["»cannot parse the command: no closing quotation"]),
        ("checks: [{that: survives, equals: true}]", "checks: »[]",
         ["»expected at least one entry", "6:11: no check tests 'survives'"]),
        ("run: ./prober", "timeout: 5s", ["2:1: unknown key 'timeout'"]),
        ("\nwrong:", "\nrules: {it lives: [»survive]}\nwrong:",
         ["»no check tests 'survive' (did you mean 'survives'?)"]),
        ("\nwrong:", "\nrules: {it lives: »[]}\nwrong:", ["»expected at least one entry"]),
    ],
)  # fmt: skip
def test_mistakes_in_hidden_tests(folder: Path, before: str, after: str, words: list[str]) -> None:
    assert before in HIDDEN
    assert sorted(mistakes(folder, "hidden.yaml", HIDDEN.replace(before, after))) == sorted(words)


def test_a_wrong_solution_has_all_files(folder: Path) -> None:
    (folder / "wrong/rude/service.c").unlink()
    assert mistakes(folder, "hidden.yaml", HIDDEN) == ["5:3: no file 'wrong/rude/service.c'"]


def test_hidden_tests_need_a_student(folder: Path) -> None:
    (folder / "exercise.yaml").write_text(VISIBLE.replace("student: {files: [service.c]}\n", ""))
    (folder / "service.c").touch()
    assert mistakes(folder, "hidden.yaml", HIDDEN) == [
        f"1:1: hidden tests without `student:` in {folder / 'exercise.yaml'} (add `student:` there)"
    ]


def test_mistakes_of_both_files_are_told_at_once(folder: Path) -> None:
    (folder / "exercise.yaml").write_text(VISIBLE.replace("title", "titel"))
    found = mistakes(folder, "hidden.yaml", HIDDEN.replace("build:", "biuld:"))
    assert len(found) == 3
    assert sum("hidden.yaml" not in words and "exercise.yaml" in words for words in found) == 2


def test_the_schema_knows_the_shorthands() -> None:
    properties = hidden_schema()["properties"]
    assert properties["run"]["anyOf"][0]["type"] == "string"
    assert set(properties) == {"files", "build", "run", "checks", "wrong", "rules", "untested"}


# Poisoned programs


STUDENTS = """\
title: a
student: {files: [service.c]}
build: [{sources: [service.c]}]
run: ./service
poisoned: true
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("student: {files: [service.c]}\n", ""), "only a student's programs are poisoned"),
        (("[{sources: [service.c]}]", "[{sources: [service.c], in: guest}]"), "compiled on the controller"),
        (("run:", "canaries: [file]\nrun:"), "steps with `canaries` run only once"),
        (("run:", "needs: {network: true}\nrun:"), "steps with `network` run only once"),
        (("run:", "libc: glibc\nrun:"), "programs linked with glibc cannot be poisoned"),
        (
            ("build: [{sources: [service.c]}]\nrun: ./service", "files: [service.c]\nrun: sh service.c"),
            "no program is compiled from a student's file",
        ),
    ],
)
def test_what_cannot_be_poisoned(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    skeleton = "" if "files: [service.c]\nrun" in change[1] or not change[1] else "skeleton/"
    file = tmp_path / skeleton / "service.c"
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    (tmp_path / "exercise.yaml").write_text(STUDENTS.replace(*change))
    with pytest.raises(SpecError) as caught:
        load_exercise(tmp_path, "x")
    assert words in caught.value.describe()


def test_what_can_be_poisoned(tmp_path: Path) -> None:
    (tmp_path / "skeleton").mkdir()
    (tmp_path / "skeleton/service.c").write_text("")
    (tmp_path / "exercise.yaml").write_text(STUDENTS)
    assert load_exercise(tmp_path, "x").spec.poisoned
    hidden = "build: {sources: [p.c], in: guest}\nrun: ./p\nchecks: [{that: exit_code, equals: 0}]\n"
    (tmp_path / "p.c").write_text("")
    (tmp_path / "hidden.yaml").write_text(hidden)
    with pytest.raises(SpecError) as caught:
        load_exercise(tmp_path, "x")
    assert "hidden.yaml:1:29: poisoned programs are compiled on the controller" in caught.value.describe()


# The C library


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("[{sources: [p.c]}]", ""),
        ("[{sources: [p.c]}, {sources: [p.c], output: q, in: guest}]", ""),
        ("{sources: [p.c], in: guest}", "exercise.yaml:3:7: libc has no effect"),
        ("[{sources: [p.c], in: guest}]", "exercise.yaml:3:7: libc has no effect"),
    ],
)
def test_glibc_is_for_what_is_compiled_on_the_controller(tmp_path: Path, build: str, words: str) -> None:
    (tmp_path / "p.c").write_text("")
    (tmp_path / "exercise.yaml").write_text(f"title: a\nbuild: {build}\nlibc: glibc\nrun: ./p\n")
    if not words:
        assert load_exercise(tmp_path, "x").spec.libc == "glibc"
        return
    with pytest.raises(SpecError) as caught:
        load_exercise(tmp_path, "x")
    assert words in caught.value.describe()


def test_there_are_two_c_libraries(tmp_path: Path) -> None:
    (tmp_path / "exercise.yaml").write_text("title: a\nlibc: bionic\nrun: id\n")
    with pytest.raises(SpecError) as caught:
        load_exercise(tmp_path, "x")
    assert "exercise.yaml:2:7" in caught.value.describe()
    assert "musl" in caught.value.describe()
