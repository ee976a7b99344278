"""Archives that students hand in: damaged, hostile, or merely made by another system."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from archives import SMALL, special, tarred, zip_info, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.submissions.deposit import Deposit
from orchestrator.submissions.limits import Budget, Limits


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


class Taken:
    """What came of files that one student handed in."""

    def __init__(self, folder: Path, files: dict[str, bytes], allowed: Limits = SMALL) -> None:
        deposit = Deposit(folder, Budget(allowed))
        for name, data in files.items():
            deposit.take(name, lambda data=data: io.BytesIO(data))  # type: ignore[misc]
        deposit.unpack()
        self.remarks = deposit.remarks
        found = [path for path in folder.rglob("*") if path.is_file()]
        self.files = {os.fsdecode(path.relative_to(folder)): path.read_bytes() for path in found}
        self.budget = deposit.budget


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Taken]:
    return lambda files, allowed=SMALL: Taken(tmp_path / "taken", files, allowed)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("work.zip", zipped(("wire.c", b"x"))),
        ("work.ZIP", zipped(("wire.c", b"x"), method=zipfile.ZIP_LZMA)),
        ("work.tar", tarred(("wire.c", b"x"))),
        ("work.tar.gz", gzip.compress(tarred(("wire.c", b"x")))),
        ("work.tgz", bz2.compress(tarred(("wire.c", b"x")))),
        ("work.tar.xz", lzma.compress(tarred(("./wire.c", b"x")))),
        ("wrong-suffix.zip", tarred(("wire.c", b"x"))),
    ],
    ids=["deflate", "lzma", "tar", "gzip", "bzip2", "xz", "wrong suffix"],
)
def test_an_archive_alone_is_unpacked_where_it_is(take: Callable[..., Taken], name: str, data: bytes) -> None:
    taken = take({name: data})
    assert taken.files == {name: data, "wire.c": b"x"}
    assert taken.remarks == (f"unpacked {name}: 1 file",)


def test_an_archive_beside_files_is_unpacked_into_a_folder(take: Callable[..., Taken]) -> None:
    archive = zipped(("wire.c", b"new"))
    taken = take({"sub/wire.c": b"old", "sub/work.zip": archive, "other.zip": archive, "other": b""})
    del taken.files["sub/work.zip"], taken.files["other.zip"]
    assert taken.files == {
        "sub/wire.c": b"old", "sub/work/wire.c": b"new", "other.zip unpacked/wire.c": b"new", "other": b"",
    }  # fmt: skip


def test_archives_in_archives_to_a_depth(take: Callable[..., Taken]) -> None:
    data = zipped(("wire.c", b"x"))
    for number in range(4, 0, -1):
        data = zipped((f"{number}.zip", data))
    taken = take({"0.zip": data})
    assert set(taken.files) == {"0.zip", "1.zip", "1/2.zip", "1/3.zip"}
    assert taken.remarks[-1] == "1/3.zip was not unpacked: archives in archives, more than 3 deep"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"Rar!\x1a\x07\x01\x00", "it is a RAR archive; isolab reads zip,"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "it is a 7-Zip archive; isolab reads"),
        (b"\x28\xb5\x2f\xfd....", "it is compressed by Zstandard; isolab reads"),
        (b"", "it is empty; isolab reads"),
        (b"just text", "it is no archive; isolab reads"),
        (zipped(("wire.c", b"x"))[:-30], "it is damaged (File is not a zip file)"),
        (gzip.compress(b"just text"), "it is damaged (truncated header)"),
        (gzip.compress(tarred(("wire.c", b"x" * 9999)))[:20], "it is damaged ("),
    ],
    ids=["rar", "7z", "zstd", "empty", "text", "cut zip", "gzip", "cut gzip"],
)
def test_what_is_no_archive_is_left_as_it_is(take: Callable[..., Taken], data: bytes, told: str) -> None:
    taken = take({"work.zip": data, "wire.c": b"x"})
    assert taken.files == {"work.zip": data, "wire.c": b"x"}
    (remark,) = taken.remarks
    assert remark.startswith(f"work.zip was not unpacked: {told}")


def test_a_truncated_archive_gives_what_is_in_it(take: Callable[..., Taken]) -> None:
    noise = os.urandom(9999)
    taken = take({"work.tar": tarred(("a.c", b"x"), ("b.c", noise))[:5000]})
    assert taken.files["a.c"] == b"x"
    assert "b.c" not in taken.files
    assert "b.c was not taken from work.tar: it cannot be read (unexpected end of data)" in taken.remarks
    assert "work.tar was not unpacked to its end: it is damaged (unexpected end of data)" in taken.remarks


def test_a_damaged_file_does_not_take_the_others_along(take: Callable[..., Taken]) -> None:
    data = bytearray(zipped(("a.c", b"aaaa"), ("b.c", b"bbbb"), method=zipfile.ZIP_STORED))
    data[data.index(b"aaaa")] = 0
    taken = take({"work.zip": bytes(data)})
    assert taken.files["b.c"] == b"bbbb"
    assert "a.c was not taken from work.zip: it cannot be read (Bad CRC-32 for file 'a.c')" in taken.remarks


EVIL_TAR = tarred(
    special("link", tarfile.SYMTYPE, "/etc/passwd"),
    special("hard", tarfile.LNKTYPE, "../../etc/passwd"),
    special("fifo", tarfile.FIFOTYPE),
    special("device", tarfile.CHRTYPE),
    ("/etc/cron.d/evil", b"evil"),
    ("../evil", b"evil"),
    ("sub/../../evil", b"evil"),
    ("link/evil", b"good"),
    ("wire.c", b"good"),
)
EVIL_ZIP = zipped(
    (zip_info("link", 0o120777), b"/etc/passwd"),
    (zip_info("fifo", 0o010644), b""),
    (zip_info("..\\evil", system=0), b"evil"),
    (zip_info("C:\\evil", system=0), b"evil"),
    ("/etc/cron.d/evil", b"evil"),
    ("../evil", b"evil"),
    ("sub\\wire.c", b"backslash"),
    (zip_info("dos\\wire.c", system=0), b"folder"),
    ("wire.c", b"good"),
)


def test_links_devices_and_paths_that_lead_out_of_a_tar(take: Callable[..., Taken], tmp_path: Path) -> None:
    taken = take({"a.tar": EVIL_TAR})
    assert taken.files == {"a.tar": EVIL_TAR, "link/evil": b"good", "wire.c": b"good"}
    assert taken.remarks == (
        "a.tar: link was not taken: it is a link",
        "a.tar: hard was not taken: it is a link",
        "a.tar: fifo was not taken: it is not a plain file",
        "a.tar: device was not taken: it is not a plain file",
        "a.tar: /etc/cron.d/evil was not taken: its path is absolute",
        "a.tar: ../evil was not taken: its path leads out of its folder",
        "a.tar: sub/../../evil was not taken: its path leads out of its folder",
        "unpacked a.tar: 2 files",
    )
    assert [path.parent.name for path in tmp_path.rglob("evil")] == ["link"]


def test_links_devices_and_paths_that_lead_out_of_a_zip(take: Callable[..., Taken], tmp_path: Path) -> None:
    taken = take({"a.zip": EVIL_ZIP})
    del taken.files["a.zip"]
    assert taken.files == {"sub\\wire.c": b"backslash", "dos/wire.c": b"folder", "wire.c": b"good"}
    assert taken.remarks == (
        "a.zip: link was not taken: it is a link",
        "a.zip: fifo was not taken: it is not a plain file",
        "a.zip: ../evil was not taken: its path leads out of its folder",
        "a.zip: C:/evil was not taken: its path is absolute",
        "a.zip: /etc/cron.d/evil was not taken: its path is absolute",
        "unpacked a.zip: 3 files",
    )
    assert not list(tmp_path.rglob("evil"))


def test_an_encrypted_file(take: Callable[..., Taken]) -> None:
    data = bytearray(zipped(("a.c", b"a"), ("b.c", b"b")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    taken = take({"work.zip": bytes(data)})
    assert taken.files["b.c"] == b"b"
    assert taken.remarks == ("work.zip: a.c was not taken: it is encrypted", "unpacked work.zip: 1 file")


def test_a_compression_that_is_not_known(take: Callable[..., Taken]) -> None:
    data = bytearray(zipped(("a.c", b"a")))
    data[data.index(b"PK\x01\x02") + 10] = 9  # Deflate64, which Windows uses for large files
    taken = take({"work.zip": bytes(data)})
    assert taken.remarks[0].startswith("a.c was not taken from work.zip: it cannot be read (")


class TestLimits:
    def test_a_bomb_is_stopped_by_its_ratio(self, take: Callable[..., Taken]) -> None:
        taken = take({"wire.c": b"x", "bomb.zip": zipped(("a", b"\0" * 200_000), ("b", b"\0" * 200_000))})
        assert set(taken.files) == {"wire.c", "bomb.zip"}
        words = "bomb.zip was not unpacked to its end: more than 50 times its own size"
        assert taken.remarks == (words,)
        assert taken.budget.bytes > SMALL.total - 5000

    def test_a_file_that_is_too_large_is_passed_over(self, take: Callable[..., Taken]) -> None:
        archive = gzip.compress(tarred(("core", b"\0" * 6000), ("wire.c", b"x")))
        taken = take({"work.tar.gz": archive, "large": b"x" * 6000}, replace(SMALL, file=5500, ratio=500))
        assert set(taken.files) == {"work.tar.gz", "wire.c"}
        assert taken.remarks[:2] == (
            "large was not taken: it is larger than 5500 bytes",
            "core was not taken from work.tar.gz: it is larger than 5500 bytes",
        )

    def test_all_bytes_together(self, take: Callable[..., Taken]) -> None:
        archive = tarred(*((str(number), os.urandom(2**17)) for number in range(5)))
        taken = take({"work.tar": archive}, replace(SMALL, file=2**20, total=2**20))
        assert set(taken.files) == {"work.tar", "0", "1"}
        assert taken.remarks == ("work.tar was not unpacked to its end: more than 1.0 MiB in all",)

    def test_files_and_folders(self, take: Callable[..., Taken]) -> None:
        taken = take({"work.zip": zipped(*((f"{number}", b"") for number in range(100)))})
        assert len(taken.files) == SMALL.files
        words = "work.zip was not unpacked to its end: more than 40 files and folders"
        assert taken.remarks == (words,)

    def test_only_folders(self, take: Callable[..., Taken]) -> None:
        taken = take({"work.zip": zipped(("/".join("abcdefghij" * 5), b""))})
        assert set(taken.files) == {"work.zip"}
        assert "more than 40 files and folders" in taken.remarks[-1]

    def test_a_path_too_deep_and_a_name_too_long(self, take: Callable[..., Taken]) -> None:
        taken = take({"work.zip": zipped(("/".join("a" * 70), b""), ("b" * 256, b""), ("c" * 255, b""))})
        assert taken.remarks[0].endswith("was not taken: it is more than 64 folders deep")
        assert taken.remarks[1].endswith("was not taken: its name is longer than 255 bytes")
        assert set(taken.files) == {"work.zip", "c" * 255}

    def test_a_list_of_files_that_is_too_long_is_not_read(self, take: Callable[..., Taken]) -> None:
        small = replace(SMALL, files=1)
        names = [(zip_info("n" * 60_000 + str(number)), b"") for number in range(20)]
        taken = take({"work.zip": zipped(*names)}, replace(small, file=2**22, total=2**23))
        assert taken.remarks == ("work.zip was not unpacked to its end: a list of files that is too long",)

    def test_a_long_name_that_is_a_bomb(self, take: Callable[..., Taken]) -> None:
        name = tarfile.TarInfo("././@LongLink")
        name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**30
        taken = take({"work.tar.gz": gzip.compress(name.tobuf(tarfile.GNU_FORMAT) + b"a" * 4096)})
        assert taken.remarks == ("work.tar.gz was not unpacked: it is damaged (a header that is too long)",)

    def test_headers_without_end(self, take: Callable[..., Taken]) -> None:
        name = tarfile.TarInfo("././@LongLink")
        name.type, name.size = tarfile.GNUTYPE_LONGNAME, 1
        taken = take(
            {"work.tar": (name.tobuf(tarfile.GNU_FORMAT) + b"a" + b"\0" * 511) * 1000},
            replace(SMALL, file=2**21, total=2**22),
        )
        assert taken.remarks[0].startswith(
            "work.tar was not unpacked: it is damaged (maximum recursion depth"
        )

    def test_many_archives(self, take: Callable[..., Taken]) -> None:
        taken = take({f"{number}.zip": zipped(("a", b"")) for number in range(9)}, replace(SMALL, archives=8))
        assert taken.remarks[-1] == "8.zip was not unpacked: more than 8 archives"
        assert "7/a" in taken.files

    def test_small_bombs_are_not_read_through(self, take: Callable[..., Taken]) -> None:
        taken = take(
            {"work.tar.bz2": bz2.compress(tarred(("zeros", b"\0" * 2**20)))}, replace(SMALL, file=2**10)
        )
        assert taken.remarks == ("work.tar.bz2 was not unpacked to its end: too much to read through",)

    def test_too_much_to_pass_over(self, take: Callable[..., Taken]) -> None:
        big = tarfile.TarInfo("big")
        big.size = 2**40
        taken = take({"work.tar": big.tobuf() + b"\0" * 1024})
        assert set(taken.files) == {"work.tar"}
        assert taken.remarks == (
            "big was not taken from work.tar: it cannot be read (unexpected end of data)",
            "work.tar was not unpacked to its end: it holds too much to read through",
        )


class TestNames:
    @pytest.mark.parametrize(
        ("name", "read"),
        [
            (b"w\xc3\xafre.c", "wïre.c"),
            (b"w\x8bre.c", "wïre.c"),
            (b"\xff\xfe.c", "\xa0■.c"),
            (b"new\nline\x1b[2J.c", "new\nline\x1b[2J.c"),
        ],
    )
    @pytest.mark.parametrize("marked", [False, True])
    def test_of_any_bytes_in_a_zip(
        self, take: Callable[..., Taken], name: bytes, read: str, marked: bool
    ) -> None:
        archive = zipped(("?" * len(name), b"x")).replace(b"?" * len(name), name)
        if marked:  # as UTF-8, which it may not be
            data = bytearray(archive)
            data[7] |= 8
            data[data.index(b"PK\x01\x02") + 9] |= 8
            archive = bytes(data)
        taken = take({"work.zip": archive})
        assert taken.files[read] == b"x"
        assert taken.remarks == ("unpacked work.zip: 1 file",)

    def test_of_any_bytes_in_a_tar(self, take: Callable[..., Taken]) -> None:
        name = os.fsdecode(b"\xff\n.c")
        taken = take({"work.tar": tarred((name, b"x"), ("y" * 200, b"y"))})
        assert taken.files[name] == b"x"
        assert taken.files["y" * 200] == b"y"

    def test_a_list_and_files_that_name_them_differently(self, take: Callable[..., Taken]) -> None:
        archive = zipped(("a.c", b"a"), ("b.c", b"b")).replace(b"a.c", b"z.c", 1)
        taken = take({"work.zip": archive})
        assert taken.remarks[0].startswith("a.c was not taken from work.zip: it cannot be read (File name")
        assert taken.files["b.c"] == b"b"

    def test_what_systems_leave_is_ignored(self, take: Callable[..., Taken]) -> None:
        names = ["__MACOSX/._wire.c", "._wire.c", ".DS_Store", "sub/Thumbs.db", ".git/HEAD", "wire.c"]
        taken = take({"work.zip": zipped(*((name, b"") for name in names))})
        assert set(taken.files) == {"work.zip", "wire.c"}
        assert taken.remarks == ("unpacked work.zip: 1 file",)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_twice_and_in_other_case(self, take: Callable[..., Taken]) -> None:
        archive = zipped(("wire.c", b"first"), ("Wire.c", b"other"), ("wire.c", b"last"))
        taken = take({"work.zip": archive})
        assert (taken.files["wire.c"], taken.files["Wire.c"]) == (b"last", b"other")
        assert taken.remarks[0] == "wire.c is there twice from work.zip: the last one was taken"

    def test_a_file_where_a_folder_is_and_the_other_way_round(self, take: Callable[..., Taken]) -> None:
        names = [("a", b""), ("a/b", b""), ("c/d", b""), ("c", b""), ("work.zip", b"other")]
        taken = take({"work.zip": zipped(*names)})
        assert set(taken.files) == {"work.zip", "a", "c/d"}
        assert taken.remarks[:3] == (
            "a/b was not taken from work.zip: a is a file",
            "c was not taken from work.zip: a folder of this name is there",
            "work.zip was not taken from work.zip: another file of this name is there",
        )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([EVIL_ZIP, EVIL_TAR, gzip.compress(EVIL_TAR)]), st.data())
def test_a_damaged_archive_writes_nowhere_else(tmp_path: Path, archive: bytes, data: st.DataObject) -> None:
    broken = bytearray(archive)
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=6)):
        broken[place] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        taken = Taken(Path(folder) / "taken", {"work.zip": bytes(broken)})
        assert taken.remarks
        assert taken.files["work.zip"] == broken
        assert [path.name for path in Path(folder).iterdir()] == ["taken"]
        assert not any(path.is_symlink() for path in Path(folder).rglob("*"))
