"""What is copied of a folder before it is built: what links lead to, holes as holes, nothing that hangs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orchestrator.host.sparse import copy_data, digest_of
from orchestrator.labfile.writable_copy import entries, writable_copy


def test_links_stand_for_what_they_lead_to(tmp_path: Path) -> None:
    source, outside = tmp_path / "source", tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/more.h").write_text("more")
    (outside / "one.c").write_text("one")
    source.mkdir()
    (source / "linked.c").symlink_to(outside / "one.c")
    (source / "Makefile").symlink_to("linked.c")
    (source / "folder").symlink_to(outside / "deep")
    os.link(outside / "one.c", source / "hard.c")
    assert writable_copy(source, tmp_path / "copy") == ()
    copy = tmp_path / "copy"
    assert {p.name for p in copy.iterdir()} == {"linked.c", "Makefile", "folder", "hard.c"}
    assert (copy / "Makefile").read_text() == (copy / "hard.c").read_text() == "one"
    assert (copy / "folder/more.h").read_text() == "more"
    assert not any(path.is_symlink() for path in copy.rglob("*"))


def test_what_is_no_file_is_left_out_and_said(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "queue")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
    (source / ".#main.c").symlink_to("me@host.1:2")
    (source / "gone").symlink_to("nowhere")
    (source / "self").symlink_to("self")
    (source / "loop").symlink_to(".")
    (source / "main.c").write_text("x")
    left_out = {entry.path: entry for entry in writable_copy(source, tmp_path / "copy")}
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["main.c"]
    assert {
        path: entry.left_out for path, entry in left_out.items() if path in ("queue", "socket", "gone")
    } == {
        "queue": "a FIFO",
        "socket": "a socket",
        "gone": "a link to nowhere, which is not there",
    }
    assert set(left_out) == {"queue", "socket", ".#main.c", "gone", "self", "loop"}
    assert [path for path, entry in left_out.items() if entry.is_lock] == [".#main.c"]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n.c")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_text("x")
    assert [entry.path for entry in entries(tmp_path / "source")] == [name]
    assert writable_copy(tmp_path / "source", tmp_path / "copy") == ()
    assert (tmp_path / "copy" / name).read_text() == "x"


def test_a_read_only_folder_becomes_writable_and_keeps_times_and_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/run.sh").write_text("#!/bin/sh\n")
    (source / "deep/run.sh").chmod(0o555)
    for path in (source / "deep/run.sh", source / "deep"):
        os.utime(path, (1e9, 1e9))
    (source / "deep").chmod(0o555)
    writable_copy(source, tmp_path / "copy")
    (source / "deep").chmod(0o755)
    assert (tmp_path / "copy/deep/run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "copy/deep").stat().st_mode & 0o777 == 0o755
    assert {int(path.stat().st_mtime) for path in (tmp_path / "copy").rglob("*")} == {10**9}


def test_holes_stay_holes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(2**40)
        file.seek(2**39)
        file.write(b"middle")
    copy_data(sparse, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == 2**40
    assert (tmp_path / "copy").stat().st_blocks * 512 < 2**20
    with (tmp_path / "copy").open("rb") as file:
        file.seek(2**39)
        assert file.read(6) == b"middle"
    assert digest_of(sparse) == digest_of(tmp_path / "copy")


@pytest.mark.parametrize("change", [b"Middle", b"middle\0more"])
def test_the_digest_of_a_sparse_file_is_its_contents(tmp_path: Path, change: bytes) -> None:
    for name, data in (("one", b"middle"), ("other", change)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**34)
            file.seek(2**33)
            file.write(data)
    assert digest_of(tmp_path / "one") != digest_of(tmp_path / "other")
