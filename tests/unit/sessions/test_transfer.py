"""Files as streams: what a machine sends is believed only as far as it can do no harm."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from orchestrator.errors import LabError, SpecError, TransportError
from orchestrator.sessions import transfer
from orchestrator.sessions.transfer import (
    Received,
    measure,
    receive,
    render_pack,
    render_unpack,
    send,
)

MIB = 2**20
ME = os.getuid()


def ignore(_count: int) -> None:
    pass


def entry(name: str, data: bytes = b"", **about: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in about.items():
        setattr(info, key, value)
    return info, data


def archive(tmp_path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> list[str]:
    """The command of a machine that sends these entries, whatever was asked for."""
    path = tmp_path / "sent.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return ["cat", str(path)]


def take(argv: list[str], target: Path, limit: int = MIB) -> Received:
    return receive(argv, target, limit, ignore)


def test_there_and_back_with_names_modes_and_empty_folders(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "empty").mkdir(parents=True)
    (source / "a file").write_bytes(os.urandom(200_000))
    (source / "tool").write_text("#!/bin/sh\n")
    (source / "tool").chmod(0o755)
    seen: list[int] = []
    inside = tmp_path / "inside"
    assert send(render_unpack(str(inside / "deep")), [source], ME, seen.append) == 2
    assert seen == sorted(seen)
    assert seen[-1] >= 200_000
    got = take(render_pack(str(inside / "deep" / "source")), tmp_path / "back")
    assert sorted(got.files) == ["source/a file", "source/tool"]
    for name in ("a file", "tool"):
        assert (tmp_path / "back/source" / name).read_bytes() == (source / name).read_bytes()
    assert (tmp_path / "back/source/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "back/source/empty").is_dir()


@pytest.mark.parametrize(
    ("path", "folder", "name"),
    [
        ("a", ".", "./a"), ("/etc/passwd", "/etc", "./passwd"), ("a/b/", "a", "./b"), ("-rf", ".", "./-rf"),
        (".", ".", "."), ("..", "..", "."), ("/", "/", "."), ("$(id)/`x`", "$(id)", "./`x`"),
    ],
)  # fmt: skip
def test_what_is_packed(path: str, folder: str, name: str) -> None:
    assert render_pack(path)[-2:] == [folder, name]


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped-abs", "a/../../escaped", "a/..\\/../../x"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "inner"
    with pytest.raises(TransportError, match="leaves the folder"):
        take(archive(tmp_path, entry(name, b"x")), target)
    assert list(target.rglob("*")) == []


def test_links_and_devices_are_left_out_and_named(tmp_path: Path) -> None:
    link = entry("way", type=tarfile.SYMTYPE, linkname="/etc")
    hard = entry("hard", type=tarfile.LNKTYPE, linkname="way")
    device = entry("null", type=tarfile.CHRTYPE)
    got = take(archive(tmp_path, link, hard, device, entry("way2/kept", b"x")), tmp_path / "in")
    assert (got.files, got.left_out) == (["way2/kept"], ["way", "hard", "null"])
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["way2"]


def test_a_link_of_ours_leads_nobody_out(tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "in"
    outside.mkdir()
    target.mkdir()
    (target / "way").symlink_to(outside)
    with pytest.raises(TransportError, match="is a link"):
        take(archive(tmp_path, entry("way/x", b"x")), target)
    (outside / "file").write_text("precious")
    (target / "file").symlink_to(outside / "file")
    take(archive(tmp_path, entry("file", b"new")), target)
    assert (outside / "file").read_text() == "precious"
    assert (target / "file").read_bytes() == b"new"


def test_setuid_is_not_taken(tmp_path: Path) -> None:
    take(archive(tmp_path, entry("x", b"x", mode=0o6777)), tmp_path / "in")
    assert (tmp_path / "in/x").stat().st_mode & 0o7000 == 0


def test_the_limit_counts_all_files_and_says_how_to_raise_it(tmp_path: Path) -> None:
    command = archive(tmp_path, entry("a", bytes(700_000)), entry("b", bytes(700_000)))
    with pytest.raises(TransportError, match="more than 1MiB") as refused:
        take(command, tmp_path / "in")
    assert "--limit" in refused.value.hint
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["a"]
    assert take(command, tmp_path / "in", 2 * MIB).size == 1_400_000


def test_a_header_without_end_is_not_held_in_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 4 * 2**30
    (tmp_path / "evil").write_bytes(header.tobuf())
    script = f"cat {tmp_path / 'evil'}; exec cat /dev/zero"
    with pytest.raises(TransportError, match="endless"):
        take(["sh", "-c", script], tmp_path / "in")


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST_ENTRIES", 50)
    header = tarfile.TarInfo("d")
    header.type = tarfile.DIRTYPE
    (tmp_path / "evil").write_bytes(header.tobuf() * 60)
    with pytest.raises(TransportError, match="more than 50 files"):
        take(["cat", str(tmp_path / "evil")], tmp_path / "in")


@pytest.mark.parametrize("sent", [b"", b"garbage " * 500, b"\0" * 100])
def test_what_is_no_archive_is_an_error_with_the_machines_words(tmp_path: Path, sent: bytes) -> None:
    (tmp_path / "sent").write_bytes(sent)
    with pytest.raises(TransportError, match="no tar here"):
        take(["sh", "-c", f"cat {tmp_path / 'sent'}; echo 'no tar here' >&2; exit 3"], tmp_path / "in")


def test_a_machine_that_fails_at_the_end_is_not_believed(tmp_path: Path) -> None:
    sent = archive(tmp_path, entry("a", b"x"))[1]
    with pytest.raises(TransportError, match=r"went wrong \\x1b"):
        take(["sh", "-c", f"cat {sent}; printf 'went wrong \\033' >&2; exit 1"], tmp_path / "in")


def test_a_machine_that_hangs_up_on_us_says_why(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(4 * MIB))
    with pytest.raises(TransportError, match="disk full"):
        send(["sh", "-c", "echo disk full >&2; exit 1"], [big], ME, ignore)


def test_what_cannot_be_sent_is_said_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        measure([tmp_path / "none"])
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert measure([tmp_path]) == 5
    assert measure([tmp_path / "link"]) == 5


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a file")
    with pytest.raises(LabError, match="cannot make the folder"):
        take(archive(tmp_path, entry("a/b", b"x")), tmp_path / "in")
