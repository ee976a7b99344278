"""Files as streams: what a machine sends is believed only as far as it can do no harm."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, SpecError, TransportError
from orchestrator.host import process
from orchestrator.sessions import transfer
from orchestrator.sessions.outgoing import outgoing
from orchestrator.sessions.transfer import (
    ABSENT,
    CLOSED,
    NO_FOLDER,
    Received,
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


def give(paths: list[Path], folder: Path | str, on_progress: transfer.OnProgress = ignore) -> int:
    return send(lambda argv: argv, str(folder), outgoing(paths), ME, on_progress)


def test_there_and_back_with_names_modes_and_empty_folders(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "empty").mkdir(parents=True)
    (source / "a file").write_bytes(os.urandom(200_000))
    (source / "tool").write_text("#!/bin/sh\n")
    (source / "tool").chmod(0o755)
    seen: list[int] = []
    inside = tmp_path / "inside"
    assert give([source], inside / "deep", seen.append) == 2
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
    with pytest.raises(TransportError, match="is a symbolic link"):
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
    with pytest.raises(TransportError, match="too much data"):
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
        send(lambda _: ["sh", "-c", "echo disk full >&2; exit 1"], ".", outgoing([big]), ME, ignore)


def test_what_cannot_be_sent_is_said_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        outgoing([tmp_path / "none"])
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert outgoing([tmp_path]).size == 5
    assert outgoing([tmp_path / "link"]).size == 5


def test_a_link_that_is_named_means_what_is_behind_it_both_ways(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder/a").write_text("a")
    (source / "file").write_text("content")
    (source / "to-file").symlink_to("file")
    (source / "to-folder").symlink_to("folder")
    give([source / "to-file", source / "to-folder"], tmp_path / "in")
    assert files(tmp_path / "in") == {"to-file": b"content", "to-folder/a": b"a"}
    assert not any((tmp_path / "in" / name).is_symlink() for name in ("to-file", "to-folder"))
    for name in ("to-file", "to-folder"):
        take(render_pack(str(source / name)), tmp_path / "out")
    assert files(tmp_path / "out") == {"to-file": b"content", "to-folder/a": b"a"}


def test_links_within_a_folder_stay_what_they_are_and_what_tar_cannot_make_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content")
    (source / "other-name").hardlink_to(source / "file")
    (source / "link").symlink_to("nowhere")
    os.mkfifo(source / "fifo")
    what = outgoing([source])
    assert what.left_out == [f"{source}/fifo is a FIFO"]
    assert give([source], tmp_path / "in") == 2
    inside = tmp_path / "in/source"
    assert inside.joinpath("link").readlink() == Path("nowhere")
    assert inside.joinpath("file").samefile(inside / "other-name")
    got = take(render_pack(str(inside)), tmp_path / "out")
    assert (sorted(got.files), got.left_out) == (["source/file", "source/other-name"], ["source/link"])
    assert (tmp_path / "out/source/file").samefile(tmp_path / "out/source/other-name")


def test_a_link_to_nothing_is_bad_input_that_names_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SpecError, match="is a link to nowhere, which does not exist"):
        outgoing([tmp_path / "link"])
    with pytest.raises(SpecError, match="a link to nowhere, which does not exist"):
        receive(render_pack(str(tmp_path / "link")), tmp_path / "in", MIB, ignore, "link")


def test_a_path_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"results/a: no such file or folder on the machine"):
        receive(render_pack(str(tmp_path / "none")), tmp_path / "in", MIB, ignore, "results/a")


def test_a_folder_that_cannot_be_written_is_bad_input_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with pytest.raises(SpecError, match=r"cannot write to /proc/none on the machine") as refused:
        give([tmp_path / "file"], "/proc/none")
    assert "--user root" in refused.value.hint


def test_times_and_modes_survive_both_ways(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "read-only").write_text("a")
    (source / "read-only").chmod(0o440)
    for path in (source / "read-only", source):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    source.chmod(0o750)
    before = os.umask(0o077)
    try:
        give([source], tmp_path / "in")
        take(render_pack(str(tmp_path / "in/source")), tmp_path / "out")
    finally:
        os.umask(before)
    for where in ("in", "out"):
        for name, mode in (("source/read-only", 0o440), ("source", 0o750)):
            about = (tmp_path / where / name).stat()
            assert (about.st_mode & 0o777, int(about.st_mtime)) == (mode, 1_000_000_000)


@pytest.mark.parametrize("tail", [b"", b"end", b"x" * 5000])
def test_files_with_holes_keep_them_both_ways(tmp_path: Path, tail: bytes) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "disk").open("wb") as file:
        file.write(b"begin" * 1000)
        file.seek(20 * MIB)
        file.write(b"middle")
        file.seek(40 * MIB)
        file.write(tail)
        file.truncate(40 * MIB + len(tail))
    (source / "disk").chmod(0o640)
    what = outgoing([source])
    assert [name for _, name in what.sparse] == ["source/disk"]
    assert what.size < MIB
    assert give([source], tmp_path / "in") == 1
    take(render_pack(str(tmp_path / "in/source")), tmp_path / "out", 50 * MIB)
    for where in ("in", "out"):
        copy = tmp_path / where / "source/disk"
        assert copy.read_bytes() == (source / "disk").read_bytes()
        assert copy.stat().st_blocks * 512 < MIB
        assert copy.stat().st_mode & 0o777 == 0o640


def test_names_of_any_bytes_arrive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \x01\n")
    (tmp_path / name).write_text("content")
    give([tmp_path / name], tmp_path / "in")
    take(render_pack(str(tmp_path / "in" / name)), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == [name]  # noqa: PTH208 - by its bytes


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a file")
    with pytest.raises(LabError, match="cannot create folder"):
        take(archive(tmp_path, entry("a/b", b"x")), tmp_path / "in")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sent(folder: Path, stream: bytes) -> list[str]:
    """The command of a machine that sends just this."""
    (folder / "stream").write_bytes(stream)
    return ["cat", str(folder / "stream")]


class Said:
    """What a machine has said, instead of a conversation with it."""

    def __init__(self, stream: bytes) -> None:
        self._blocks = [stream]

    def receive(self, _deadline: Deadline) -> bytes:
        return self._blocks.pop() if self._blocks else b""

    def send(self, _data: bytes, _deadline: Deadline) -> None:
        """Nobody listens."""

    def end_input(self) -> None: ...

    def complaints(self) -> str:
        return ""

    def close(self) -> None: ...

    def finish(self, _deadline: Deadline) -> process.Finished:
        return process.Finished((), 0, b"", b"")


def believed(stream: bytes, target: Path) -> Received:
    """What is taken when a machine sends this; without a process for each of many tries."""
    return transfer.receive_from(Said(stream), target, MIB, ignore)


def header(about: tarfile.TarInfo, size: int, at: int) -> bytes:
    """A header that claims a size which tarfile would not write, in the field at this offset."""
    head = bytearray(about.tobuf(tarfile.GNU_FORMAT))
    head[at : at + 12] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


@pytest.mark.parametrize("kind", [tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.SYMTYPE])
def test_only_plain_files_and_folders_are_made(tmp_path: Path, kind: bytes) -> None:
    hostile = entry("way", type=kind, linkname="good")
    got = take(archive(tmp_path, entry("good", b"x"), hostile), tmp_path / "in")
    assert got.left_out == ["way"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["good"]


def test_a_link_of_theirs_is_not_written_through(tmp_path: Path) -> None:
    link = entry("a", type=tarfile.SYMTYPE, linkname="..")
    take(archive(tmp_path, link, entry("a/file", b"x")), tmp_path / "in")
    assert files(tmp_path / "in") == {"a/file": b"x"}
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("size", [2**40, 2**62])
def test_a_sparse_file_that_claims_terabytes_is_left_out(tmp_path: Path, size: int) -> None:
    holes = tarfile.TarInfo("holes")
    holes.type = tarfile.GNUTYPE_SPARSE
    got = take(sent(tmp_path, header(holes, size, 483) + bytes(1024)), tmp_path / "in")
    assert got.left_out == ["holes"]
    assert files(tmp_path / "in") == {}


@pytest.mark.parametrize("size", [-512, -1, 2**60, 2**87])
def test_impossible_sizes_are_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(TransportError):
        take(sent(tmp_path, header(tarfile.TarInfo("file"), size, 124) + bytes(1024)), tmp_path / "in")


def test_a_long_chain_of_name_headers_ends(tmp_path: Path) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 5
    block = name.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")
    with pytest.raises(TransportError):
        take(sent(tmp_path, block * 5000 + bytes(1024)), tmp_path / "in")


@pytest.mark.parametrize("name", ["x" * 300, f"{'a' * 200}/" * 25 + "x"])
def test_names_too_long_for_the_disk_are_an_error_and_not_a_crash(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError, match="cannot"):
        take(archive(tmp_path, entry(name, b"x")), tmp_path / "in")


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_an_error_at_worst(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes
) -> None:
    with pytest.raises(TransportError):
        believed(b"\x01" + stream, tmp_path_factory.getbasetemp() / "any")


@settings(deadline=None)
@given(st.integers(0, 1535), st.integers(0, 255))
def test_a_damaged_archive_is_read_or_refused_and_nothing_gets_out(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    archive(folder, entry("a/b", b"x"), entry("c", type=tarfile.SYMTYPE, linkname="d"))
    stream = bytearray((folder / "sent.tar").read_bytes())
    stream[position] = value
    (folder / "target").mkdir()
    try:
        received = believed(bytes(stream), folder / "target/in").files
    except LabError:
        received = []
    assert files(folder).keys() >= {f"target/in/{name}" for name in received}
    assert {path.name for path in folder.iterdir()} == {"sent.tar", "target"}
    assert {path.name for path in (folder / "target").iterdir()} == {"in"}


def test_a_folder_that_is_only_on_the_way_back_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for path, code in {"here/../new": 0, "nosuch/../..": NO_FOLDER, "new/nosuch/../x": NO_FOLDER}.items():
        talk = process.Conversation(render_unpack(path), cwd=tmp_path)
        try:
            with contextlib.suppress(TransportError):  # it has ended already
                talk.send(bytes(10240), Deadline.after(30))
            talk.end_input()
            done = talk.finish(Deadline.after(30))
        finally:
            talk.close()
        assert done.code == code, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["here", "new"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user than the folder's")
def test_what_is_behind_a_closed_folder_is_denied_rather_than_absent(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # its mode is 0700
        for path in (f"{name}/x", f"{name}/x/y"):
            denied = process.Conversation(render_pack(path), user=61997, cwd=Path("/"))
            try:
                assert denied.finish(Deadline.after(30)).code == CLOSED
            finally:
                denied.close()
    absent = process.Conversation(render_pack("/nosuch/x"), user=61997, cwd=Path("/"))
    try:
        assert absent.finish(Deadline.after(30)).code == ABSENT
    finally:
        absent.close()


def test_holes_do_not_count_as_data_but_data_is_limited(tmp_path: Path) -> None:
    hole = archive(tmp_path, entry("hole", b"\0" * MIB + b"data"))
    got = receive(hole, tmp_path / "in", 2 * MIB, ignore, most_data=8192)
    assert got.files == ["hole"]
    assert (tmp_path / "in/hole").read_bytes() == b"\0" * MIB + b"data"
    full = archive(tmp_path, entry("full", b"\0x" * 8192))
    with pytest.raises(TransportError, match="sent more than"):
        receive(full, tmp_path / "in", 2 * MIB, ignore, most_data=8192)
