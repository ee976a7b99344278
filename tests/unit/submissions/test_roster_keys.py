"""The SSH keys on a roster: in its cells, and in files of GitHub's keys beside it."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_keys import ED25519, P256, RSA, ed25519

from orchestrator.errors import SpecError
from orchestrator.submissions.roster import Roster, read_roster


def read(folder: Path, *rows: tuple[str, ...], delimiter: str = ",") -> Roster:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    (folder / "roster.csv").write_text(text.getvalue())
    return read_roster(folder / "roster.csv", keys=True)


def told(folder: Path, *rows: tuple[str, ...]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(folder, *rows)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_one_or_several_keys_in_a_cell_or_in_further_columns(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ("id", "SSH key", "name", "ssh_key_2"),
        ("s1", f"{ED25519} ada@desk", "Ada", ""),
        ("s2", f"{P256}; {RSA} b\n", "Bob", ed25519(1)),
        ("s3", f"{ed25519(2)}\n\n{ed25519(2)} again", "Eve", ed25519(2)),
        ("s4", "", "Dan", " "),
    )
    assert found.keys == {
        "s1": (f"{ED25519} ada@desk",),
        "s2": (P256, f"{RSA} b", ed25519(1)),
        "s3": (ed25519(2),),
    }
    assert [one.name for one in found.students] == ["Ada", "Bob", "Eve", "Dan"]
    assert found.lines == {"s1": 2, "s2": 3, "s3": 5, "s4": 8}


def test_keys_do_not_matter_where_nobody_logs_in(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("id,ssh_key,ssh_key_2,github\ns1,nonsense,more,-\n")
    found = read_roster(tmp_path / "roster.csv")
    assert (found.keys, found.github) == ({}, {"s1": "-"})


def test_a_file_of_githubs_keys_is_read_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ada-l.keys").write_text(f"# from GitHub\n{ED25519}\n\n{RSA}\n")
    found = read(tmp_path, ("id", "github", "ssh_key"), ("s1", "ada-l", f"{ED25519} own"), ("s2", "bob", ""))
    assert found.keys == {"s1": (f"{ED25519} own", RSA)}
    assert found.github == {"s1": "ada-l", "s2": "bob"}


def test_every_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ada.keys").write_text(f"{RSA}\nNot Found\n")
    (tmp_path / "keys/dir.keys").mkdir()
    (tmp_path / "keys/big.keys").touch()
    os.truncate(tmp_path / "keys/big.keys", 2**16 + 1)
    paste = "(paste the one line of a file that ends in .pub, such as ~/.ssh/id_ed25519.pub)"
    assert told(
        tmp_path,
        ("id", "ssh_key", "ssh_key_2", "github"),
        ("s1", ED25519, "ssh-ed25519 AAAA", "ada"),
        ("s2", f"{P256};rubbish", "", "../etc"),
        ("s3", f'command="rm" {ed25519(3)}', f"{ED25519} mine", "ADA"),
        ("s4", "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "", "dir"),
        ("s5", "", "", "big"),
    ) == [
        "keys/ada.keys:2:1: no public key begins with 'Not' " + paste,
        "keys/big.keys: larger than 64 KiB",
        "keys/dir.keys: cannot be read: Is a directory",
        f"roster.csv:2:1: ssh_key_2: this is no key of type ssh-ed25519 {paste}",
        "roster.csv:3:1: github: '../etc' is not the name of a user at GitHub",
        f"roster.csv:3:1: ssh_key: no public key begins with 'rubbish' {paste}",
        "roster.csv:4:1: github: 'ADA' is also 's1' on this roster",
        "roster.csv:4:1: ssh_key: a key has options before it, or another word "
        "(leave out what stands before the type)",
        "roster.csv:4:1: this SSH key is also that of 's1' (ask one of them for another key)",
        "roster.csv:5:1: ssh_key: this is a private key "
        "(others have seen it: make a new pair, and give the .pub file)",
    ]


def test_a_column_that_is_nearly_one_of_keys_is_asked_about(tmp_path: Path) -> None:
    assert told(tmp_path, ("id", "sshkey"), ("s1", ED25519)) == [
        "roster.csv:1:1: unknown column 'sshkey' (did you mean 'ssh_key'?)"
    ]


def test_more_keys_than_anybody_has(tmp_path: Path) -> None:
    many = "\n".join(ed25519(number) for number in range(21))
    assert told(tmp_path, ("id", "ssh_key"), ("s1", many)) == [
        "roster.csv:2:1: more than 20 SSH keys (leave some out)"
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 2**200), max_size=3, unique=True), max_size=4),
    st.sampled_from(["\n", ";", " ; ", "\r\n"]),
    st.sampled_from(",;\t"),
)
def test_keys_that_were_written_are_read(
    tmp_path: Path, numbers: list[list[int]], between: str, delimiter: str
) -> None:
    distinct = [[student * 2**201 + one for one in held] for student, held in enumerate(numbers)]
    keys = {f"s{student}": [ed25519(one) for one in held] for student, held in enumerate(distinct)}
    rows = [(student, between.join(held)) for student, held in keys.items()]
    found = read(tmp_path, ("id", "ssh_key"), *rows, delimiter=delimiter)
    assert found.keys == {student: tuple(held) for student, held in keys.items() if held}
