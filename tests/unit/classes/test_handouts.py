"""Handouts: against pages written by hand, without a word of what is hidden, and for nobody else to read."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from handed_out import (
    ADA,
    BARE,
    COURSE,
    DESK,
    ENTRANCE,
    EVE,
    KEY,
    LINK,
    NOW,
    OMAR,
    ORDER,
    SESAME,
    WANG,
    WIRE,
    ZEBRA,
    seat_of,
    the_class,
    write_lab,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS

from orchestrator.classes.handout.csv import COLUMNS
from orchestrator.classes.handout.dates import span, when
from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.handout.exercises import shown_values
from orchestrator.classes.handout.html import handout_html
from orchestrator.classes.handout.markdown import handout_markdown
from orchestrator.classes.handout.sheet import handout_of
from orchestrator.classes.handout.write import TABLE, write
from orchestrator.classes.model import LoadedClass, Member, Seat
from orchestrator.errors import SpecError, Unavailable
from orchestrator.exercises.parameters import values
from orchestrator.grading.hand_out import hand_out
from orchestrator.labfile.load import load_lab
from orchestrator.labfile.yaml_document import parse
from orchestrator.paths import EXERCISES, LABS

GOLDEN = TESTS / "golden" / "classes"


def markdown(found: LoadedClass, seat: Seat, entrance: Entrance = ENTRANCE, now: datetime = NOW) -> str:
    return handout_markdown(handout_of(found, seat, entrance, COURSE, now))


def html(found: LoadedClass, seat: Seat, entrance: Entrance = ENTRANCE, now: datetime = NOW) -> str:
    return handout_html(handout_of(found, seat, entrance, COURSE, now))


def tags(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """The elements of a page with the names of their attributes."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, tuple(name for name, _ in attrs)))

    Reader().feed(page)
    return found


def alone(*members: Member) -> tuple[LoadedClass, Seat]:
    found = the_class(*members)
    return found, found.seats[0]


class TestThePage:
    @pytest.mark.parametrize("format_", ["md", "html"])
    def test_of_a_student_with_a_key_is_the_one_written_by_hand(self, format_: str) -> None:
        render = {"md": markdown, "html": html}[format_]
        expected = (GOLDEN / f"handout-ada.{format_}").read_text()
        found = re.sub(r"<style>.*?</style>|sha256-[^&]*", "", render(*alone(ADA)), flags=re.DOTALL)
        assert found == expected

    def test_of_a_group_whose_class_has_nothing_but_ssh_is_the_one_written_by_hand(self) -> None:
        found = the_class(ADA, WANG, exam=True)
        group = seat_of("red", ADA, WANG)
        assert markdown(found, group, BARE) == (GOLDEN / "handout-red.md").read_text()

    def test_has_nothing_of_the_browser_without_a_link(self) -> None:
        page = markdown(*alone(ADA), replace(ENTRANCE, link=""))
        assert "browser" not in page
        assert "Keep this page to yourself" not in page

    def test_says_how_to_make_a_key_to_who_has_none(self) -> None:
        assert "ssh-keygen -t ed25519" in markdown(*alone(WANG))
        assert "ssh-keygen" not in markdown(*alone(ADA))

    def test_a_name_at_github_is_no_key(self) -> None:
        assert OMAR.github
        assert "ssh-keygen -t ed25519" in markdown(*alone(OMAR))

    def test_shows_an_unreadable_key_as_it_is(self) -> None:
        assert "`ssh-ed25519 ?`" in markdown(*alone(replace(ADA, keys=("ssh-ed25519 ?",))))

    def test_says_where_to_ask_without_a_contact(self) -> None:
        found = the_class(ADA, contact="")
        assert "Ask your lecturer" in markdown(found, found.seats[0])

    def test_says_that_no_lab_is_open(self) -> None:
        early = datetime.fromisoformat("2027-02-01T09:00+08:00")
        page = markdown(*alone(ADA), now=early)
        assert "No lab is open yet." in page
        assert "wire" not in page

    def test_cuts_a_long_table_of_tests_and_says_so(self) -> None:
        found, seat = alone(ADA)
        (lab, later) = found.labs
        many = WIRE.spec.model_copy(update={"checks": WIRE.spec.checks * 20})
        more = replace(lab.lab, exercises=(replace(WIRE, spec=many),))
        page = markdown(replace(found, labs=(replace(lab, lab=more), later)), seat)
        assert "And 20 more" in page


