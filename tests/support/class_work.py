"""A class of two students with a small lab, as folders and files: no machine is up."""

from __future__ import annotations

from pathlib import Path

from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.work.listing import Item

EXERCISE = """\
title: An answer
student: {{files: [answer.c]}}
parameters: {{own: {{between: [1000000, 9999999]}}, secret: {{between: [1000000, 9999999]}}}}
build: {{sources: [answer.c]}}
run: ./answer {name}
checks:
  - {{that: answer, equals: "${{own}}", points: 2}}
"""
HIDDEN = """\
checks:
  - {that: other, equals: "${secret}", points: 1, why: "a secret of the hidden tests"}
"""
SKELETON = "int main(void) { return 0; }\n"
CLASS = """\
class: term
roster: roster.csv
labs:
  - {{lab: small{due}}}
machines: {{desk: {{driver: qemu}}, other: {{driver: qemu}}}}
{more}
"""


def write_exercise(folder: Path) -> None:
    """Write an exercise with parameters, a hidden test and a skeleton."""
    (folder / "skeleton").mkdir(parents=True)
    (folder / "skeleton/answer.c").write_text(SKELETON)
    (folder / "exercise.yaml").write_text(EXERCISE.format(name=folder.name))
    (folder / "hidden.yaml").write_text(HIDDEN)
    (folder / "README.md").write_text("# Answer\n\nYours is ${own}.\n")


def write_class(folder: Path, due: str = "", more: str = "") -> LoadedClass:
    """Write and load a class with the lab ``small``, whose exercises are ``first`` and ``topic/second``."""
    lab = folder / "small"
    for name in ("first", "topic/second"):
        write_exercise(lab / name)
    machines = "machines: {here: {driver: qemu}}"
    (lab / "lab.yaml").write_text(f"lab: small\n{machines}\nexercises: [./first, ./topic/second]\n")
    (folder / "roster.csv").write_text("id,name,group\nada,Ada L,red\nbob,Bob B,red\n")
    (folder / "class.yaml").write_text(CLASS.format(due=f", due: {due}" if due else "", more=more))
    return load_class(folder)


def item(path: str, size: int = 0, mode: int = 0o100644, inode: int = 1, at: int = 1000) -> Item:
    """An entry of a home folder: a plain file, unless its ``mode`` says otherwise."""
    return Item(path, mode, size, at, at, inode)
