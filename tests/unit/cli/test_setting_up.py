"""The file ``isolab``: how it makes its environment, and what it says when it cannot.

Python is played by a shell script that notes what it is asked for; the command itself is not run.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.host.process import Finished
from orchestrator.paths import ROOT

PYTHON = r"""#!/bin/sh
# Plays Python: its version is in a file beside it, what it is asked for goes to a log there.
real=$(readlink -f "$0"); home=$(dirname "$real")
case "$*" in
	*version_info*) cat "$home/$(basename "$real").version"; exit ;;
	*"import ensurepip, venv"*) exit 0 ;;
	*"import pip"*) [ -f "$(dirname "$0")/../pip-$(cat "$home/$(basename "$real").version")" ]; exit ;;
	*"-m venv"*)
		for place; do :; done
		echo "venv by $(basename "$real")" >>"$home/log"
		rm -rf "$place"; mkdir -p "$place/bin"
		: >"$place/pip-$(cat "$home/$(basename "$real").version")"
		ln -s "$real" "$place/bin/python" ;;
	*"-m pip"*)
		files='requirements/[a-z]*\.txt\|--editable'
		echo "pip $(echo "$*" | grep -o "$files" | sed 's/[.]txt$//')" >>"$home/log"
		[ ! -f "$home/until" ] || until grep -q waiting "$(cat "$home/until")"; do sleep 0.05; done
		[ ! -f "$home/pip-says" ] || { cat "$home/pip-says"; exit 1; } ;;
	*" --check "*) case "$*" in *--bad*) echo bad >&2; exit 2 ;; *--help*) echo page ;; *) exit 64 ;; esac ;;
	*) shift 4; echo "ran $*" ;;
esac
"""


@dataclass
class Checkout:
    """A checkout with nothing but the launcher, and programs to find on the path."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def programs(self) -> Path:
        return self.root / "bin"

    def python(self, name: str = "python3", version: str = "3.12") -> Path:
        path = self.programs / name
        path.write_text(PYTHON)
        path.chmod(0o755)
        (self.programs / f"{name}.version").write_text(version + "\n")
        return path

    def start(self, *words: str, cwd: Path | None = None, **env: str) -> Finished:
        path = f"{self.programs}:/usr/bin:/bin"
        return process.run(
            [self.project / "isolab", *words],
            deadline=Deadline.after(60),
            cwd=cwd or self.root,
            env={"PATH": path, "HOME": str(self.root), **env},
            check=False,
        )

    def log(self) -> list[str]:
        """What Python was asked to make since the last look."""
        file = self.programs / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


ALL = ["venv by python3", "pip requirements/isolab", "pip --editable"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.programs.mkdir()
    (made.project / "requirements").mkdir(parents=True)
    (made.project / "orchestrator").mkdir()
    (made.project / "pyproject.toml").write_text("[project]\n")
    for name in ("isolab", "dev"):
        (made.project / "requirements" / f"{name}.txt").write_text(f"{name}\n")
    shutil.copy(ROOT / "isolab", made.project / "isolab")
    made.python()
    return made


def test_it_says_what_it_sets_up_does_so_once_and_runs_the_command(checkout: Checkout) -> None:
    done = checkout.start("status", "--format", "json")
    assert done.stdout == b"ran status --format json\n"
    assert b"first use" in done.stderr
    assert b"600 MB" in done.stderr
    assert b"no sudo" in done.stderr
    assert checkout.log() == ALL
    done = checkout.start("status")
    assert (done.code, done.stderr, checkout.log()) == (0, b"", [])


def test_an_upgraded_python_gets_a_new_environment(checkout: Checkout) -> None:
    checkout.start("status")
    checkout.log()
    checkout.python(version="3.13")
    assert checkout.start("status").stdout == b"ran status\n"
    assert checkout.log() == ALL


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.python("python3.12")
    checkout.start("status", ISOLAB_PYTHON="python3.12")
    assert checkout.log()[0] == "venv by python3.12"
    (checkout.programs / "python3.12").unlink()
    assert checkout.start("status").stdout == b"ran status\n"
    assert checkout.log() == ALL


def test_an_environment_whose_python_does_not_run_is_made_anew(checkout: Checkout) -> None:
    checkout.start("status")
    checkout.log()
    python = checkout.project / ".venv" / "bin" / "python"
    python.unlink()
    python.write_text("#!/nonexistent\n")
    python.chmod(0o755)
    assert checkout.start("status").stdout == b"ran status\n"
    assert checkout.log() == ALL


def test_changed_requirements_are_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.start("status")
    checkout.log()
    (checkout.project / "requirements" / "isolab.txt").write_text("more\n")
    assert b"up to date" in checkout.start("status").stderr
    assert checkout.log() == ALL[1:]


def test_a_newer_python_beside_an_old_one_is_taken(checkout: Checkout) -> None:
    checkout.python(version="3.10")
    checkout.python("python3.12")
    assert checkout.start("status").code == 0
    assert checkout.log()[0] == "venv by python3.12"


def test_the_python_that_is_asked_for_is_taken(checkout: Checkout) -> None:
    mine = checkout.python("my python", version="3.11")
    assert checkout.start("status", ISOLAB_PYTHON=str(mine)).code == 0
    assert checkout.log()[0] == "venv by my python"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "python3 is Python 3.10"),
        ({"ISOLAB_PYTHON": "/nowhere"}, "ISOLAB_PYTHON=/nowhere is not Python 3.11 or newer"),
    ],
)
def test_without_a_python_that_is_new_enough_it_says_what_to_do(
    checkout: Checkout, asked: dict[str, str], said: str
) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        checkout.python(name, version="3.10")
    done = checkout.start("status", cwd=None, **asked)
    assert done.code == 3
    assert said in done.stderr.decode()
    assert "hint:" in done.stderr.decode()
    assert "ISOLAB_PYTHON" in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("WARNING: Retrying\nERROR: Temporary failure in name resolution\n" * 5, "index cannot be reached"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE\n",
            "differs from the one that was locked",
        ),
        ("OSError: [Errno 28] No space left on device\n", "the disk is full"),
        ("Traceback\nERROR: something new\nmore\n", "something new"),
    ],
)
def test_what_pip_says_is_folded_to_the_reason(checkout: Checkout, words: str, reason: str) -> None:
    (checkout.programs / "pip-says").write_text(words)
    done = checkout.start("status")
    assert done.code == 3
    said = done.stderr.decode().splitlines()
    assert reason in said[1]
    assert len(said) == 3
    assert (checkout.project / ".venv" / "pip.log").read_text() == words


