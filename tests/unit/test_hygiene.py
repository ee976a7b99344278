"""What the project asks of its own files."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.labfile.canary_kinds import observation
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.load import LoadedExercise, load_exercise, load_lab
from orchestrator.labfile.models import ANSWERS
from orchestrator.paths import EXERCISES, LABS, ROOT

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 50
PACKAGE = sorted((ROOT / "orchestrator").rglob("*.py"))
PYTHON = sorted([*PACKAGE, ROOT / "tasks.py", *(ROOT / "tests").rglob("*.py")])
EXERCISE_FOLDERS = sorted(path.parent for path in EXERCISES.rglob("exercise.yaml"))
ORDINARY_PROGRAMS = {"sh", "cat", "ls", "id", "echo", "grep", "ps", "stat", "sleep", "true", "false"}


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def exercise(folder: Path) -> LoadedExercise:
    return load_exercise(folder, str(folder.relative_to(EXERCISES)))


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno >= MOST_LINES_OF_A_FUNCTION]
    assert long == []


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", PACKAGE, ids=short)
def test_one_door_to_subprocess(path: Path) -> None:
    """Also by the names under which os offers the same."""
    tree = ast.parse(path.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    doors = {"subprocess"} & modules | {
        name for name in called if re.match("system|popen|exec|spawn|posix_spawn|fork", name)
    }
    assert (
        short(path) in ("orchestrator/host/process/__init__.py", "orchestrator/host/process/child.py")
        or not doors
    )


def test_any_module_may_be_imported_first() -> None:
    """Modules that import each other work in one order only. (Those kept import none but each
    other, and take long.)"""
    script = (
        "import importlib, pkgutil, sys, orchestrator\n"
        "names = [m.name for m in pkgutil.walk_packages(orchestrator.__path__, 'orchestrator.')]\n"
        "assert len(names) > 40\n"
        "import orchestrator.labfile.models\n"
        "kept = {k for k in sys.modules if k.startswith('orchestrator')}\n"
        "for name in names:\n"
        "    ours = {k for k in sys.modules if k.startswith('orchestrator')}\n"
        "    for known in ours - kept: del sys.modules[known]\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as problem: print(name, problem)\n"
    )
    done = process.run([sys.executable, "-c", script], deadline=Deadline.after(120), cwd=ROOT)
    assert done.stdout.decode() == ""


@pytest.mark.parametrize("lab", sorted(LABS.glob("*/lab.yaml")), ids=short)
def test_labs_are_valid(lab: Path) -> None:
    assert load_lab(lab, EXERCISES, images=least_memory(recipes())).exercises


@pytest.mark.parametrize("folder", EXERCISE_FOLDERS, ids=short)
def test_exercises_can_be_predicted_run_and_explained(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if exercise(folder).spec.student:
        wanted = [heading for heading in headings if heading in ("What is graded", "Predict", "Explain")]
        assert sorted(wanted) == ["Explain", "Predict", "What is graded"]
        assert headings.index("Predict") < headings.index("Explain")
    else:
        assert headings[:3] == ["Predict", "Run", "Explain"]
    assert text.startswith("# ")


@pytest.mark.parametrize("folder", [f for f in EXERCISE_FOLDERS if (f / "skeleton").is_dir()], ids=short)
def test_students_meet_typical_mistakes_of_which_some_are_hidden(folder: Path) -> None:
    """tests/machines/test_student_work.py proves that each misses just this."""
    whole = exercise(folder)
    assert whole.spec.student
    assert whole.hidden
    assert (folder / "solution").is_dir()
    visible = {check.that for check in whole.spec.checks}
    assert len(whole.hidden.wrong) >= 2
    assert any(not visible & set(misses) for misses in whole.hidden.wrong.values())
    for kind in whole.hidden.wrong:
        for path in (folder / "wrong" / kind).glob("*"):
            assert path.read_text().startswith("/*"), f"{kind} does not say what is wrong"


@pytest.mark.parametrize("folder", EXERCISE_FOLDERS, ids=short)
def test_exercises_have_all_their_files_and_expect_something(folder: Path) -> None:
    spec = exercise(folder).spec
    named = [*spec.files, *(source for build in spec.build for source in build.sources)]
    theirs = spec.student.files if spec.student else []
    assert all((folder / name).is_file() for name in named if name not in theirs)
    assert {path.name for path in folder.glob("*.c")} <= {Path(name).name for name in named}
    assert spec.checks
    assert spec.explain


@pytest.mark.parametrize("folder", EXERCISE_FOLDERS, ids=short)
def test_exercises_run_what_they_bring(folder: Path) -> None:
    spec = exercise(folder).spec
    brought = {f"./{build.program}" for build in spec.build} | {f"./{name}" for name in spec.files}
    assert {step.argv[0] for step in spec.run} <= brought | ORDINARY_PROGRAMS


@pytest.mark.parametrize("folder", EXERCISE_FOLDERS, ids=short)
def test_observations_of_expectations_and_rows_occur_in_the_sources(folder: Path) -> None:
    """A misspelt name would be "not observed" on every machine."""
    spec = exercise(folder).spec
    sources = "".join(
        path.read_text() for path in folder.iterdir() if path.suffix in {".c", ".h", ".sh", ".py"}
    )
    names = {check.that for check in spec.checks} | set(spec.shows) | set(spec.measured)
    names -= {"exit_code", "signal", "stdout"} | {observation(kind) for kind in spec.canaries}
    names -= {ANSWERS[question] for question in spec.asks}
    assert [name for name in sorted(names) if name not in sources] == []
