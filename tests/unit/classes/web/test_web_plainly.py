"""What a student is told of a machine that does not do what it should; and how a folder is listed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.classes.web import machines
from orchestrator.classes.web.admission import failure
from orchestrator.classes.web.plainly import NotNow, plainly
from orchestrator.errors import LabError, SpecError, TimedOut, TransportError, Unavailable
from orchestrator.sessions.transfer import too_much

SSH = "ssh -F none -o HostName=127.0.0.1 -p 40001: not done after 20 s"


@pytest.mark.parametrize(
    ("problem", "told", "kind"),
    [
        (TimedOut(SSH, hint="see the logs"), "desk did not do that, or took too long", Unavailable),
        (TransportError(SSH), "desk did not do that, or took too long", Unavailable),
        (TransportError("tar: x: No space left on device"), "the disk of desk is full", Unavailable),
        (SpecError("x: permission denied", hint="use --user root"), "x: permission denied", SpecError),
        (LabError("x changed", hint="raise --limit"), "x changed", Unavailable),
    ],
)
def test_no_command_line_and_no_hint_for_one(
    problem: LabError, told: str, kind: type[LabError], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(kind) as raised, plainly("desk"):
        raise problem
    assert raised.value.message == told
    assert "ssh" not in raised.value.describe()
    assert "--" not in raised.value.hint
    assert ("40001" in capfd.readouterr().err) == (SSH in problem.message)


def test_an_answer_says_nothing_of_how_a_connection_broke() -> None:
    assert b"HostName" not in failure(TransportError(SSH)).body
    assert b"/root" not in failure(Unavailable("/root/x/class.db: cannot be used", hint="chown")).body
    assert b"wait a minute" in failure(NotNow("no", hint="wait a minute")).body
    assert b"use a shorter name" in failure(SpecError("no", hint="use a shorter name")).body


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine that is this host, in an empty folder."""
    home = tmp_path / "home"
    home.mkdir()

    def entry(_machine: object, _user: str, argv: list[str], **_more: object) -> SimpleNamespace:
        return SimpleNamespace(argv=("/usr/bin/env", "-C", str(home), *argv))

    monkeypatch.setattr(machines, "entry", entry)
    return cast(Any, SimpleNamespace(machine="desk", home=home))


def test_sizes_are_asked_and_not_counted(desk: Any) -> None:
    with (desk.home / "-sparse file").open("wb") as file:
        file.truncate(4 * 2**40)
    (desk.home / "folder").mkdir()
    os.mkfifo(desk.home / "pipe")
    (desk.home / "small").write_text("12")
    assert [(one.name, one.folder, one.size) for one in machines.list_files(desk, "")] == [
        ("folder", True, 0),
        ("-sparse file", False, 4 * 2**40),
        ("small", False, 2),
    ]
    assert "wc" not in machines._LIST.split()
    with pytest.raises(SpecError, match="no such folder on desk"):
        machines.list_files(desk, "gone")


def test_a_file_that_is_too_big_is_told_so(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive(*_: object) -> None:
        raise too_much(machines.MOST_BYTES)

    monkeypatch.setattr(machines, "receive", receive)
    with pytest.raises(SpecError, match="64MiB do not go by the browser: use scp"):
        machines.fetch_file(desk, "large", tmp_path)
