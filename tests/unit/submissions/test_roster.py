"""The roster: what spreadsheets write, and every mistake with its line."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.submissions.model import Student
from orchestrator.submissions.roster import Roster, read_roster

ADA = Student("s1", "Ada Lovelace", "ada@example.org", "red")
TEXT = "id,name,email,group\ns1,Ada Lovelace,ada@example.org,red\n"


def read(folder: Path, data: bytes) -> Roster:
    path = folder / "roster.csv"
    path.write_bytes(data)
    return read_roster(path)


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").replace("\n", "\r\n").encode(),
        b"sep=;\r\n" + TEXT.replace(",", ";").encode(),
        b"\n" + TEXT.encode() + b"\n,,,\n",
        b'Group;Section;ID;ssh_key;Name;Email\nred;;s1;"ssh-ed25519 AAAA; x";Ada Lovelace;ada@example.org',
        b"identifier,github_username,github_id,name,group_name,email\n"
        b"s1,,,Ada Lovelace,red,ada@example.org\n",
    ],
)
def test_what_spreadsheets_write(data: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, data) == Roster((ADA,))


def test_user_names_at_github(tmp_path: Path) -> None:
    assert read(tmp_path, b"id,GitHub\ns1,ada-l\ns2,\n").github == {"s1": "ada-l"}


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    lines = [
        "id,name,emial,group",
        "s1,Ada,,",
        '"",Bob,,',
        "s2,Smith, Carol,,",
        's3,"Two',
        'lines",,',
        "S1,Eve,,",
    ]
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "\n".join(lines).encode())
    file = tmp_path / "roster.csv"
    assert [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems] == [
        "1:1: unknown column 'emial' (did you mean 'email'?)",
        "3:1: the id is empty",
        "4:1: 5 cells, but the header has 4 (put a cell that holds the separator in quotes)",
        "7:1: the id 'S1' is already in line 2",
    ]
    assert caught.value.message == f"{file}: 4 mistakes in the roster"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "roster.csv is empty"),
        (b"name;email\nAda;\n", "1:1: there is no column id in the header: name, email"),
        (b"id,id\ns1,s1\n", "1:1: the column id is there twice"),
        ("id,name\ns1,Zoë\n".encode("latin-1"), "2:1: not UTF-8"),
        (b"id\ns\x001\n", "2:1: "),
        (b'id\n"s1\n', "2:1: not CSV: unexpected end of data"),
        (b"id\ns\x1b1\n", r"2:1: the id 's\x1b1' has characters that cannot be printed"),
    ],
)
def test_what_is_no_roster(data: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, data)
    assert told in caught.value.describe()


def test_a_roster_that_is_too_large_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "large.csv").touch()
    os.truncate(tmp_path / "large.csv", 2**24 + 1)
    with pytest.raises(SpecError, match="is larger than 16 MiB"):
        read_roster(tmp_path / "large.csv")
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        read_roster(tmp_path / "roster.csv")


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12).map(str.strip)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(cells.filter(lambda text: bool(text) and text.isprintable()), cells, cells),
        unique_by=lambda row: row[0].casefold(),
    ),
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_is_read(
    tmp_path: Path, rows: list[tuple[str, ...]], delimiter: str, encoding: str
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("id", "name", "group"), *rows])
    found = read(tmp_path, text.getvalue().encode(encoding))
    assert found.students == tuple(Student(key, name, "", group) for key, name, group in rows)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_a_roster_or_told(tmp_path: Path, data: bytes) -> None:
    found = Roster(())
    with contextlib.suppress(SpecError):
        found = read(tmp_path, b"id,name\n" + data)
    assert len({one.id.casefold() for one in found.students}) == len(found.students)
