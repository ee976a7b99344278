"""Packages become a tree of files with dpkg's record of them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from debian_archive import ar, data_tar

from orchestrator.debian.unpack import OWNERS, merged, unpack
from orchestrator.errors import ImageError

CONTROL = b"Package: tool\nVersion: 1.0\nArchitecture: amd64\nDescription: a tool\n of ours\n"


def package(
    path: Path,
    files: Mapping[str, bytes],
    control: Mapping[str, bytes],
    links: Mapping[str, str] | None = None,
) -> Path:
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": data_tar(control),
        "data.tar.xz": data_tar(files, links),
    }
    path.write_bytes(ar(parts))
    return path


def unpacked(*debs: Path) -> dict[str, bytes | str]:
    """Contents by path; the targets of links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as target:
        unpack(debs, target)
    buffer.seek(0)
    found: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=buffer) as archive:
        for entry in archive:
            assert entry.name not in found, "twice in the archive"
            content = archive.extractfile(entry) if entry.isfile() else None
            found[entry.name] = content.read() if content else entry.linkname
    return found


def text(value: bytes | str) -> str:
    assert isinstance(value, bytes)
    return value.decode()


def test_dpkg_knows_of_a_package_that_is_unpacked_and_not_configured(tmp_path: Path) -> None:
    deb = package(
        tmp_path / "tool.deb",
        {"usr/bin/tool": b"#!/bin/sh\n", "etc/tool.conf": b"setting\n"},
        {"control": CONTROL, "conffiles": b"/etc/tool.conf\n", "postinst": b"#!/bin/sh\n"},
    )
    found = unpacked(deb)
    status = text(found["var/lib/dpkg/status"])
    assert status.startswith("Package: tool\nStatus: install ok unpacked\nVersion: 1.0\n")
    md5 = hashlib.md5(b"setting\n", usedforsecurity=False).hexdigest()
    assert f"Conffiles:\n /etc/tool.conf {md5}\n" in status
    assert text(found["var/lib/dpkg/info/tool.list"]).splitlines() == [
        "/.",
        "/usr/bin/tool",
        "/etc/tool.conf",
    ]
    assert found["var/lib/dpkg/info/tool.postinst"] == b"#!/bin/sh\n"
    assert found["etc/tool.conf"] == b"setting\n"


def test_packages_of_several_architectures_are_noted_with_theirs(tmp_path: Path) -> None:
    deb = package(tmp_path / "a.deb", {"usr/lib/a": b""}, {"control": CONTROL + b"Multi-Arch: same\n"})
    assert "var/lib/dpkg/info/tool:amd64.list" in unpacked(deb)


def test_interests_in_triggers_are_noted(tmp_path: Path) -> None:
    triggers = b"# words\ninterest-noawait ldconfig\ninterest /usr/share/man\nactivate-noawait other\n"
    found = unpacked(package(tmp_path / "a.deb", {}, {"control": CONTROL, "triggers": triggers}))
    assert found["var/lib/dpkg/triggers/ldconfig"] == b"tool/noawait\n"
    assert found["var/lib/dpkg/triggers/File"] == b"/usr/share/man tool\n"


def test_everything_is_beneath_usr_and_the_links_lead_there(tmp_path: Path) -> None:
    deb = package(
        tmp_path / "a.deb", {"bin/tool": b"x", "lib64/ld.so": b"y"}, {"control": CONTROL}, {"bin": "usr/bin"}
    )
    found = unpacked(deb)
    assert (found["usr/bin/tool"], found["usr/lib64/ld.so"]) == (b"x", b"y")
    assert (found["bin"], found["sbin"], found["lib"]) == ("usr/bin", "usr/sbin", "usr/lib")
    assert merged("lib/x") == "usr/lib/x"
    assert merged("library/x") == "library/x"


def test_who_owns_what_is_noted_for_those_who_cannot_give_files_away(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        about = tarfile.TarInfo("./bin/secret")
        about.gid, about.mode = 42, 0o2755
        archive.addfile(about)
    deb = tmp_path / "a.deb"
    control = data_tar({"control": CONTROL})
    deb.write_bytes(
        ar({"debian-binary": b"2.0\n", "control.tar.xz": control, "data.tar.xz": buffer.getvalue()})
    )
    assert unpacked(deb)[OWNERS] == b"0:42 2755 /usr/bin/secret\n"


def test_a_package_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.deb").write_bytes(b"nothing of the kind")
    with pytest.raises(ImageError, match=r"cannot read package .*bad\.deb"):
        unpacked(tmp_path / "bad.deb")