class TestWhatIsHidden:
    @pytest.mark.parametrize("render", [markdown, html])
    def test_neither_hidden_tests_nor_answers_nor_labs_to_come_are_in_a_page(
        self, render: Callable[..., str]
    ) -> None:
        page = render(*alone(ADA))
        hidden_value = values(WIRE.spec, "wire", "s1001", COURSE)["sesame_key"]
        assert SESAME not in page.lower()
        assert str(hidden_value) not in page
        assert ZEBRA not in page.lower()
        assert ORDER.spec.title in page

    def test_no_word_of_a_real_hidden_test_is_in_a_page(self) -> None:
        """Every name and reason in the workshop's hidden tests that its visible tests lack."""
        lab = load_lab(LABS / "workshop", EXERCISES)
        found, seat = alone(ADA)
        one = replace(found.labs[0], lab=lab)
        page = markdown(replace(found, labs=(one,)), seat)
        checked = 0
        seen = " ".join(exercise.spec.model_dump_json() for exercise in lab.exercises)
        for exercise in lab.exercises:
            assert exercise.hidden
            for check in exercise.hidden.checks:
                for word in (check.that, check.why):
                    if len(word) > 8 and word not in seen:
                        checked += 1
                        assert word not in page, exercise.name
        assert checked > 100

    def test_values_are_those_that_a_copy_for_the_student_has(self, tmp_path: Path) -> None:
        write_lab(tmp_path / "lab")
        lab = load_lab(tmp_path / "lab", EXERCISES)
        hand_out(lab, tmp_path / "copy", [ADA.student], COURSE)
        written = tmp_path / "copy" / "s1001" / "one" / "exercise.yaml"
        expected = parse(written.read_text(), "").data["parameters"]
        (exercise,) = lab.exercises
        own = values(exercise.spec, exercise.name, "s1001", COURSE)
        assert shown_values(exercise, own) == {name: str(one["value"]) for name, one in expected.items()}
        assert set(expected) == {"port"}

    def test_a_group_has_the_values_that_its_work_is_graded_with(self) -> None:
        group = seat_of("red", WANG, ADA)
        assert group.owner == "s1001"
        own = values(WIRE.spec, "wire", "s1001", COURSE)["port"]
        assert f"| wire | `port` | `{own}` |" in markdown(the_class(ADA, WANG), group)


class TestExaminations:
    def test_no_files_are_copied(self) -> None:
        found = the_class(ADA, exam=True)
        page = markdown(found, found.seats[0])
        assert "This is an examination" in page
        assert "scp" not in page
        assert "rsync" not in page
        assert "isolab connect" not in page

    def test_without_an_end_it_ends_when_the_last_lab_is_due(self) -> None:
        found = the_class(ADA, exam=True, ends=None)
        assert "It ends Mon 8 March 2027, 17:00" in markdown(found, found.seats[0])


class TestHostileNames:
    def test_are_no_markup(self) -> None:
        found, seat = alone(EVE)
        assert "<script>" not in html(found, seat)
        assert "<script>" not in markdown(found, seat)
        assert "\x1b" not in html(found, seat) + markdown(found, seat)

    def test_are_no_formulas(self, tmp_path: Path) -> None:
        found = the_class()
        written = write(found, [(seat, ENTRANCE) for seat in found.seats], tmp_path, COURSE, NOW)
        rows = list(csv.reader(io.StringIO(written.table.read_text())))
        assert [row[0] for row in rows] == ["id", "s1001", "s1002", "s1003", "'=eve"]
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
        assert rows[3][1] == OMAR.student.name

    @settings(max_examples=30, deadline=None)
    @given(st.text(max_size=30), st.text(min_size=1, max_size=30))
    def test_never_break_out_of_a_page_or_a_cell(self, name: str, group: str) -> None:
        who = replace(ADA, student=replace(ADA.student, name=name, group=group))
        found, seat = alone(who)
        assert tags(html(found, seat)) == tags(html(*alone(ADA)))
        assert markdown(found, seat).count("\n") == markdown(*alone(ADA)).count("\n")


