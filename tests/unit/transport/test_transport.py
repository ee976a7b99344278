"""Files to and from a machine: what is packed, and what a hostile archive may not do."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from factories import FakeTransport
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.deadline import Deadline
from orchestrator.errors import TimedOut, TransportError
from orchestrator.transport import base as module
from orchestrator.transport.base import Item, get, pack, put, unpack
from orchestrator.transport.local import CommandTransport


def tar(*entries: tarfile.TarInfo, data: bytes = b"evil") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            entry.size = len(data) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(data) if entry.isreg() else None)
    return buffer.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def sparse(size: int) -> bytes:
    """An empty file that claims ``size`` bytes of zeros, as GNU tar writes sparse files."""
    made = tarfile.TarInfo("holes")
    made.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(made.tobuf(tarfile.GNU_FORMAT))
    head[483:495] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + b"\0" * 1024


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


NAMES = st.text("abc é -", min_size=1, max_size=10).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(deadline=None, max_examples=50)
@given(wanted=st.dictionaries(PATHS, st.binary(max_size=1000), max_size=5))
def test_what_is_packed_comes_out(tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, bytes]) -> None:
    prefixes = {str(parent) for name in wanted for parent in PurePosixPath(name).parents}
    plain = {name: data for name, data in wanted.items() if name not in prefixes}
    target = tmp_path_factory.mktemp("files")
    received = unpack(pack([Item(name, data) for name, data in plain.items()]), target)
    assert sorted(received) == sorted(plain)
    assert files(target) == plain


def test_packed_files_have_modes_owners_and_folders() -> None:
    stream = pack([Item("a", None, 0o711, 1000), Item("a/b", b"x", 0o755, 1000)])
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        folder, file = archive.getmembers()
    assert (folder.isdir(), folder.mode, folder.uid, folder.gid) == (True, 0o711, 1000, 1000)
    assert (file.isreg(), file.mode, file.uid, file.size) == (True, 0o755, 1000, 1)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "..", "/", "//net/x"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(TransportError, match="leaves the folder"):
        unpack(tar(entry("good"), entry(name)), target)
    assert files(tmp_path) == {"target/good": b"evil"}


@pytest.mark.parametrize(
    "hostile",
    [
        entry("link", tarfile.SYMTYPE, "/etc"),
        entry("link", tarfile.LNKTYPE, "/etc/passwd"),
        entry("link", tarfile.LNKTYPE, "good"),
        entry("link", tarfile.CHRTYPE),
        entry("link", tarfile.BLKTYPE),
        entry("link", tarfile.FIFOTYPE),
        entry("link", tarfile.DIRTYPE),
        entry("link", b"Z", "/etc"),
    ],
    ids=["symlink", "hardlink", "inner-hardlink", "char", "block", "fifo", "folder", "unknown"],
)
def test_only_regular_files_are_taken(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    unpack(tar(entry("good"), hostile), tmp_path)
    assert not (tmp_path / "link").is_symlink()
    assert all(path.is_file() for path in tmp_path.iterdir())
    assert (tmp_path / "good").read_bytes() == b"evil"
    assert set(files(tmp_path).values()) == {b"evil"}


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    unpack(tar(entry("a", tarfile.SYMTYPE, ".."), entry("a/file")), target)
    assert files(tmp_path) == {"target/a/file": b"evil"}


@pytest.mark.parametrize("size", [2**40, 2**62])
def test_a_sparse_file_cannot_claim_terabytes(tmp_path: Path, size: int) -> None:
    with pytest.raises(TransportError):
        unpack(sparse(size), tmp_path)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("size", [-512, -1, 2**60, 2**87])
def test_impossible_sizes_are_refused(tmp_path: Path, size: int) -> None:
    head = bytearray(tarfile.TarInfo("file").tobuf(tarfile.GNU_FORMAT))
    head[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with pytest.raises(TransportError):
        unpack(bytes(head) + b"\0" * 1024, tmp_path)


def test_a_long_chain_of_name_headers_ends(tmp_path: Path) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 5
    block = name.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")
    with pytest.raises(TransportError):
        unpack(block * 5000 + tar(entry("x")), tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000 + "x"])
def test_names_too_long_for_the_disk_are_an_error_of_the_machine(tmp_path: Path, name: str) -> None:
    with pytest.raises(TransportError, match="cannot be read"):
        unpack(tar(entry(name)), tmp_path)


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_a_transport_error_at_worst(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes
) -> None:
    with pytest.raises(TransportError):
        unpack(b"\x01" + stream, tmp_path_factory.getbasetemp())


@settings(deadline=None)
@given(st.integers(0, 1535), st.integers(0, 255))
def test_a_damaged_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    stream = bytearray(tar(entry("a/b"), entry("c", tarfile.SYMTYPE, "d")))
    stream[position] = value
    target = tmp_path_factory.mktemp("damaged") / "inner"
    target.mkdir()
    try:
        received = unpack(bytes(stream), target)
    except TransportError:
        received = []
    assert files(target.parent).keys() >= {f"inner/{name}" for name in received}
    assert all(name.startswith("inner/") for name in files(target.parent))


def test_an_owner_too_large_for_the_archive_is_left_to_who_unpacks() -> None:
    """User ids of directory services; tar of an ordinary user makes the files his own anyway."""
    with tarfile.open(fileobj=io.BytesIO(pack([Item("a", b"", 0o644, 1_500_001_234)]))) as archive:
        assert archive.getmember("a").uid == 0


def soon() -> Deadline:
    return Deadline.after(20)


def test_files_go_over_a_real_command(tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.mkdir()
    back.mkdir()
    transport, mine = CommandTransport(), os.getuid()
    put(transport, str(there), [Item("d", None, 0o755, mine), Item("d/a b", b"\0\xff", 0o640, mine)], soon())
    assert (there / "d" / "a b").stat().st_mode & 0o777 == 0o640
    assert get(transport, str(there), ["d"], back, soon()) == ["d/a b"]
    assert files(back) == {"d/a b": b"\0\xff"}


def test_a_machine_that_cannot_says_why(tmp_path: Path) -> None:
    broken = FakeTransport([b""], code=2, stderr=b"tar: no space left\n")
    with pytest.raises(TransportError, match="cannot put files into /work: tar: no space left"):
        put(broken, "/work", [], soon())
    with pytest.raises(TransportError, match="cannot fetch files from /work: tar: no space left"):
        get(broken, "/work", ["a"], tmp_path, soon())


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.transport.local.LIMIT", 1000)
    with pytest.raises(TransportError, match="more than 1000 bytes"):
        CommandTransport().run(["head", "-c", "5000", "/dev/zero"], deadline=soon())


def test_a_prefix_goes_before_every_command() -> None:
    done = CommandTransport(("echo", "exec")).run(["a", "b c"], deadline=soon())
    assert done.stdout == b"exec a b c\n"


def test_a_conversation_goes_both_ways_until_it_is_closed() -> None:
    stream = CommandTransport().open(["cat"], soon())
    try:
        stream.send(b"question", soon())
        assert stream.receive(soon()) == b"question"
        with pytest.raises(TimedOut):
            stream.receive(Deadline.after(0.02))
    finally:
        stream.close()


def test_a_conversation_with_who_has_left() -> None:
    stream = CommandTransport().open(["true"], soon())
    try:
        assert stream.receive(soon()) == b""
        with pytest.raises(TransportError, match="ended"):
            stream.send(b"x" * 1_000_000, soon())
    finally:
        stream.close()


def test_environment_becomes_options() -> None:
    assert module.environment({"A": "1", "B": "2 3"}) == ["--env", "A=1", "--env", "B=2 3"]
