"""Class folders to load in tests, and the places of what is told about their mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab_files import told, unmarked
from public_keys import ED25519

from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass
from orchestrator.errors import SpecError

ROSTER = (
    f"id,name,email,group,ssh_key\ns1,Ada,ada@uni.example,red,{ED25519} ada@desk\ns2,Bob,,red,\ns3,Eve,,,\n"
)
DESK = "machines: {desk: {driver: qemu}}\n"
HEAD = "class: term\n" + DESK
EXERCISE = "title: Sum\nbuild: {sources: [sum.c]}\nrun: ./sum\n"


def write_lab(folder: Path, name: str) -> None:
    """Write a lab of one exercise."""
    (folder / "sum").mkdir(parents=True)
    (folder / "sum/sum.c").write_text("int main(void) { return 0; }\n")
    (folder / "sum/exercise.yaml").write_text(EXERCISE)
    lines = f"lab: {name}\nmachines: {{here: {{driver: process}}}}\nexercises: [./sum]\n"
    (folder / "lab.yaml").write_text(lines)


def load(folder: Path, text: str, roster: str = ROSTER, *, starting: bool = False) -> LoadedClass:
    """Load a class with this file, for an amd64 host."""
    (folder / "class.yaml").write_text(text)
    (folder / "roster.csv").write_text(roster)
    return load_class(folder, starting=starting, host="amd64")


def mistakes(folder: Path, text: str, roster: str = ROSTER, *, starting: bool = False) -> list[str]:
    """What is told about the class: as ``lab_files.told``, other files of the folder by their names."""
    plain, places = unmarked(text)
    with pytest.raises(SpecError) as caught:
        load(folder, plain, roster, starting=starting)
    found = told(caught.value, folder / "class.yaml", places)
    return [re.sub(re.escape(f"{folder}/"), "", one) for one in found]
