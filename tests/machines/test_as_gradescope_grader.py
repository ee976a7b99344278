"""The recipe of ``docs/gradescope.md`` with isolab itself, in the folders that Gradescope's harness has."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import ISOLAB, environment
from habitat import Home, fresh_home

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import EXERCISES, ROOT, cache_dir

pytestmark = pytest.mark.real

RECIPE = ROOT / "docs" / "examples" / "gradescope"
EXERCISE = "work/close-the-ends"
METADATA = {"id": 1, "users": [{"email": "anna@uni.example", "id": 7, "name": "Anna"}]}
LAB = """
lab: gradescope
machines:
  process: {driver: process}
  sandbox: {driver: sandbox}
  vm: {driver: qemu}
exercises: [work/close-the-ends]
"""
SECONDS = 600.0


@pytest.fixture
def root() -> Iterator[tuple[Path, Home]]:
    """``/autograder`` after setup, in a folder of its own that other users can pass through."""
    with fresh_home() as home:
        root = home.root / "autograder"
        shutil.copytree(RECIPE, root / "source")
        (root / "source" / "isolab").mkdir()
        command = root / "source" / "isolab" / "isolab"
        command.write_text(f'#!/bin/sh\nexec {shlex.join(ISOLAB)} "$@"\n')
        command.chmod(0o755)
        (root / "source" / "lab").mkdir()
        (root / "source" / "lab" / "lab.yaml").write_text(LAB)
        settings = root / "source" / "settings"
        settings.write_text(settings.read_text().replace("MACHINES=vm", "MACHINES=process,sandbox,vm"))
        (root / "results").mkdir()
        (root / "submission_metadata.json").write_text(json.dumps(METADATA))
        yield root, home
        assert home.settled() == []


def graded(root: Path, home: Home, place: str) -> dict[str, Any]:
    """The results of a submission with the files of one of the exercise's folders."""
    shutil.copytree(EXERCISES / EXERCISE / place, root / "submission")
    env = environment(home, AUTOGRADER_ROOT=str(root), ISOLAB_CACHE=str(cache_dir()))
    shutil.copy(RECIPE / "run_autograder", root / "run_autograder")
    done = process.run(
        [root / "run_autograder"], deadline=Deadline.after(SECONDS), env=env, cwd=root, check=False
    )
    assert done.code == 0
    assert done.stdout.decode().endswith("run_autograder: graded\n"), done.stdout.decode()
    results = json.loads((root / "results" / "results.json").read_text())
    assert isinstance(results, dict)
    return results


def lost(results: dict[str, Any]) -> list[str]:
    """The tests that did not get all points."""
    return [test["name"] for test in results["tests"] if test.get("score", 0) < test.get("max_score", 0)]


def hidden(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [test for test in results["tests"] if test["visibility"] != "visible"]


def test_the_reference_solution_gets_all_points_on_each_machine(root: tuple[Path, Home]) -> None:
    results = graded(*root, "solution")
    assert lost(results) == []
    assert any(test.get("max_score") for test in results["tests"])
    assert hidden(results)
    for name in ("process", "sandbox", "vm"):
        assert any(name in json.dumps(test) for test in results["tests"]), name


def test_the_skeleton_loses_points_and_hears_nothing_of_hidden_tests(root: tuple[Path, Home]) -> None:
    results = graded(*root, "skeleton")
    assert lost(results)
    assert all(not test.get("output") for test in hidden(results))


@pytest.mark.skipif(os.geteuid() != 0, reason="programs run as another user only if isolab is root")
def test_a_program_on_the_container_itself_cannot_look_into_the_folders(root: tuple[Path, Home]) -> None:
    """With the user id that isolab gives to students' programs there."""
    place, home = root
    graded(place, home, "solution")
    for name in ("source", "submission", "results", "private"):
        words = ["setpriv", "--reuid=60600", "--regid=60600", "--clear-groups", "ls", str(place / name)]
        done = process.run(words, deadline=Deadline.after(60), check=False)
        assert done.code != 0, name
        assert b"Permission denied" in done.stderr
