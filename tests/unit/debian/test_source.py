"""Debian source packages: found in an index, unpacked, patched strictly."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.debian.source import SourcePackage, apply_patch, unpack_source, upstream_version
from orchestrator.errors import ImageError

INDEX = b"""\
Package: musl-other
Version: 9-1

Package: musl
Version: 1.2.5-3.1~deb13u1
Directory: pool/main/m/musl
Checksums-Sha256:
 aa 10 musl_1.2.5-3.dsc
 bb 30 musl_1.2.5-3.debian.tar.xz
 cc 20 musl_1.2.5.orig.tar.gz
 dd 40 musl_1.2.5.orig.tar.gz.asc

Package: muttprint
Version: 1
"""
LINES = b"".join(b"line %d\n" % number for number in range(1, 10))
PATCH = b"""\
Description: changes a line, adds a file
Index: musl/src/a.c
--- a/src/a.c
+++ b/src/a.c
@@ -5,3 +5,4 @@ context
 line 3
-line 4
+line four
+line four and a half
 line 5
--- /dev/null
+++ b/src/new.c
@@ -0,0 +1,2 @@
+first
+second
--
2.39.2
"""
PATCHED = LINES.replace(b"line 4\n", b"line four\nline four and a half\n")


def packed(place: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(place, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return place


def test_a_package_is_found_with_its_archives_upstreams_first() -> None:
    found = SourcePackage.find("musl", INDEX)
    assert found is not None
    assert (found.upstream, found.directory) == ("1.2.5", "pool/main/m/musl")
    assert list(found.archives.items()) == [
        ("musl_1.2.5.orig.tar.gz", ("cc", 20)),
        ("musl_1.2.5-3.debian.tar.xz", ("bb", 30)),
    ]
    assert SourcePackage.find("mus", INDEX) is None


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("1.2.5-3.1~deb13u1", "1.2.5"), ("1:2.0-rc1-2", "2.0-rc1"), ("3.1", "3.1")],
)
def test_the_upstream_part_of_a_version(version: str, upstream: str) -> None:
    assert upstream_version(version) == upstream


def test_a_source_package_is_unpacked_and_patched(tmp_path: Path) -> None:
    upstream = packed(tmp_path / "orig.tar.gz", {"musl-1.2.5/src/a.c": LINES, "musl-1.2.5/VERSION": b"1\n"})
    debian = {"debian/patches/series": b"# comment\none.patch\n", "debian/patches/one.patch": PATCH}
    files = unpack_source([upstream, packed(tmp_path / "debian.tar.gz", debian)])
    assert files["src/a.c"] == PATCHED  # two lines from where the patch expects it
    assert files["src/new.c"] == b"first\nsecond\n"
    assert files["VERSION"] == b"1\n"


def test_a_patch_that_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match=r"one\.patch does not fit src/a\.c, line 5"):
        apply_patch({"src/a.c": LINES.replace(b"line 5", b"other")}, PATCH, "one.patch")


def test_a_patch_may_delete_a_file() -> None:
    files = {"old": b"gone\n"}
    apply_patch(files, b"--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n", "delete")
    assert files == {}


def test_a_patch_that_ends_too_early_is_refused() -> None:
    with pytest.raises(ImageError, match="ends within a hunk"):
        apply_patch({"a": b"x\n"}, b"--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-x\n+y\n", "short")
