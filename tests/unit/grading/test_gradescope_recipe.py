"""The recipe of ``docs/gradescope.md``, in the folders of Gradescope's harness: there are results, always.

isolab itself is played by a shell script here; ``tests/machines/test_as_gradescope_grader.py`` runs it.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import subprocess  # noqa: TID251 - what is to be killed must be a child of ours
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

RECIPE = ROOT / "docs" / "examples" / "gradescope"
METADATA = {
    "id": 123456,
    "created_at": "2027-03-08T14:22:32.365935+08:00",
    "assignment": {"id": 25828, "course_id": 1234, "title": "Wire", "total_points": "20.0"},
    "users": [{"email": "Anna@uni.example", "id": 1234, "name": "Anna"}],
    "previous_submissions": [],
}
RESULTS = {"score": 3.0, "tests": [{"name": "answer", "score": 3.0, "max_score": 4.0}]}
GRADES = """
out=$5/gradescope/x-$(ls "$3")
mkdir -p "$out" && printf '%s' '{results}' >"$out/results.json"
"""
"""What stands for `grade LAB SUBMISSIONS --out DIR`."""


@dataclass(frozen=True)
class Harness:
    """The folders of Gradescope's container."""

    root: Path

    def isolab(self, script: str, results: object = RESULTS) -> None:
        """Say what the command does."""
        words = f"printf '%s\\n' \"$@\" >{self.root}/words\n" + GRADES.replace(
            "{results}", json.dumps(results)
        )
        place = self.root / "source" / "isolab" / "isolab"
        place.write_text(
            f"#!/bin/sh\n{words if 'GRADES' in script else ''}\n{script.replace('GRADES', ':')}\n"
        )
        place.chmod(0o755)

    def settings(self, old: str, new: str) -> None:
        place = self.root / "source" / "settings"
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    @property
    def environment(self) -> dict[str, str]:
        own = {"AUTOGRADER_ROOT": str(self.root), "ISOLAB_SCRATCH": str(self.root / "scratch")}
        return {**os.environ, **own}

    def run(self) -> str:
        """Run run_autograder as the harness does; returns what it printed."""
        done = process.run(
            [self.root / "run_autograder"],
            deadline=Deadline.after(60),
            env=self.environment,
            cwd=self.root,
            check=False,
        )
        assert done.code == 0
        return done.stdout.decode()

    @property
    def results(self) -> dict[str, Any]:
        found = json.loads((self.root / "results" / "results.json").read_text())
        assert isinstance(found, dict)
        return found

    @property
    def words(self) -> list[str]:
        """The command line that isolab got."""
        return (self.root / "words").read_text().splitlines()


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    root = tmp_path / "autograder"
    shutil.copytree(RECIPE, root / "source")
    (root / "source" / "isolab").mkdir()
    shutil.copy(RECIPE / "run_autograder", root / "run_autograder")
    (root / "results").mkdir()
    (root / "submission" / "sub").mkdir(parents=True)
    (root / "submission" / "wire.c").write_text("int main(void) { return 0; }\n")
    (root / "submission_metadata.json").write_text(json.dumps(METADATA))
    return Harness(root)


def assert_not_graded(results: dict[str, Any]) -> None:
    """It says so, and has no score anywhere: a 0 would look earned."""
    assert "could not be graded" in results["output"]
    assert "costs no points" in results["output"]
    assert results["stdout_visibility"] == "hidden"
    assert "score" not in results
    assert results["tests"] == []


@pytest.mark.parametrize("code", [0, 1])
def test_what_was_graded_becomes_the_results(harness: Harness, code: int) -> None:
    harness.isolab(f"GRADES; exit {code}")
    assert harness.run().endswith("run_autograder: graded\n")
    assert harness.results == RESULTS
    work = harness.root / "private" / "work"
    assert harness.words == ["grade", "lab", f"{work}/submissions", "--out", f"{work}/grades", "--only", "vm"]
    (there,) = (work / "submissions").iterdir()
    assert there.name == "Anna@uni.example"
    assert sorted(path.name for path in there.iterdir()) == ["sub", "wire.c"]


