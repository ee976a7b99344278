"""The server around the application: certificate, port, libraries, what is loaded; and a machine's way in."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import socket
import ssl
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from class_in_browser import MadeUp, made_class
from cryptography import x509
from habitat import wait_until
from places import LABS
from ports import free_port
from web_client import ASSETS, HOUR, served

from orchestrator.classes.activity import BROWSER, Activity, Event, Kind
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.web import assets, machines, serve
from orchestrator.classes.web.actions import ClassActions
from orchestrator.classes.web.board import board_rows
from orchestrator.classes.web.certificate import certificate_of
from orchestrator.classes.web.plainly import NotNow
from orchestrator.classes.web.ports import MachineView
from orchestrator.classes.web.tokens import issue
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import PackageMember
from orchestrator.errors import ImageError, SpecError, Unavailable
from orchestrator.host import process
from orchestrator.host.extras import how_to_install
from orchestrator.sessions.exec_command import SessionCommand
from orchestrator.sessions.lookup import SessionMachine

DESK = cast(SessionMachine, SimpleNamespace(machine="desk"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    return tmp_path


def a_class(folder: Path, **access: object) -> LoadedClass:
    return made_class(folder / "class", 2, str(LABS / "small"), access=access)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one.getsockname()[1]


@pytest.fixture
def no_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "xterm_folder", lambda _: Path())
    monkeypatch.setattr(assets, "all_assets", lambda _: ASSETS)


def test_a_certificate_is_made_once_and_names_the_server(folder: Path) -> None:
    found = a_class(folder, web="0.0.0.0:8443", host="lab.example.org")
    made = certificate_of(found)
    loaded = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "lab.example.org" in names.get_values_for_type(x509.DNSName)
    assert made.key.stat().st_mode & 0o77 == 0
    assert made.made
    der = hashlib.sha256(ssl.PEM_cert_to_DER_cert(made.certificate.read_text())).hexdigest()
    assert made.fingerprint.replace(":", "").lower() == der
    fingerprint = made.fingerprint
    assert certificate_of(found).fingerprint == fingerprint
    other = certificate_of(a_class(folder, web="0.0.0.0:8443", host="other.example.org"))
    assert other.fingerprint != fingerprint


def test_a_given_certificate_is_taken_with_its_key_only(folder: Path) -> None:
    made = certificate_of(a_class(folder, web="0.0.0.0:8443"))
    for name, file in (("c.pem", made.certificate), ("k.pem", made.key)):
        (folder / "class" / name).write_bytes(file.read_bytes())
    given = certificate_of(a_class(folder, web="0.0.0.0:8443", certificate="c.pem", key="k.pem"))
    assert not given.made
    assert given.fingerprint == made.fingerprint
    (folder / "class/k.pem").write_text("no key")
    with pytest.raises(SpecError, match="are not a certificate and its private key"):
        certificate_of(a_class(folder, web="0.0.0.0:8443", certificate="c.pem", key="k.pem"))


@pytest.mark.usefixtures("no_fetching")
def test_a_port_that_is_taken_is_told_as_a_sentence(folder: Path, taken: int) -> None:
    found = a_class(folder, web=f"127.0.0.1:{taken}")
    with (
        pytest.raises(Unavailable, match="the port is in use") as caught,
        serve.serving(found, MadeUp(found)),
    ):
        pass
    assert "access.web" in caught.value.hint


def test_missing_libraries_are_named_with_what_installs_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda _: None)
    found = a_class(folder, web="127.0.0.1:8080")
    with pytest.raises(Unavailable, match="starlette") as caught, serve.serving(found, MadeUp(found)):
        pass
    assert caught.value.hint == how_to_install("class")


@pytest.mark.usefixtures("no_fetching")
def test_behind_a_proxy_the_browser_s_scheme_counts_and_by_https_only_ours(folder: Path) -> None:
    port = free_port()
    found = a_class(folder, web=f"127.0.0.1:{port}", host="lab.example.org")
    token = issue(found, "s1", HOUR).rpartition("/")[2]
    with serve.serving(found, MadeUp(found)) as running:
        assert running.url == "https://lab.example.org"
        plain = _ask(port, f"/s/{token}", {})
        assert plain.startswith("isolab=")
        assert "Secure" not in plain
        proxied = _ask(port, f"/s/{token}", {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"})
        assert proxied.startswith("__Host-isolab=")
        assert "Secure" in proxied
    with pytest.raises(ConnectionError):
        _ask(port, "/", {})


def _ask(port: int, path: str, headers: dict[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().headers["Set-Cookie"] or ""
    finally:
        connection.close()


def test_xterm_is_taken_by_its_digests_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeArchive:
        def __init__(self, *_: object) -> None:
            pass

        def resolve(self, arch: str, names: Sequence[str]) -> dict[str, object]:
            return {name: type("Package", (), {"name": name, "version": "9"})() for name in names}

        def fetch(self, packages: Sequence[object]) -> dict[str, Path]:
            return {assets.PACKAGE: tmp_path / "deb"}

    content = {pinned.path: pinned.path.encode() for pinned in assets.XTERM.values()}
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "Archive", FakeArchive)
    monkeypatch.setattr(
        assets, "members", lambda _, names: [PackageMember(name, 0o644, content[name]) for name in names]
    )
    with pytest.raises(ImageError, match=r"another node-xterm \(9\)"):
        assets.xterm_folder(Deadline.after(60))
    right = {
        name: replace(pinned, sha256=hashlib.sha256(content[pinned.path]).hexdigest())
        for name, pinned in assets.XTERM.items()
    }
    monkeypatch.setattr(assets, "XTERM", right)
    found = assets.xterm_folder(Deadline.after(60))
    served = assets.all_assets(found)
    assert served["xterm.js"].content == content[right["xterm.js"].path]
    assert set(served) == {*right, *assets.OWN}


def test_our_own_scripts_name_no_other_server() -> None:
    for name in assets.OWN:
        text = assets._own(name).decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text
        assert "eval(" not in text


def test_a_terminal_has_no_commands_to_our_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr(
        machines, "entry", lambda *_, **__: SessionCommand(("ssh", "-F", "none", "-t", "--", "host"))
    )
    monkeypatch.setattr(process, "OnTerminal", lambda argv, *_: started.append(argv))
    machines.log_in(DESK, 80, 24)
    assert started == [("ssh", "-e", "none", "-F", "none", "-t", "--", "host")]


@pytest.mark.parametrize(
    ("item", "view"),
    [
        (b"f 12 notes.txt", ("notes.txt", False, 12)),
        (b"f    12 busybox", ("busybox", False, 12)),
        (b"d 0 a b", ("a b", True, 0)),
        (b"f x name", ("name", False, 0)),
        (b"f 99999999999999999999 big", ("big", False, 0)),
        (b"f 1 \xff", None),
        (b"f 1 a\nb", None),
        (b"f 1 ../up", None),
        (b"f 1 ..", None),
        (b"l 1 link", None),
        (b"", None),
    ],
)
def test_what_a_machine_lists_is_taken_with_care(item: bytes, view: tuple[str, bool, int] | None) -> None:
    found = machines._view(item)
    assert (found and (found.name, found.folder, found.size)) == view


def test_who_came_is_recorded_as_gone_when_the_server_ends_or_has_been_killed(folder: Path) -> None:
    with served(folder) as room, room.socket("/seats/s1/news", room.headers("s1")) as socket:
        socket.receive_text()
        wait_until(lambda: ("came", "s1") in room.actions.done, "that she came")
    assert room.actions.done[-1] == ("left", "s1")
    found = a_class(folder, web="127.0.0.1:8080")
    actions, log = ClassActions(found), Activity(found)
    actions.came(found.seats[0], True)
    actions.came(found.seats[1], True)
    actions.came(found.seats[1], False)
    log.add(Event("s2", Kind.CAME, detail="192.0.2.7"))  # by SSH
    for _ in range(2):
        actions.settle()
        assert [(one.seat, one.kind) for one in log.events()] == [
            ("s1", Kind.CAME),
            ("s2", Kind.CAME),
            ("s2", Kind.LEFT),
            ("s2", Kind.CAME),
            ("s1", Kind.LEFT),
        ]


def test_the_log_is_read_again_only_when_it_has_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = a_class(folder, web="127.0.0.1:8080")
    actions, log, reads = ClassActions(found), Activity(found), []
    read = Activity.events

    def counted(self: Activity, *kinds: object) -> list[Event]:
        reads.append(kinds)
        return read(self)

    monkeypatch.setattr(Activity, "events", counted)
    file = next((folder / "state").rglob("class.db"))
    for text in ("first", "second"):
        log.add(Event("s1", Kind.MESSAGE, detail=text))
        assert [one.text for one in actions.messages()][-1] == text  # although it changed just now
        os.utime(file, (0, len(reads)))
        for _ in range(3):
            assert [one.text for one in actions.messages()][-1] == text
    assert len(reads) == 4


def packed(file: Path, *names: str, link: str = "") -> Path:
    """An archive as a machine might send it."""
    with tarfile.open(file, "w") as archive:
        for name in names:
            about = tarfile.TarInfo(name)
            about.size = 4
            archive.addfile(about, io.BytesIO(b"data"))
        if link:
            about = tarfile.TarInfo(link)
            about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(about)
    return file


def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Path, path: str) -> Path:
    monkeypatch.setattr(machines, "entry", lambda *_: SessionCommand(("cat", str(archive))))
    return machines.fetch_file(DESK, path, tmp_path / "into")


def test_a_file_and_a_folder_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = fetched(tmp_path, monkeypatch, packed(tmp_path / "a", "./notes.txt"), "d/notes.txt")
    assert one.read_bytes() == b"data"
    folder = fetched(tmp_path, monkeypatch, packed(tmp_path / "b", "./d/x", "./d/e/y", link="./d/l"), "d")
    assert folder.name == "archive.zip"
    with zipfile.ZipFile(folder) as found:
        assert found.namelist() == ["d/x", "d/e/y"]


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "./d/../../up"])
def test_nothing_is_fetched_to_where_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(NotNow, match="desk did not do that"):
        fetched(tmp_path, monkeypatch, packed(tmp_path / "a", name), "d")
    assert "leaves the folder" in capsys.readouterr().err
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [tmp_path / "a"]


def test_a_link_alone_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="no files"):
        fetched(tmp_path, monkeypatch, packed(tmp_path / "a", link="./l"), "l")


def test_the_board_says_who_passed_what_and_when_it_moved(folder: Path) -> None:
    found = a_class(folder, web="127.0.0.1:8080")
    at = datetime(2027, 3, 1, 9, tzinfo=UTC)

    def event(minutes: int, seat: str, kind: Kind, **more: object) -> Event:
        return Event(seat, kind, time=at + timedelta(minutes=minutes), **more)  # type: ignore[arg-type]

    events = [
        event(0, "s1", Kind.CAME, detail="192.0.2.7"),
        event(1, "s1", Kind.CHECKED, lab="small", exercise="fine", points=1.0, most=2.0),
        event(2, "s1", Kind.CHECKED, lab="small", exercise="fine", points=2.0, most=2.0),
        event(3, "s1", Kind.HANDED_IN, lab="small", exercise="fine"),
        event(9, "s1", Kind.COLLECTED),
        event(4, "s2", Kind.CAME, detail=BROWSER),
        event(5, "s2", Kind.CHECKED, lab="small", exercise="fine", points=2.0, most=2.0),
        event(6, "s2", Kind.CHECKED, lab="small", exercise="fine", points=0.0, most=2.0),
    ]
    there = {"s1": (MachineView("desk", "up", up=True),)}
    typed = at + timedelta(minutes=8)
    first, second = board_rows(found, ["small"], events, there, {"s2": typed})
    assert (first.present, second.present) == ("ssh", "browser")
    assert first.moved == at + timedelta(minutes=3)
    assert second.moved == typed
    assert [(one.passed, one.total) for one in (*first.progress, *second.progress)] == [(1, 1), (1, 1)]
    assert first.progress[0].handed_in == at + timedelta(minutes=3)
    assert first.last == "handed in fine"
    assert second.machines == ()
