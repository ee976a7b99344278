"""The logs that a host sends: nothing of it is believed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cluster.logs import unpack_logs
from orchestrator.errors import TransportError

LIMIT = 1000


def packed(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = folder / "logs.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


def test_logs_of_its_machines_are_unpacked(tmp_path: Path) -> None:
    archive = packed(
        tmp_path,
        (tarfile.TarInfo("vm/console.log"), b"boot\n"),
        (tarfile.TarInfo("vm/template/build/qemu.log"), b""),
    )
    unpack_logs(archive, tmp_path / "out", {"vm"}, LIMIT)
    assert (tmp_path / "out/vm/console.log").read_bytes() == b"boot\n"
    assert (tmp_path / "out/vm/template/build/qemu.log").is_file()


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "out/vm").mkdir(parents=True)
    (tmp_path / "out/vm/console.log").write_text("ours")
    archive = packed(tmp_path, (tarfile.TarInfo("vm/console.log"), b"theirs"))
    unpack_logs(archive, tmp_path / "out", {"vm"}, LIMIT)
    assert (tmp_path / "out/vm/console.log").read_text() == "ours"


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (lambda: tarfile.TarInfo("../records.jsonl"), "leads elsewhere"),
        (lambda: tarfile.TarInfo("/etc/x"), "leads elsewhere"),
        (lambda: tarfile.TarInfo("vm/../../x"), "leads elsewhere"),
        (lambda: tarfile.TarInfo("records.jsonl"), "leads elsewhere"),
        (lambda: tarfile.TarInfo("other/console.log"), "did not run there"),
        (lambda: link("vm/console.log"), "is no file"),
    ],
)
def test_nothing_else_is_written(tmp_path: Path, member: Callable[[], tarfile.TarInfo], words: str) -> None:
    with pytest.raises(TransportError, match=words):
        unpack_logs(packed(tmp_path, (member(), b"")), tmp_path / "out", {"vm"}, LIMIT)
    assert not list(tmp_path.rglob("out/**/*.*"))


def test_too_much_and_damaged_logs_are_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path, (tarfile.TarInfo("vm/console.log"), bytes(LIMIT + 1)))
    with pytest.raises(TransportError, match="more logs than were asked for"):
        unpack_logs(archive, tmp_path / "out", {"vm"}, LIMIT)
    archive.write_bytes(b"no archive")
    with pytest.raises(TransportError, match="damaged"):
        unpack_logs(archive, tmp_path / "out", {"vm"}, LIMIT)
