"""What isolab consists of on another host."""

from __future__ import annotations

import os
import tarfile
from functools import cache
from pathlib import Path

import pytest

from orchestrator.cluster.install import pack as packing
from orchestrator.cluster.install.pack import Packed, is_packed, pack
from orchestrator.cluster.install.parts import Part, parts
from orchestrator.deadline import Deadline
from orchestrator.paths import ROOT


@cache
def found() -> dict[str, Part]:
    return {part.name.lower(): part for part in parts()}


def test_what_it_needs_and_no_tools_for_tests() -> None:
    names = set(found())
    assert {"isolab", "distributed", "dask", "cryptography", "paramiko", "pydantic", "ziglang"} <= names
    assert not names & {
        "pytest",
        "hypothesis",
        "mypy",
        "ruff",
        "playwright",
        "pip",
        "setuptools",
        "hatchling",
    }
    assert not names & {"starlette", "uvicorn"}


def test_isolab_itself_as_its_wheel_has_it() -> None:
    files = found()["isolab"].files
    assert files["orchestrator/package_data/tasks.py"] == ROOT / "tasks.py"
    for name in ("orchestrator/cli/main.py", "orchestrator/package_data/images/guest/init.c"):
        assert name in files
    assert any(name.startswith("orchestrator/package_data/labs/") for name in files)


def test_no_file_that_no_program_there_uses() -> None:
    for part in found().values():
        for name in part.files:
            assert ".." not in name.split("/")
            assert not {"tests", "__pycache__"} & set(name.split("/"))
    compiler = found()["ziglang"].files
    assert "ziglang/zig" in compiler
    assert any(name.startswith("ziglang/lib/libc/include/any-linux-any/") for name in compiler)
    assert not any("any-windows-any" in name or "darwin" in name.lower() for name in compiler)


def test_keys_are_names_of_folders_and_say_what_is_in_them() -> None:
    keys = [part.key for part in found().values()]
    assert len(set(keys)) == len(keys)
    assert all(
        set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for key in keys
    )
    assert found()["ziglang"].key.startswith("ziglang_")


def test_the_same_files_make_the_same_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Packed] = []
    for which in "ab":
        folder = tmp_path / which
        folder.mkdir()
        (folder / "tool").write_text("#!/bin/sh\n")
        (folder / "tool").chmod(0o700 if which == "a" else 0o775)
        (folder / "data").write_bytes(b"\0" * 1000)
        os.utime(folder / "data", (1e9, 1e9 + len(made)))
        part = Part("x", "1", "x-1-0", {"x/tool": folder / "tool", "x/data": folder / "data"})
        monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / f"cache-{which}"))
        assert not is_packed(part)
        made.append(pack(part, Deadline.after(60)))
        assert is_packed(part)
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert made[0].sha256 == made[1].sha256
    assert made[0].size == made[0].path.stat().st_size
    with tarfile.open(made[0].path) as archive:
        assert [(entry.name, entry.mode, entry.mtime) for entry in archive] == [
            ("x/data", 0o644, 0),
            ("x/tool", 0o755, 0),
        ]


def test_an_archive_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path))
    (tmp_path / "file").touch()
    part = Part("x", "1", "x-1-0", {"file": tmp_path / "file"})
    first = pack(part, Deadline.after(60))
    monkeypatch.setattr(packing, "_write", lambda *_: pytest.fail("made again"))
    assert pack(part, Deadline.after(60)) == first