def test_nothing_of_the_grader_is_open_to_others(harness: Harness) -> None:
    harness.isolab("GRADES")
    harness.run()
    for name in ("source", "submission", "results", "private"):
        assert (harness.root / name).stat().st_mode & 0o777 == 0o700, name


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 2", "isolab exited with status 2"),
        ("GRADES; exit 3", "isolab exited with status 3"),
        ("kill -KILL $$", "was killed"),
        ("kill -SEGV $$", "isolab exited with status 139"),
        ("exit 0", "left no results with a score"),
        ("rm -rf ../results; GRADES", "the results cannot be written"),
    ],
)
def test_a_failure_leaves_results_without_a_score(harness: Harness, script: str, reason: str) -> None:
    harness.isolab(script)
    assert reason in harness.run()
    if "rm -rf" not in script:
        assert_not_graded(harness.results)


def test_results_without_a_score_are_not_handed_over(harness: Harness) -> None:
    harness.isolab("GRADES", {"tests": [{"name": "a"}, {"name": "b", "score": "3"}]})
    assert "no results with a score" in harness.run()
    assert_not_graded(harness.results)


def test_results_that_are_not_json_are_not_handed_over(harness: Harness) -> None:
    harness.isolab('GRADES; printf \'{"score": 3\' >"$out/results.json"')
    assert "no results with a score" in harness.run()
    assert_not_graded(harness.results)


def test_a_hanging_isolab_is_given_up(harness: Harness) -> None:
    harness.isolab("exec sleep 60")
    harness.settings("SECONDS_MOST=540", "SECONDS_MOST=0.2")
    assert "did not end within 0.2 seconds" in harness.run()
    assert_not_graded(harness.results)


def started(harness: Harness) -> subprocess.Popen[bytes]:
    """run_autograder while isolab runs."""
    harness.isolab(
        f"trap 'touch {harness.root}/told; exit 130' TERM; touch {harness.root}/runs; sleep 60 & wait"
    )
    child = subprocess.Popen([harness.root / "run_autograder"], env=harness.environment, cwd=harness.root)
    deadline = Deadline.after(30)
    while not (harness.root / "runs").exists() and deadline.remaining():
        time.sleep(0.01)
    return child


def test_told_to_stop_it_stops_isolab_and_says_so(harness: Harness) -> None:
    child = started(harness)
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 0
    assert (harness.root / "told").exists()
    assert_not_graded(harness.results)


def test_killed_it_has_left_results_already(harness: Harness) -> None:
    child = started(harness)
    child.kill()
    child.wait(30)
    assert_not_graded(harness.results)
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            ours = f"AUTOGRADER_ROOT={harness.root}".encode() in place.read_bytes()
        except OSError:
            continue
        if ours:
            os.kill(int(place.parent.name), signal.SIGKILL)


@pytest.mark.parametrize("name", ["settings", "student_id.py", "isolab/isolab"])
def test_a_part_that_is_missing_is_said(harness: Harness, name: str) -> None:
    harness.isolab("GRADES")
    (harness.root / "source" / name).unlink()
    assert "not graded: " in harness.run()
    assert_not_graded(harness.results)


def test_a_link_in_a_submission_is_not_followed(harness: Harness) -> None:
    harness.isolab("GRADES")
    secret = harness.root / "source" / "hidden.yaml"
    secret.write_text("secret")
    (harness.root / "submission" / "link.c").symlink_to(secret)
    harness.run()
    copied = harness.root / "private" / "work" / "submissions" / "Anna@uni.example" / "link.c"
    assert copied.is_symlink()


ANNA = json.dumps({"users": [{"email": "Anna@uni.example", "id": 1234, "name": "Anna"}]})


def whose(folder: Path, metadata: str, roster: str | None = None) -> None:
    """Run student_id.py in this process."""
    (folder / "submission_metadata.json").write_text(metadata)
    words = [str(folder / "submission_metadata.json")]
    if roster is not None:
        (folder / "roster.csv").write_text(roster)
        words.append(str(folder / "roster.csv"))
    runpy.run_path(str(RECIPE / "student_id.py"))["main"](*words)