def test_the_environment_can_lie_elsewhere(checkout: Checkout) -> None:
    place = checkout.root / "else where" / "venv"
    assert checkout.start("status", ISOLAB_VENV=str(place)).code == 0
    assert (place / "bin" / "python").exists()
    assert not (checkout.project / ".venv").exists()
    assert checkout.start("status", ISOLAB_VENV=str(place)).stderr == b""


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_checkout_that_cannot_be_written_to_is_said(checkout: Checkout) -> None:
    checkout.project.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = checkout.start("status")
    checkout.project.chmod(0o755)
    assert done.code == 3
    assert b"ISOLAB_VENV" in done.stderr


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock(1)")
def test_two_first_starts_at_once_set_up_one_environment(checkout: Checkout) -> None:
    said = checkout.root / "said"
    said.touch()
    (checkout.programs / "until").write_text(f"{said}\n")  # the second has come while the first is at it
    both = f"exec 2>>{said}; '{checkout.project}/isolab' a & '{checkout.project}/isolab' b; wait"
    env = {"PATH": f"{checkout.programs}:/usr/bin:/bin"}
    done = process.run(["sh", "-c", both], deadline=Deadline.after(60), env=env)
    assert sorted(done.stdout.split()) == [b"a", b"b", b"ran", b"ran"]
    assert "waiting for another isolab" in said.read_text()
    assert checkout.log() == ALL


def test_only_a_command_line_that_can_be_run_installs_what_tests_need(checkout: Checkout) -> None:
    checkout.start("status")
    checkout.log()
    done = checkout.start("test", "--bad")
    assert (done.code, done.stderr, checkout.log()) == (2, b"bad\n", [])
    done = checkout.start("test", "--help")
    assert (done.code, done.stdout, checkout.log()) == (0, b"page\n", [])
    assert checkout.start("test", "--ci").stdout == b"ran test --ci\n"
    assert checkout.log() == ["pip requirements/dev", "pip --editable"]
    assert checkout.start("test").stderr == b""


def test_completion_sets_nothing_up(checkout: Checkout) -> None:
    done = checkout.start("--complete", "")
    assert (done.code, done.stdout, done.stderr, checkout.log()) == (0, b"", b"", [])


def test_programs_are_not_taken_from_the_current_folder(checkout: Checkout) -> None:
    """An empty entry of PATH means it."""
    there = checkout.root / "students"
    there.mkdir()
    for name in ("readlink", "python3", "cksum"):
        (there / name).write_text("#!/bin/sh\necho 'a student ran this'; exit 7\n")
        (there / name).chmod(0o755)
    path = f":{checkout.programs}::/usr/bin:/bin:."
    assert checkout.start("status", cwd=there, PATH=path).stdout == b"ran status\n"


def test_a_closed_standard_error_changes_nothing(checkout: Checkout) -> None:
    env = {"PATH": f"{checkout.programs}:/usr/bin:/bin"}
    argv = ["sh", "-c", f"'{checkout.project}/isolab' status 2>&-"]
    done = process.run(argv, deadline=Deadline.after(60), env=env)
    assert done.stdout == b"ran status\n"