class TestTheFolder:
    def test_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        found, seat = alone(ADA)
        folder = tmp_path / "handouts"
        folder.mkdir(mode=0o755)
        write(found, [(seat, ENTRANCE)], folder, COURSE, NOW)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
            "seat-0.html": 0o600,
            "seat-0.md": 0o600,
            TABLE: 0o600,
        }

    def test_a_row_has_what_a_letter_needs(self, tmp_path: Path) -> None:
        found, seat = alone(ADA)
        written = write(found, [(seat, ENTRANCE)], tmp_path, COURSE, NOW)
        (row,) = csv.DictReader(io.StringIO(written.table.read_text()))
        assert tuple(row) == COLUMNS
        assert row["login"] == "ssh -p 2222 lab@lab.uni.example"
        assert row["link"] == LINK
        assert (tmp_path / row["page"]).is_file()

    def test_a_group_is_one_page_and_a_row_for_each(self, tmp_path: Path) -> None:
        found = replace(the_class(ADA, WANG), seats=(seat_of("red", ADA, WANG),))
        written = write(found, [(found.seats[0], ENTRANCE)], tmp_path, COURSE, NOW)
        rows = list(csv.DictReader(io.StringIO(written.table.read_text())))
        assert [(row["id"], row["page"]) for row in rows] == [("s1001", "red.html"), ("s1002", "red.html")]

    def test_who_is_not_meant_keeps_page_and_row(self, tmp_path: Path) -> None:
        found = the_class()
        write(found, [(seat, ENTRANCE) for seat in found.seats], tmp_path, COURSE, NOW)
        before = (tmp_path / "seat-1.html").read_bytes()
        other = replace(ENTRANCE, link="https://elsewhere.example/")
        write(found, [(found.seats[3], other)], tmp_path, COURSE, NOW)
        rows = list(csv.DictReader(io.StringIO((tmp_path / TABLE).read_text())))
        assert [row["link"] for row in rows] == [LINK, LINK, LINK, other.link]
        assert (tmp_path / "seat-1.html").read_bytes() == before

    def test_who_left_loses_the_row_and_the_page_is_named(self, tmp_path: Path) -> None:
        found = the_class(ADA, WANG)
        write(found, [(seat, ENTRANCE) for seat in found.seats], tmp_path, COURSE, NOW)
        left = the_class(ADA)
        written = write(left, [(left.seats[0], ENTRANCE)], tmp_path, COURSE, NOW)
        assert written.stray == ("seat-1.html",)
        assert "王小明" not in written.table.read_text()

    def test_another_table_of_that_name_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / TABLE).write_text("id,mine\n1,2\n")
        found, seat = alone(ADA)
        with pytest.raises(SpecError, match="not a table of handouts"):
            write(found, [(seat, ENTRANCE)], tmp_path, COURSE, NOW)
        assert [path.name for path in tmp_path.iterdir()] == [TABLE]

    def test_a_link_is_no_folder_for_secrets(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "handouts").symlink_to(tmp_path / "real")
        found, seat = alone(ADA)
        with pytest.raises(Unavailable, match="is a link"):
            write(found, [(seat, ENTRANCE)], tmp_path / "handouts", COURSE, NOW)
        assert not [*(tmp_path / "real").iterdir()]

    def test_a_file_in_its_place_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "handouts").write_text("")
        found, seat = alone(ADA)
        with pytest.raises(SpecError, match="is no folder"):
            write(found, [(seat, ENTRANCE)], tmp_path / "handouts", COURSE, NOW)


class TestLines:
    def test_all_can_be_typed_as_they_are(self) -> None:
        page = markdown(*alone(ADA))
        lines = [line for line in page.splitlines() if re.match("(ssh|scp|rsync) ", line)]
        assert len(lines) == 7
        for line in lines:
            assert [word for word in shlex.split(line) if word.startswith(("lab@", "server@"))]

    def test_a_machine_that_the_gateway_has_no_name_for_is_reached_through_it(self) -> None:
        entrance = replace(ENTRANCE, logins=(DESK, Login("peer", "")))
        page = markdown(*alone(ADA), entrance)
        assert "| peer | `ssh cits3007-peer` |" in page
        assert "    ProxyCommand ssh cits3007 isolab connect peer\n" in page
        found = the_class(ADA, exam=True)
        assert "peer" not in markdown(found, found.seats[0], entrance)

    def test_the_usual_port_is_not_named(self) -> None:
        page = markdown(*alone(ADA), Entrance("lab.uni.example", (DESK,)))
        assert "\nssh lab@lab.uni.example\n" in page
        assert "-p" not in page.replace("isolab-p", "")
        assert "rsync -av src/ lab@lab.uni.example:src/" in page

    def test_an_address_of_version_6_has_brackets_where_a_colon_follows(self) -> None:
        page = markdown(*alone(ADA), Entrance("2001:db8::1", (DESK,)))
        assert "\nssh lab@2001:db8::1\n" in page
        assert "scp hello.c 'lab@[2001:db8::1]:'" in page


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2027-03-08T17:00+08:00", "Mon 8 March 2027, 17:00 (UTC+08:00)"),
        ("2026-12-31T09:05-03:30", "Thu 31 December 2026, 09:05 (UTC-03:30)"),
        ("2027-01-01T00:00+00:00", "Fri 1 January 2027, 00:00 (UTC)"),
    ],
)
def test_moments_are_written_for_people(moment: str, words: str) -> None:
    assert when(datetime.fromisoformat(moment)) == words


def test_days_of_a_class() -> None:
    first, last = (datetime.fromisoformat(f"2027-0{month}-01T09:00+08:00") for month in (3, 6))
    assert span([]) == ""
    assert span([first, first]) == "1 March 2027"
    assert span([last, first]) == "1 March 2027 – 1 June 2027"


def test_the_key_is_shown_as_ssh_keygen_shows_it() -> None:
    assert KEY.split()[0] == "ssh-ed25519"
    assert "`SHA256:" in markdown(*alone(ADA))


def test_a_machine_with_a_shell_only_takes_files_by_cat_and_tar() -> None:
    page = markdown(*alone(ADA), BARE)
    assert "\nssh lab@lab.uni.example 'cat > hello.c' < hello.c\n" in page
    assert "\ntar cf - src/ | ssh lab@lab.uni.example tar xf -\n" in page
    assert "scp" not in page
