"""The curriculum names every exercise, every lab has its page, and the pages say what the labs do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from built_in import built_in_lab

from orchestrator.paths import EXERCISES, LABS, ROOT

PAGES = ROOT / "docs" / "labs"
CURRICULUM = ROOT / "docs" / "curriculum.md"
NAMES = {str(path.parent.relative_to(EXERCISES)) for path in EXERCISES.rglob("exercise.yaml")}
LAB_NAMES = sorted(path.parent.name for path in LABS.glob("*/lab.yaml"))
HEADINGS = [
    "Aims",
    "What to know before",
    "Time",
    "Order",
    "Questions",
    "What differs between machines, and why",
    "Further reading",
]


def rows() -> list[tuple[str, list[str]]]:
    """Each item of the tables with the exercises of its last column."""
    lines = CURRICULUM.read_text().splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    kept = [row for row in cells if row[0].strip() != "item" and set(row[0]) != {"-"}]
    assert all(len(row) == 2 for row in kept)
    return [(item.strip(), re.findall(r"`([^`]+)`", named)) for item, named in kept]


def exercises_of(lab: str) -> list[str]:
    return [exercise.name for exercise in built_in_lab(lab).exercises]


def section(page: Path, heading: str) -> str:
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {heading}"
    return found[1]


def test_every_item_is_shown_by_an_exercise() -> None:
    assert len(rows()) > 60
    assert [item for item, named in rows() if not named] == []


def test_every_exercise_named_exists() -> None:
    assert {name for _, named in rows() for name in named} - NAMES == set()


def test_every_exercise_is_named() -> None:
    assert NAMES - {name for _, named in rows() for name in named} == set()


def test_every_exercise_is_in_a_lab() -> None:
    assert NAMES - {name for lab in LAB_NAMES for name in exercises_of(lab)} == set()


def test_every_lab_has_a_page_and_every_page_a_lab() -> None:
    assert sorted({path.stem for path in PAGES.glob("*.md")} - {"README"}) == LAB_NAMES


@pytest.mark.parametrize("lab", LAB_NAMES)
def test_lab_pages_have_what_a_lesson_needs(lab: str) -> None:
    text = (PAGES / f"{lab}.md").read_text()
    found = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS
    assert f"({lab}.md)" in (PAGES / "README.md").read_text()


@pytest.mark.parametrize("lab", LAB_NAMES)
def test_lab_pages_go_through_the_exercises_in_the_order_of_the_lab(lab: str) -> None:
    order = section(PAGES / f"{lab}.md", "Order")
    assert re.findall(r"^\d+\. `([^`]+)`: \S", order, re.MULTILINE) == exercises_of(lab)
    assert [int(number) for number in re.findall(r"^(\d+)\. ", order, re.MULTILINE)] == list(
        range(1, len(exercises_of(lab)) + 1)
    )


@pytest.mark.parametrize("lab", LAB_NAMES)
def test_every_question_has_its_answer(lab: str) -> None:
    asked, answers = section(PAGES / f"{lab}.md", "Questions").split("<details><summary>Answers</summary>")
    numbers = re.findall(r"^(\d+)\. ", asked, re.MULTILINE)
    assert numbers
    assert re.findall(r"^(\d+)\. ", answers, re.MULTILINE) == numbers