@pytest.mark.parametrize(
    ("roster", "found"),
    [
        (None, "Anna@uni.example"),
        ("id,name,email,group\n23000001,Anna,anna@uni.example,a\n", "23000001"),
        ("\ufeffid;name;email\n23000001;Anna;Anna@uni.example\n", "23000001"),
    ],
)
def test_who_handed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], roster: str | None, found: str
) -> None:
    whose(tmp_path, ANNA, roster)
    assert capsys.readouterr().out == f"{found}\n"


@pytest.mark.parametrize(
    ("metadata", "roster", "words"),
    [
        (ANNA, "id,email\n23000002,ben@uni.example\n", "'Anna@uni.example' is not on the roster"),
        (ANNA, "id,email\n../../etc,anna@uni.example\n", "the id '../../etc' cannot be the name of a folder"),
        (ANNA, "", "'Anna@uni.example' is not on the roster"),
        ("", None, "cannot read who handed in: JSONDecodeError"),
        ("[]", None, "cannot read who handed in: TypeError"),
        ('{"users": []}', None, "cannot read who handed in: IndexError"),
        ('{"users": [{"email": "a/../../b"}]}', None, "the id 'a/../../b' cannot be the name of a folder"),
        ('{"users": [{"email": "-x@\\u001b"}]}', None, r"the id '-x@\x1b' cannot be the name of a folder"),
    ],
)
def test_who_handed_in_is_never_guessed(
    tmp_path: Path, metadata: str, roster: str | None, words: str
) -> None:
    with pytest.raises(SystemExit) as problem:
        whose(tmp_path, metadata, roster)
    assert str(problem.value.code).startswith(words)


def test_the_roster_says_whose_it_is(harness: Harness) -> None:
    harness.isolab("GRADES")
    (harness.root / "source" / "roster.csv").write_text("id,email\n23000001,anna@uni.example\n")
    harness.run()
    assert [path.name for path in (harness.root / "private/work/submissions").iterdir()] == ["23000001"]
    assert harness.results == RESULTS


def test_somebody_who_is_not_on_the_roster_is_not_graded(harness: Harness) -> None:
    harness.isolab("GRADES")
    (harness.root / "source" / "roster.csv").write_text("id,email\n")
    assert "it is not known whose submission this is" in harness.run()
    assert_not_graded(harness.results)


def test_it_can_be_tried_out_without_metadata(harness: Harness) -> None:
    harness.isolab("GRADES")
    (harness.root / "submission_metadata.json").unlink()
    harness.run()
    assert harness.results == RESULTS


def test_setup_runs_the_reference_solutions(harness: Harness, tmp_path: Path) -> None:
    harness.isolab(f'GRADES; printf \'%s\\n\' "$*" "$ISOLAB_CACHE" >>{harness.root}/asked')
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "apt-get").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/apt\n')
    (programs / "apt-get").chmod(0o755)
    env = {**harness.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    process.run([harness.root / "source" / "setup.sh"], deadline=Deadline.after(60), env=env, cwd=tmp_path)
    private = harness.root / "private"
    assert (harness.root / "asked").read_text().splitlines()[::2] == [
        f"run lab --only vm --out {private}/reference",
        "images prune",
    ]
    assert (harness.root / "asked").read_text().splitlines()[1] == f"{private}/cache"
    assert (tmp_path / "apt").read_text().startswith("update\ninstall -y --no-install-recommends python3 ")
    assert (harness.root / "source").stat().st_mode & 0o777 == 0o700


def test_setup_fails_where_the_reference_solutions_do(harness: Harness, tmp_path: Path) -> None:
    harness.isolab("exit 1")
    (tmp_path / "apt-get").write_text("#!/bin/sh\n")
    (tmp_path / "apt-get").chmod(0o755)
    env = {**harness.environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = process.run(
        [harness.root / "source" / "setup.sh"],
        deadline=Deadline.after(60),
        env=env,
        cwd=tmp_path,
        check=False,
    )
    assert done.code == 1


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="there is no shellcheck")
def test_shellcheck_has_nothing_to_say() -> None:
    files = [RECIPE / name for name in ("setup.sh", "run_autograder", "settings")]
    process.run(["shellcheck", "--shell=sh", *files], deadline=Deadline.after(60))
