"""The pages of labs that one can teach from: what a session needs is there, and is true of the lab."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.load import load_lab
from orchestrator.paths import EXERCISES, LABS, ROOT

PAGES = ROOT / "docs" / "labs"
SECTION = "## Teaching it"
PARTS = (
    "The A list",
    "Plan",
    "To be typed live",
    "Figure",
    "The row to show",
    "Misconceptions",
    "For an examination",
    "Without KVM or Podman",
)
SESSION = 90
"""Minutes."""
TAUGHT = sorted(path for path in PAGES.glob("*.md") if SECTION in path.read_text())
each = pytest.mark.parametrize("page", TAUGHT, ids=lambda path: path.stem)


def parts(page: Path) -> dict[str, str]:
    """The parts of the section, by their headings."""
    section = page.read_text().partition(SECTION)[2].partition("\n## ")[0]
    pieces = re.split(r"^### (.+)$", section, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def numbered(text: str) -> list[str]:
    return re.findall(r"^\d+\. .+?$", text, re.MULTILINE)


def named(page: Path) -> list[str]:
    """The exercises of the A list."""
    return re.findall(r"^\d+\. `([a-z0-9/-]+)`", parts(page)["The A list"], re.MULTILINE)


def test_every_lab_has_such_a_page() -> None:
    assert {page.stem for page in TAUGHT} == {path.parent.name for path in LABS.glob("*/lab.yaml")}


@each
def test_all_parts_are_there_in_their_order(page: Path) -> None:
    assert tuple(parts(page)) == PARTS
    assert all(text.strip() for text in parts(page).values())


@each
def test_the_a_list_is_a_choice_of_the_labs_exercises_and_can_be_run(page: Path) -> None:
    lab = load_lab(LABS / page.stem / "lab.yaml", EXERCISES, images=least_memory(recipes()))
    choice = named(page)
    assert min(4, len(lab.lab.exercises)) <= len(choice) <= 6
    assert [name for name in choice if name not in lab.lab.exercises] == []
    command = re.search(
        rf"^\./isolab run {page.stem} --exercise \\\n  (\S+)$", page.read_text(), re.MULTILINE
    )
    assert command
    assert command[1].split(",") == choice


@each
def test_the_plan_takes_a_session(page: Path) -> None:
    minutes = [int(text) for text in re.findall(r"^\| (\d+) \|", parts(page)["Plan"], re.MULTILINE)]
    assert len(minutes) >= 5
    assert sum(minutes) == SESSION
    assert max(minutes) <= 25


@each
def test_three_commands_are_shown_with_what_appears(page: Path) -> None:
    blocks = re.findall(r"^```text\n\$ (.+?)\n(.+?)^```$", parts(page)["To be typed live"], re.M | re.DOTALL)
    assert len(blocks) == 3
    assert all(command.strip() and appears.strip() for command, appears in blocks)


@each
def test_the_figure_is_a_picture_of_its_own_with_words_for_those_who_do_not_see_it(page: Path) -> None:
    (shown,) = re.findall(r"^!\[(.+)\]\((figures/.+\.svg)\)$", parts(page)["Figure"], re.MULTILINE)
    root = ElementTree.parse(PAGES / shown[1]).getroot()
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert root.findtext("{http://www.w3.org/2000/svg}title") == shown[0]
    assert len(root.findtext("{http://www.w3.org/2000/svg}desc") or "") > 60
    assert names <= {"svg", "title", "desc", "defs", "marker", "path", "rect", "line", "text"}
    width, height = (float(word) for word in (root.get("viewBox") or "").split()[2:])
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert x + w <= width
        assert y + h <= height


@each
def test_there_are_misconceptions_and_questions_with_as_many_answers(page: Path) -> None:
    rows = [line for line in parts(page)["Misconceptions"].splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 3
    questions, _, answers = parts(page)["For an examination"].partition("<summary>Answers</summary>")
    assert len(numbered(questions)) == len(numbered(answers)) >= 3


@each
def test_every_exercise_that_is_named_exists(page: Path) -> None:
    section = page.read_text().partition(SECTION)[2]
    topics = {path.name for path in EXERCISES.iterdir() if path.is_dir()}
    mentioned = {
        name for name in re.findall(r"`([a-z]+/[a-z0-9-]+)`", section) if name.split("/")[0] in topics
    }
    assert [name for name in mentioned if not (EXERCISES / name / "exercise.yaml").is_file()] == []


@each
def test_the_row_to_show_is_one_of_an_exercise_of_the_lab(page: Path) -> None:
    lab = load_lab(LABS / page.stem / "lab.yaml", EXERCISES, images=least_memory(recipes()))
    specs = {exercise.name: exercise.spec for exercise in lab.exercises}
    said = parts(page)["The row to show"]
    there = [specs[name] for name in re.findall(r"`([^`]+)`", said) if name in specs]
    labels = {label.casefold() for spec in there for label in spec.shows.values()}
    assert there
    emphasised = [" ".join(words.split()) for words in re.findall(r"\*([^*]+)\*", said)]
    assert [words for words in emphasised if words.casefold() not in labels] == []
