"""Lab folders to load in tests, and what is told about the mistakes in them.

A text may carry marks: a problem at a marked place is told as the mark, not as line and column.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import SpecError
from orchestrator.labfile.load import LoadedLab, load_exercise, load_lab

GOOD_EXERCISE = "title: Pipes\nbuild: {sources: [pipes.c]}\nrun: ./pipes\n"


def write_exercise(folder: Path, text: str = GOOD_EXERCISE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exercise.yaml").write_text(text)
    (folder / "pipes.c").touch()


def load(folder: Path, text: str, host: str = "amd64") -> LoadedLab:
    (folder / "lab/lab.yaml").write_text(text)
    return load_lab(folder / "lab", folder / "exercises", host=host)


GOOD_LAB = """\
lab: separation
title: Kinds of separation
defaults: {image: micro, memory: 512MiB, driver: qemu, arch: s390x}
machines:
  emulated: {}
  vm: {arch: null, cpus: 2, memory: 1GiB}
  big: {arch: ppc64el}
exercises: [ipc/signals, ipc/pipes]
"""
MARK = "»"


def unmarked(text: str) -> tuple[str, list[str]]:
    """``text`` without its marks, and the places (line:column) they pointed at."""
    places = []
    while MARK in text:
        before, text_after = text.split(MARK, 1)
        places.append(f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}")
        text = before + text_after
    return text, places


def told(error: SpecError, file: Path, places: list[str]) -> list[str]:
    """The problems of ``error``, those of ``file`` without its name, a marked place as the mark."""
    found = [str(problem).removeprefix(f"{file}:") for problem in error.problems]
    for place in places:
        found = [
            MARK + text.removeprefix(f"{place}:") if text.startswith(f"{place}: ") else text for text in found
        ]
    return found


def mistakes(folder: Path, text: str, host: str = "amd64") -> list[str]:
    """What is told about a lab."""
    plain, places = unmarked(text)
    with pytest.raises(SpecError) as caught:
        load(folder, plain, host)
    return told(caught.value, folder / "lab/lab.yaml", places)


def machine_mistakes(folder: Path, machine: str, defaults: str = "{}", host: str = "amd64") -> list[str]:
    """What is told about a lab with one machine."""
    text = f"lab: a\ndefaults: {defaults}\nmachines:\n  {machine}\nexercises: [ipc/pipes]\n"
    return mistakes(folder, text, host)


def exercise_mistakes(folder: Path, text: str) -> list[str]:
    """What is told about an exercise."""
    plain, places = unmarked(text)
    write_exercise(folder / "mine", plain)
    with pytest.raises(SpecError) as caught:
        load_exercise(folder / "mine", "mine")
    return told(caught.value, folder / "mine/exercise.yaml", places)


def make_folder(parent: Path) -> Path:
    """``parent``, with an empty lab folder, and exercises ipc/pipes and ipc/signals."""
    (parent / "lab").mkdir()
    for name in ("pipes", "signals"):
        write_exercise(parent / "exercises/ipc" / name)
    return parent
