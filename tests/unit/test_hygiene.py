"""What the project asks of its own files, and ruff (pyproject.toml) cannot ask."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from built_in import built_in_exercises, built_in_lab
from places import TESTS

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.canary_kinds import observation
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import ANSWERS
from orchestrator.paths import ROOT

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 500, 50
MOST_ROOT_MODULES = 10
PYTHON = [ROOT / "tasks.py", *sorted((ROOT / "orchestrator").rglob("*.py")), *sorted(TESTS.rglob("*.py"))]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
HOLDING = ast.stmt | ast.excepthandler | ast.match_case
ORDINARY_PROGRAMS = {"sh", "cat", "ls", "id", "echo", "grep", "stat", "sleep", "true", "false"}
"""Programs that every host has; others must be among an exercise's needs."""


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def definitions(path: Path) -> list[Definition]:
    """All functions and classes of a file, however deep. Only statements hold some: expressions, which are
    most of a tree, are not looked through."""
    found: list[Definition] = []
    rest: list[ast.AST] = [ast.parse(path.read_bytes())]
    while rest:
        node = rest.pop()
        if isinstance(node, Definition):
            found.append(node)
        rest += [inner for inner in ast.iter_child_nodes(node) if isinstance(inner, HOLDING)]
    return found


def test_files_and_functions_are_short() -> None:
    """ruff counts statements and branches, not lines."""
    assert [short(path) for path in PYTHON if path.read_bytes().count(b"\n") > MOST_LINES] == []
    long = [
        f"{short(path)}: {one.name}"
        for path in PYTHON
        for one in definitions(path)
        if not isinstance(one, ast.ClassDef)
        and (one.end_lineno or 0) - one.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_every_module_can_be_imported() -> None:
    """In whatever order: they do not depend on each other in circles (tests/unit/test_linters.py)."""
    script = (
        "import importlib, pkgutil, orchestrator\n"
        "names = [m.name for m in pkgutil.walk_packages(orchestrator.__path__, 'orchestrator.')]\n"
        "assert len(names) > 40\n"
        "for name in reversed(names):\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as problem: print(name, problem)\n"
    )
    done = process.run([sys.executable, "-c", script], deadline=Deadline.after(120), cwd=ROOT)
    assert done.stdout.decode() == ""


@pytest.fixture(scope="module")
def exercises() -> Mapping[Path, LoadedExercise]:
    """All there are, by folder."""
    return {one.folder: one for one in built_in_exercises().values()}


@pytest.mark.parametrize("lab", sorted(builtin_labs()))
def test_labs_are_valid(lab: str) -> None:
    assert built_in_lab(lab).exercises


def test_exercises_can_be_predicted_run_and_explained(
    exercises: Mapping[Path, LoadedExercise], subtests: pytest.Subtests
) -> None:
    for folder, exercise in exercises.items():
        text = (folder / "README.md").read_text()
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        with subtests.test(short(folder)):
            assert text.startswith("# ")
            if exercise.spec.student:
                wanted = [
                    heading for heading in headings if heading in ("What is graded", "Predict", "Explain")
                ]
                assert sorted(wanted) == ["Explain", "Predict", "What is graded"]
                assert headings.index("Predict") < headings.index("Explain")
            else:
                assert headings[:3] == ["Predict", "Run", "Explain"]


def test_students_meet_typical_mistakes_of_which_some_are_hidden(
    exercises: Mapping[Path, LoadedExercise], subtests: pytest.Subtests
) -> None:
    """tests/machines/test_student_work.py proves that each misses just this."""
    found = {folder: whole for folder, whole in exercises.items() if (folder / "skeleton").is_dir()}
    assert found
    for folder, whole in found.items():
        with subtests.test(short(folder)):
            assert whole.spec.student
            assert whole.hidden
            assert (folder / "solution").is_dir()
            visible = {check.that for check in whole.spec.checks}
            assert len(whole.hidden.wrong) >= 2
            assert any(not visible & set(misses) for misses in whole.hidden.wrong.values())
            for kind in whole.hidden.wrong:
                for source in (folder / "wrong" / kind).glob("*"):
                    assert source.read_text().startswith("/*"), f"{kind} does not say what is wrong"


def test_exercises_have_all_their_files_and_expect_something(
    exercises: Mapping[Path, LoadedExercise], subtests: pytest.Subtests
) -> None:
    for folder, exercise in exercises.items():
        spec = exercise.spec
        named = [*spec.files, *(source for build in spec.build for source in build.sources)]
        theirs = spec.student.files if spec.student else []
        with subtests.test(short(folder)):
            assert all((folder / name).is_file() for name in named if name not in theirs)
            assert {path.name for path in folder.glob("*.c")} <= {Path(name).name for name in named}
            assert spec.checks
            assert spec.explain


def test_exercises_run_what_they_bring(
    exercises: Mapping[Path, LoadedExercise], subtests: pytest.Subtests
) -> None:
    for folder, exercise in exercises.items():
        spec = exercise.spec
        brought = {f"./{build.program}" for build in spec.build} | {f"./{name}" for name in spec.files}
        with subtests.test(short(folder)):
            known = brought | ORDINARY_PROGRAMS | set(spec.needs.programs)
            assert {step.argv[0] for step in spec.run} <= known


def test_observations_of_expectations_and_rows_occur_in_the_sources(
    exercises: Mapping[Path, LoadedExercise], subtests: pytest.Subtests
) -> None:
    """A misspelt name would be "not observed" on every machine."""
    for folder, exercise in exercises.items():
        spec = exercise.spec
        sources = "".join(
            path.read_text() for path in folder.iterdir() if path.suffix in {".c", ".h", ".sh", ".py"}
        )
        names = {check.that for check in spec.checks} | set(spec.shows) | set(spec.measured)
        names -= {"exit_code", "signal", "stdout"} | {observation(kind) for kind in spec.canaries}
        names -= {ANSWERS[question] for question in spec.asks}
        with subtests.test(short(folder)):
            assert [name for name in sorted(names) if name not in sources] == []


def test_the_root_holds_vocabulary_only() -> None:
    modules = [path for path in (ROOT / "orchestrator").glob("*.py") if path.name != "__init__.py"]
    assert 0 < len(modules) <= MOST_ROOT_MODULES


def test_the_architectures_five_questions_lead_to_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.partition("## Five questions\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if "? |" in line]
    assert len(rows) == 5
    for row in rows:
        named = re.findall(r"`(orchestrator/[^`]+)`", row)
        assert named, row
        assert [name for name in named if not (ROOT / name).exists()] == []
