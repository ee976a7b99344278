"""The commands that an exercise's README has students type work in the exercise's folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from built_in import built_in_lab

from orchestrator.arch import ARCHITECTURES
from orchestrator.paths import EXERCISES, ROOT

READMES = sorted(EXERCISES.rglob("README.md"))
COMMAND = r"^(?: {4}|\$ |# )?(isolab (?:try|run|grade|plan)\b.*)$|`(isolab [^`\n]+)`"
PLACES = {"process", "sandbox", "container", "vm", *ARCHITECTURES}
"""Words for ``try --on``."""


def commands(readme: Path) -> Iterator[list[str]]:
    for block, inline in re.findall(COMMAND, readme.read_text(), re.MULTILINE):
        words = shlex.split(block or inline, comments=True)
        if not any("…" in word for word in words):
            yield words


def after(words: list[str], option: str) -> list[str]:
    return words[words.index(option) + 1].split(",") if option in words else []


def test_they_are_found() -> None:
    found = [words for readme in READMES for words in commands(readme)]
    assert len(found) > 90
    assert {words[1] for words in found} == {"try", "run"}


def test_students_read_how_the_command_is_found() -> None:
    assert "export PATH=$PWD:$PATH" in (ROOT / "docs" / "for-students.md").read_text()


@pytest.mark.parametrize("readme", READMES, ids=lambda one: "/".join(one.parent.parts[-2:]))
def test_they_name_what_is_there(readme: Path) -> None:
    assert "./isolab" not in readme.read_text(), "it is not in the exercise's folder"
    for words in commands(readme):
        if words[1] == "try":
            assert (readme.parent / words[2]).is_file(), words
            assert set(after(words, "--on")) <= PLACES, words
            continue
        lab = built_in_lab(words[2])
        names = [exercise.name for exercise in lab.exercises]
        wanted = after(words, "--exercise")
        assert all(any(fnmatchcase(name, one) for name in names) for one in wanted), words
        assert set(after(words, "--only")) <= set(lab.lab.machines), words
