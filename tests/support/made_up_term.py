"""A class on disk for tests: its file, its roster."""

from __future__ import annotations

from pathlib import Path

from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass

DESK = "machines: {desk: {driver: qemu}}\n"


def write_class(folder: Path, students: int, *lines: str, machines: str = DESK) -> Path:
    """Write a class of so many students, s01 …, in groups of three; returns its folder. ``lines`` are more of
    its file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"s{number:02},Student {number},s{number:02}@uni.example,g{number // 3}" for number in range(students)
    ]
    (folder / "roster.csv").write_text("\n".join(["id,name,email,group", *rows]) + "\n")
    (folder / "class.yaml").write_text("class: term\n" + machines + "".join(f"{line}\n" for line in lines))
    return folder


def made_up_class(folder: Path, students: int = 3, *lines: str, machines: str = DESK) -> LoadedClass:
    """Write such a class and load it."""
    return load_class(write_class(folder, students, *lines, machines=machines))
