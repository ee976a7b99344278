"""A whole class's archive or folder: what one student's work can do to the others', and who is at fault."""

from __future__ import annotations

import errno
import gzip
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from archives import SMALL, special, tarred, zipped

from orchestrator.errors import SpecError
from orchestrator.submissions.intake import opened
from orchestrator.submissions.limits import Shared
from orchestrator.submissions.model import Submission


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.submissions.intake.ONE_SUBMISSION", SMALL)


def by_id(path: Path) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    with opened(path, None) as intake:
        return {one.students[0].id: (names(one), one.remarks) for one in intake.submissions}


def names(one: Submission) -> list[str]:
    return sorted(path.name for path in one.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("pack", [tarred, zipped])
@pytest.mark.usefixtures("tight")
def test_a_bomb_in_one_submission_does_not_lose_the_others(
    tmp_path: Path, pack: Callable[..., bytes]
) -> None:
    zeros = b"\0" * 200_000
    members = [(f"eve/{number}", zeros) for number in range(8)]
    members += [("mal/bomb.zip", zipped(("a", zeros))), ("mal/wire.c", b"x"), ("ada/wire.c", b"x")]
    (tmp_path / "class.zip").write_bytes(pack(*members))
    found = by_id(tmp_path / "class.zip")
    assert found["ada"] == (["wire.c"], ())
    assert found["mal"][0] == ["bomb.zip", "wire.c"]
    assert found["eve"][1] == ("5 and what follows was not taken: more than 1.0 MiB in all",)


def test_what_is_refused_is_told_to_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "class.tar").write_bytes(
        tarred(
            special("ada/link", tarfile.SYMTYPE, "/etc/passwd"),
            ("ada/../../evil", b"evil"),
            ("/evil", b"evil"),
            ("ada/wire.c", b"x"),
            special("bob", tarfile.SYMTYPE, "ada"),
        )
    )
    with opened(tmp_path / "class.tar", None) as intake:
        (ada,) = intake.submissions
        assert ada.remarks == (
            "link was not taken: it is a link",
            "ada/../../evil was not taken: its path leads out of its folder",
        )
        assert intake.notes == (
            "1 entry left out, neither a student's folder nor an archive: bob",
            "/evil was left out: its path is absolute",
            "bob was left out: it is a link",
        )


def test_a_folder_is_read_only_and_its_links_and_fifos_are_not(tmp_path: Path) -> None:
    ada = tmp_path / "class/ada"
    ada.mkdir(parents=True)
    (ada / "wire.c").write_text("x")
    (ada / "work.zip").write_bytes(zipped(("more.c", b"y")))
    (ada / "link").symlink_to("wire.c")
    (ada / "folder").symlink_to("/etc")
    os.mkfifo(ada / "fifo")
    before = sorted(tmp_path.rglob("*"))
    found = by_id(tmp_path / "class")
    assert found["ada"][0] == ["more.c", "wire.c", "work.zip"]
    assert found["ada"][1][:3] == (
        "fifo was not taken: it is not a plain file",
        "folder was not taken: it is a link",
        "link was not taken: it is a link",
    )
    assert [path for path in sorted(tmp_path.rglob("*")) if "scratch" not in path.parts] == before


def test_more_than_fits_is_nobodys_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.submissions.intake.Shared", lambda: Shared(1000))
    (tmp_path / "class.zip").write_bytes(zipped(("ada/a", b"a" * 600), ("bob/b", b"b" * 600)))
    with pytest.raises(SpecError, match=r"the submissions are more than 4096\.0 MiB in all"):
        by_id(tmp_path / "class.zip")


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"Rar!\x1a\x07", "it is a RAR archive"), (b"text", "it is no archive"), (b"", "it is empty")],
)
def test_what_is_no_archive(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "class.zip").write_bytes(data)
    with pytest.raises(SpecError, match=told):
        by_id(tmp_path / "class.zip")


def test_a_truncated_archive_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    data = gzip.compress(tarred(("ada/a", b"a"), ("bob/b", os.urandom(9999))))
    (tmp_path / "class.tar.gz").write_bytes(data[:3000])
    with pytest.raises(SpecError, match=r"class\.tar\.gz cannot be read: it is damaged") as caught:
        by_id(tmp_path / "class.tar.gz")
    assert caught.value.hint == "download it again, or unpack it and name the folder"


def test_a_damaged_or_encrypted_file_of_the_class_is_no_students_fault(tmp_path: Path) -> None:
    data = bytearray(zipped(("ada/a.c", b"aaaa"), ("bob/b.c", b"bbbb"), method=zipfile.ZIP_STORED))
    data[data.index(b"aaaa")] = 0
    (tmp_path / "class.zip").write_bytes(data)
    with pytest.raises(SpecError, match=r"a\.c in it cannot be read \(Bad CRC-32"):
        by_id(tmp_path / "class.zip")
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "class.zip").write_bytes(data)
    with pytest.raises(SpecError, match="it is encrypted"):
        by_id(tmp_path / "class.zip")


def test_a_full_disk_is_no_students_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> IO[bytes]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("orchestrator.submissions.deposit._created", full)
    (tmp_path / "class.zip").write_bytes(zipped(("ada/a.c", b"")))
    with pytest.raises(OSError, match="No space left"):
        by_id(tmp_path / "class.zip")


def test_a_path_that_is_too_long_in_all(tmp_path: Path) -> None:
    long = "/".join("d" * 200 for _ in range(30))
    (tmp_path / "class.zip").write_bytes(zipped((f"ada/{long}", b""), ("ada/b.c", b"")))
    files, remarks = by_id(tmp_path / "class.zip")["ada"]
    assert files == ["b.c"]
    assert remarks[0].endswith("was not taken: its path is longer than 3000 bytes")


def test_a_folder_deeper_than_a_path_may_be_long_costs_its_owner_only(tmp_path: Path) -> None:
    """The kernel refuses paths of more than 4096 bytes, so a walk by whole paths ends there."""
    for name in ("ada", "bob"):
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "a.c").write_text("int a;\n")
    here = os.open(tmp_path / "class" / "ada", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with opened(tmp_path / "class", None) as intake:
        ada, bob = intake.submissions
        assert [one for one in ada.remarks if "its path is longer than" in one]
        assert (ada.folder / "a.c").is_file()
        assert bob.remarks == ()
