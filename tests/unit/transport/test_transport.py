"""Files into a machine, and commands that run there."""

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
from orchestrator.transport.base import Item, pack, put
from orchestrator.transport.local import CommandTransport


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
    with tarfile.open(
        fileobj=io.BytesIO(pack([Item(name, data) for name, data in plain.items()]))
    ) as archive:
        archive.extractall(target, filter="data")
    assert files(target) == plain


def test_packed_files_have_modes_owners_and_folders() -> None:
    stream = pack([Item("a", None, 0o711, 1000), Item("a/b", b"x", 0o755, 1000)])
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        folder, file = archive.getmembers()
    assert (folder.isdir(), folder.mode, folder.uid, folder.gid) == (True, 0o711, 1000, 1000)
    assert (file.isreg(), file.mode, file.uid, file.size) == (True, 0o755, 1000, 1)


def test_an_owner_too_large_for_the_archive_is_left_to_who_unpacks() -> None:
    """User ids of directory services; tar of an ordinary user makes the files his own anyway."""
    with tarfile.open(fileobj=io.BytesIO(pack([Item("a", b"", 0o644, 1_500_001_234)]))) as archive:
        assert archive.getmember("a").uid == 0


def soon() -> Deadline:
    return Deadline.after(20)


def test_files_go_over_a_real_command(tmp_path: Path) -> None:
    transport, mine = CommandTransport(), os.getuid()
    items = [Item("d", None, 0o755, mine), Item("d/a b", b"\0\xff", 0o640, mine)]
    put(transport, str(tmp_path), items, soon())
    assert (tmp_path / "d" / "a b").stat().st_mode & 0o777 == 0o640
    assert files(tmp_path) == {"d/a b": b"\0\xff"}


def test_a_machine_that_cannot_says_why() -> None:
    broken = FakeTransport([b""], code=2, stderr=b"tar: no space left\n")
    with pytest.raises(TransportError, match="cannot copy files to /work: tar: no space left"):
        put(broken, "/work", [], soon())


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
        with pytest.raises(TransportError, match="exited"):
            stream.send(b"x" * 1_000_000, soon())
    finally:
        stream.close()


def test_environment_becomes_options() -> None:
    assert module.environment({"A": "1", "B": "2 3"}) == ["--env", "A=1", "--env", "B=2 3"]


@pytest.mark.parametrize("name", ["x" * 250, f"{'d' * 120}/{'é' * 100}"])
def test_a_file_may_have_a_long_name(name: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack([Item("a", b"1"), Item(name, b"2")]))) as archive:
        assert archive.getnames() == ["a", name]
