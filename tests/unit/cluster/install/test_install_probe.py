"""Which Python a host has: the script that looks for it, run here, and what is made of its answer."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cluster.install import probe
from orchestrator.cluster.install.probe import HostPython, read_look, require_fitting
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TransportError, Unavailable
from orchestrator.host import process

ABI = sysconfig.get_config_var("SOABI")
FOUND = {
    "python": "/usr/bin/python3.11",
    "release": "3.11",
    "abi": ABI,
    "folder": "/home/ada/isolab",
    "lacks": [],
    "parts": ["a-1"],
    "versions": [],
}


def look(path: Path, folder: str = "") -> tuple[int, str]:
    argv = ["/bin/sh", "-c", probe._FIND, "sh", folder]
    environment = {"PATH": str(path), "HOME": "/home/ada"}
    done = process.run(
        argv, deadline=Deadline.after(60), env=environment, stdin=probe.program("look"), check=False
    )
    return done.code, done.stdout.decode()


def test_the_program_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    for name in ("parts/a-1", "parts/.new-x", "versions/d1", "versions/d2"):
        (tmp_path / "below" / name).mkdir(parents=True)
    (tmp_path / "below/versions/d2/tried").touch()
    code, said = look(tmp_path, str(tmp_path / "below"))
    assert code == 0
    found = read_look("lab1", said)
    assert found.python == os.path.realpath(sys.executable)
    assert (found.abi, found.folder) == (ABI, str(tmp_path / "below"))
    assert (found.parts, found.versions) == (frozenset({"a-1"}), frozenset({"d2"}))
    require_fitting("lab1", found)
    assert read_look("lab1", look(tmp_path)[1]).folder == "/home/ada/.local/share/isolab/cluster"


def test_no_python_and_one_that_is_too_old(tmp_path: Path) -> None:
    assert look(tmp_path)[0] == probe.NONE
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.2 || exit 1\n")
    old.chmod(0o755)
    code, said = look(tmp_path)
    assert (code, said) == (probe.TOO_OLD, "Python 3.9.2\n")
    problem = probe._no_python("lab1", code, said)
    assert problem.message == "lab1: isolab needs Python 3.11 or newer, and there is Python 3.9.2"
    assert probe._no_python("lab1", probe.NONE, "").message == "lab1: there is no python3"


def test_a_shell_that_talks() -> None:
    with pytest.raises(Unavailable, match=r"lab1: its shell prints text.*'Welcome\\x1b") as caught:
        read_look("lab1", "Welcome\x1b[0m\nisolab-look " + json.dumps(FOUND))
    assert ".bashrc" in caught.value.hint


def test_a_standard_library_that_is_not_whole() -> None:
    with pytest.raises(Unavailable, match="missing there: sqlite3, ssl"):
        read_look("lab1", "isolab-look " + json.dumps({**FOUND, "lacks": ["sqlite3", "ssl"]}))


@pytest.mark.parametrize("said", ["", "isolab-look", "isolab-look {}", "isolab-look [1]", "isolab-look 1 2"])
def test_what_is_no_answer(said: str) -> None:
    with pytest.raises(TransportError, match="lab1: python3 there answered nothing that isolab understands"):
        read_look("lab1", said)


@settings(max_examples=30)
@given(st.text(max_size=40), st.dictionaries(st.sampled_from(sorted(FOUND)), st.none() | st.integers()))
def test_whatever_a_host_answers_is_read_or_refused(before: str, changed: dict[str, object]) -> None:
    try:
        read_look("lab1", f"{before}isolab-look {json.dumps({**FOUND, **changed})}")
        words = ""
    except LabError as problem:
        words = problem.message
    assert words.isprintable()


def test_a_python_whose_packages_are_others() -> None:
    other = HostPython(
        "/usr/bin/python3", "3.13", "cpython-313-aarch64-linux-gnu", "/x", frozenset(), frozenset()
    )
    with pytest.raises(
        Unavailable, match=r"lab1: its Python is 3\.13 \(cpython-313-aarch64-linux-gnu\)"
    ) as caught:
        require_fitting("lab1", other)
    assert "ISOLAB_PYTHON" in caught.value.hint
