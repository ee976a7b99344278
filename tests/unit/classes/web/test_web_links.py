"""Links of which only the last is to be good, and those that lead to a proxy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from made_up_term import made_up_class

from orchestrator.classes.web.tokens import LECTURER, Tokens, behind_a_proxy, issue_only

HOUR = timedelta(hours=1)


def test_another_link_ends_the_one_before_and_throws_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    found = made_up_class(tmp_path / "class", 1, 'access: {web: "127.0.0.1:8080"}')
    tokens = Tokens(found)
    students = tokens.new_link("s00", HOUR)
    first = issue_only(found, LECTURER, HOUR).rpartition("/")[2]
    entered = tokens.enter(first)
    assert entered is not None
    second = issue_only(found, LECTURER, HOUR).rpartition("/")[2]
    assert tokens.enter(first) is None
    assert tokens.enter(second) is not None
    assert tokens.enter(students) is not None
    assert tokens.session(entered[0]) is not None


@pytest.mark.parametrize(
    ("access", "proxy"),
    [
        ('{web: "127.0.0.1:8080", host: lab.example.edu}', True),
        ('{web: "[::1]:8080", host: lab.example.edu}', True),
        ('{web: "127.0.0.1:8080"}', False),
        ('{web: "0.0.0.0:8443", host: lab.example.edu}', False),
    ],
)
def test_a_proxy_is_told_of(tmp_path: Path, access: str, proxy: bool) -> None:
    words = behind_a_proxy(made_up_class(tmp_path / "class", 1, f"access: {access}"))
    assert bool(words) is proxy
    assert ("https://lab.example.edu:" in words and ":8080" in words) is proxy
