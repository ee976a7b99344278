"""Files that exercises of a topic share: what may be named, where they lie, and that none is missed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from factories import lab, loaded, record
from lab_files import told, unmarked

from orchestrator.compile.cross import inputs, origin_of
from orchestrator.errors import BuildError, SpecError
from orchestrator.exercises.compile_in_guest import sources
from orchestrator.exercises.submission import assembled, provided
from orchestrator.labfile.load import LoadedExercise, LoadedLab, load_exercise
from orchestrator.labfile.models import Build
from orchestrator.paths import EXERCISES
from orchestrator.results.snapshot import about_run, keep, specs_of

SHARING = [file.parent for file in sorted(EXERCISES.rglob("exercise.yaml")) if "shared:" in file.read_text()]

VISIBLE = """\
title: Serve
student: {files: [service.c, extra.c]}
shared: [support, one.h]
build:
  - {sources: [service.c, extra.c]}
  - {sources: [tester.c, ../support/talk.c]}
run: ./tester
checks: [{that: greets, equals: true}]
"""
HIDDEN = """\
build: {sources: [hidden/prober.c, ../support/talk.c]}
run: ./prober
checks: [{that: survives, equals: true}]
wrong: {rude: [greets]}
"""


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"/* {name} */\n")


@pytest.fixture
def topic(tmp_path: Path) -> Path:
    """A topic with an exercise, ``serve``, that shares files with its neighbours."""
    topic = tmp_path / "topic"
    write(topic, "support/talk.c", "support/talk.h", "support/deep/more.h", "one.h", "other.h")
    write(topic / "serve", "tester.c", "hidden/prober.c", "wrong/rude/service.c")
    for place in ("skeleton", "solution"):
        write(topic / "serve", f"{place}/service.c", f"{place}/extra.c")
    (topic / "serve/exercise.yaml").write_text(VISIBLE)
    (topic / "serve/hidden.yaml").write_text(HIDDEN)
    return topic


@pytest.fixture
def exercise(topic: Path) -> LoadedExercise:
    return load_exercise(topic / "serve", "topic/serve")


SHARED = ("one.h", "support/deep/more.h", "support/talk.c", "support/talk.h")


class TestMistakes:
    def mistakes(self, topic: Path, text: str, file: str = "exercise.yaml") -> list[str]:
        plain, places = unmarked(text)
        (topic / "serve" / file).write_text(plain)
        with pytest.raises(SpecError) as caught:
            load_exercise(topic / "serve", "topic/serve")
        return told(caught.value, topic / "serve" / file, places)

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("suport", "no 'suport' in the parent folder (did you mean 'support'?)"),
            ("../secret", "'../secret' points outside its folder"),
            ("/etc/passwd", "'/etc/passwd' points outside its folder"),
            ("serve", "'serve' contains an exercise"),
            (".", "'.' contains an exercise"),
            ("empty", "'empty' contains no files"),
            ("linked", "'linked' points outside its folder"),
            ("leaky", "'leaky' points outside its folder"),
        ],
    )
    def test_what_cannot_be_shared(self, topic: Path, entry: str, words: str) -> None:
        write(topic.parent, "secret")
        (topic / "empty").mkdir()
        (topic / "linked").symlink_to(topic.parent / "secret")
        (topic / "leaky").mkdir()
        (topic / "leaky/inside.h").symlink_to(topic.parent / "secret")
        text = VISIBLE.replace("[support, one.h]", f"[support, »{entry}]")
        assert self.mistakes(topic, text) == [f"» {words}"]

    def test_a_source_that_is_not_shared(self, topic: Path) -> None:
        text = VISIBLE.replace("../support/talk.c", "»../support/tall.c")
        assert self.mistakes(topic, text) == [
            "» '../support/tall.c' is not shared (did you mean '../support/talk.c'?)"
        ]
        text = VISIBLE.replace("../support/talk.c", "»../other.h")
        assert self.mistakes(topic, text) == ["» '../other.h' is not shared (did you mean '../one.h'?)"]

    def test_a_source_of_hidden_tests_that_is_not_shared(self, topic: Path) -> None:
        text = HIDDEN.replace("../support/talk.c", "»../elsewhere.c")
        assert self.mistakes(topic, text, "hidden.yaml") == [
            "» '../elsewhere.c' is not shared (list it under `shared:`, without ../)"
        ]

    def test_what_a_machine_compiles_shares_nothing(self, topic: Path) -> None:
        text = VISIBLE.replace(
            "{sources: [tester.c, ../support/talk.c]}", "»{sources: [tester.c, ../support/talk.c], in: guest}"
        )
        assert self.mistakes(topic, text) == ["» shared sources can be compiled only on the controller"]

    def test_a_misspelt_file_of_a_wrong_solution_is_not_replaced_by_the_reference(self, topic: Path) -> None:
        write(topic / "serve", "wrong/rude/extr.c")
        assert self.mistakes(topic, HIDDEN.replace("rude", "»rude"), "hidden.yaml") == [
            "» 'wrong/rude/extr.c' is not a file that students write (did you mean 'extra.c'?)"
        ]

    def test_a_wrong_solution_differs_in_a_file(self, topic: Path) -> None:
        (topic / "serve/wrong/rude/service.c").unlink()
        assert self.mistakes(topic, HIDDEN.replace("rude", "»rude"), "hidden.yaml") == [
            "» no file 'wrong/rude/extra.c'",
            "» no file 'wrong/rude/service.c'",
        ]


def test_a_program_is_made_of_what_is_shared_too(exercise: LoadedExercise) -> None:
    build = exercise.spec.build[1]
    top = exercise.folder.resolve()
    names = {str(path.relative_to(top.parent)) for path in inputs(origin_of(exercise), build)}
    assert names >= {"serve/tester.c", *SHARED}
    assert "other.h" not in names


def test_headers_are_an_older_way_to_share(topic: Path) -> None:
    write(topic / "plain", "plain.c")
    text = "title: a\nrun: ./plain\nbuild: {sources: [plain.c], headers: [one.h]}\n"
    (topic / "plain/exercise.yaml").write_text(text)
    plain = load_exercise(topic / "plain", "topic/plain")
    assert origin_of(plain).shared == ("one.h",)
    assert inputs(origin_of(plain), plain.spec.build[0])[0] == (topic / "one.h").resolve()


@pytest.mark.parametrize("name", ["one.h", "serve/tester.c"])
def test_a_missing_file_is_an_error_with_its_name_and_the_exercises(
    topic: Path, exercise: LoadedExercise, name: str
) -> None:
    (topic / name).unlink()
    seen = f"file {name.removeprefix('serve/')}" if name.startswith("serve/") else f"shared file ../{name}"
    with pytest.raises(BuildError, match=f"^topic/serve: {seen} not found"):
        inputs(origin_of(exercise), exercise.spec.build[1])


def test_nothing_that_is_shared_goes_into_a_machine_that_compiles(topic: Path) -> None:
    write(topic / "plain", "plain.c", "near.h")
    build = {"sources": ["plain.c"], "in": "guest"}
    assert sources(loaded(topic / "plain", {"shared": ["support"], "build": build})) == ["near.h", "plain.c"]
    both = [build, {"sources": ["plain.c", "../support/talk.c"], "output": "ours"}]
    assert sources(loaded(topic / "plain", {"shared": ["support"], "build": both})) == ["near.h", "plain.c"]


def test_a_students_work_has_it_beside_its_folder(exercise: LoadedExercise, tmp_path: Path) -> None:
    whole = assembled(exercise, provided(exercise, "solution"), tmp_path / "whole")
    above = whole.folder.parent
    there = {str(path.relative_to(above)) for path in above.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith("serve/")} == set(SHARED)
    assert (above / "support/talk.c").read_text() == "/* support/talk.c */\n"
    assert origin_of(whole).shared == origin_of(exercise).shared
    for build in whole.spec.build:
        assert inputs(origin_of(whole), build)


def test_a_run_keeps_what_is_shared_and_shows_it(exercise: LoadedExercise, tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("lab: small\n")
    whole = LoadedLab(lab({"vm": {"driver": "process"}}).lab, tmp_path / "lab.yaml", (exercise,))
    folder = tmp_path / "run"
    folder.mkdir()
    keep(whole, folder)
    records = [record("topic/serve")]
    shown = about_run(folder, records).sources["topic/serve"]
    assert shown["../support/talk.c"] == "/* support/talk.c */\n"
    assert {name for name in shown if name.startswith("../")} == {f"../{name}" for name in SHARED}
    assert not [name for name in shown if "hidden" in name or "solution" in name]
    assert specs_of(folder, records)["topic/serve"].shared == ["support", "one.h"]


def test_a_wrong_solution_is_the_reference_but_for_what_it_holds(exercise: LoadedExercise) -> None:
    assert provided(exercise, "wrong/rude") == {
        "service.c": b"/* wrong/rude/service.c */\n",
        "extra.c": b"/* solution/extra.c */\n",
    }
    (exercise.folder / "solution/extra.c").unlink()
    (exercise.folder / "skeleton/extra.c").unlink()
    for place, missing in (("wrong/rude", "solution/extra.c"), ("skeleton", "skeleton/extra.c")):
        with pytest.raises(SpecError) as caught:
            provided(exercise, place)
        assert caught.value.message == f"topic/serve: {missing} is missing"


@pytest.mark.parametrize("folder", SHARING, ids=lambda folder: folder.name)
def test_our_wrong_solutions_hold_only_what_differs(folder: Path) -> None:
    copies = [
        path
        for path in folder.glob("wrong/*/**/*")
        if path.is_file() and path.read_bytes() == (folder / "solution" / path.name).read_bytes()
    ]
    assert copies == []


@pytest.mark.parametrize("folder", [f for f in SHARING if (f / "skeleton").is_dir()], ids=lambda f: f.name)
def test_students_can_compile_the_tester_as_the_readme_says(folder: Path) -> None:
    """The command there names the sources that exercise.yaml does; shared ones lie where both say."""
    spec = load_exercise(folder, folder.name).spec
    (build,) = [build for build in spec.build if build.program == "tester"]
    assert _compiled(folder, build) == {(folder / name).resolve() for name in build.sources}


def _compiled(folder: Path, build: Build) -> set[Path]:
    """The sources in README's command that makes the program."""
    commands = [part for line in (folder / "README.md").read_text().splitlines() for part in line.split("&&")]
    (command,) = [
        part for part in commands if part.strip().startswith("cc ") and f"-o {build.program} " in part
    ]
    words = [word for word in shlex.split(command, comments=True) if word.endswith(".c")]
    found = [path for word in words for path in folder.parent.glob(f"{folder.name}/{word}")]
    return {path.resolve() for path in found}
