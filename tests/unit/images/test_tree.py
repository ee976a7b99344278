"""Root file systems as data: the cpio form read back by a reader written from the kernel's
description of the format, the tar form by tarfile."""

from __future__ import annotations

import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.images.tree import Tree

FIELDS: tuple[str, ...] = ("ino", "mode", "uid", "gid", "nlink", "mtime", "filesize", "devmajor", "devminor")
FIELDS += ("rdevmajor", "rdevminor", "namesize", "check")


@dataclass(frozen=True)
class Read:
    fields: dict[str, int]
    data: bytes


def read_cpio(raw: bytes) -> dict[str, Read]:
    """A "newc" archive by path; asserts on everything the kernel insists on."""
    found: dict[str, Read] = {}
    position = 0
    while True:
        assert raw[position : position + 6] == b"070701"
        numbers = raw[position + 6 : position + 110]
        fields = {name: int(numbers[8 * i : 8 * i + 8], 16) for i, name in enumerate(FIELDS)}
        name = raw[position + 110 : position + 110 + fields["namesize"]]
        assert name.endswith(b"\0")
        begin = (position + 110 + fields["namesize"] + 3) // 4 * 4
        end = begin + fields["filesize"]
        position = (end + 3) // 4 * 4
        path = name[:-1].decode()
        if path == "TRAILER!!!":
            assert position == len(raw)
            return found
        assert path not in found
        found[path] = Read(fields, raw[begin:end])


@pytest.fixture
def tree() -> Tree:
    built = Tree()
    built.folder("home/student", 0o700, 1000)
    built.file("etc/deep/down/file", "text", 0o640)
    built.file("etc/owned", b"\0\1\2", uid=1001)
    built.link("bin", "usr/bin")
    built.device("dev/null", 1, 3, 0o666)
    return built


def written(tree: Tree, folder: Path) -> dict[str, Read]:
    tree.write_cpio(folder / "initrd")
    return read_cpio((folder / "initrd").read_bytes())


def test_parents_come_before_what_is_in_them(tree: Tree, tmp_path: Path) -> None:
    paths = list(written(tree, tmp_path))
    assert {"etc", "etc/deep", "etc/deep/down", "dev", "home"} < set(paths)
    for position, path in enumerate(paths):
        parent = path.rpartition("/")[0]
        assert not parent or parent in paths[:position]


def test_a_parent_made_on_the_way_keeps_what_it_is_given_later(tmp_path: Path) -> None:
    tree = Tree()
    tree.file("work/file", "")
    tree.folder("work", 0o711, 7)
    tree.file("work/another", "")
    found = written(tree, tmp_path)["work"].fields
    assert (found["mode"], found["uid"], found["gid"]) == (stat.S_IFDIR | 0o711, 7, 7)


def test_cpio_keeps_kinds_modes_owners_and_content(tree: Tree, tmp_path: Path) -> None:
    found = written(tree, tmp_path)
    file, owned, link = found["etc/deep/down/file"], found["etc/owned"], found["bin"]
    assert (file.fields["mode"], file.data) == (stat.S_IFREG | 0o640, b"text")
    assert (owned.fields["uid"], owned.fields["gid"], owned.data) == (1001, 1001, b"\0\1\2")
    assert (stat.S_ISLNK(link.fields["mode"]), link.data) == (True, b"usr/bin")
    null = found["dev/null"].fields
    assert (null["mode"], null["rdevmajor"], null["rdevminor"]) == (stat.S_IFCHR | 0o666, 1, 3)
    assert found["home/student"].fields["nlink"] == 2


def test_cpio_numbers_its_files_apart(tree: Tree, tmp_path: Path) -> None:
    numbers = [entry.fields["ino"] for entry in written(tree, tmp_path).values()]
    assert len(numbers) == len(set(numbers))


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = Tree(), Tree()
    for path in ("a", "b", "c/d"):
        one.file(path, path)
    for path in ("c/d", "b", "a"):
        other.file(path, path)
    one.write_cpio(tmp_path / "one")
    other.write_cpio(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_tar_has_all_but_devices(tree: Tree, tmp_path: Path) -> None:
    tree.write_tar(tmp_path / "rootfs.tar")
    with tarfile.open(tmp_path / "rootfs.tar") as archive:
        entries = {entry.name: entry for entry in archive}
        assert set(tree.entries) - set(entries) == {"dev/null"}
        assert (entries["bin"].issym(), entries["bin"].linkname) == (True, "usr/bin")
        student, file = entries["home/student"], archive.extractfile("etc/deep/down/file")
        assert (student.isdir(), student.mode, student.uid, student.gid) == (True, 0o700, 1000, 1000)
        assert file is not None
        assert (file.read(), entries["etc/deep/down/file"].mode) == (b"text", 0o640)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(files=st.dictionaries(NAMES, st.binary(max_size=50), max_size=5))
def test_any_name_and_content_survives(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    tree = Tree()
    for name, data in files.items():
        tree.file(f"folder/{name}", data)
    found = written(tree, tmp_path_factory.mktemp("tree"))
    assert {path: read.data for path, read in found.items() if path != "folder"} == {
        f"folder/{name}": data for name, data in files.items()
    }
