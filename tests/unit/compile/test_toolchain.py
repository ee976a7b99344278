"""The toolchain of an architecture: which C library it has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile import toolchain
from orchestrator.deadline import Deadline

S390X = ARCHITECTURES["s390x"]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("letters", [10, 250, 253])
def test_a_long_name_leaves_room_for_what_the_linker_appends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letters: int
) -> None:
    made: list[Path] = []

    def tool(command: list[str | Path], *_: object) -> str:
        made.append(Path(command[command.index("-o") + 1]))
        made[-1].with_name(made[-1].name + ".tmp1234567").touch()
        made[-1].touch()
        return ""

    monkeypatch.setattr(toolchain, "tool", tool)
    source, output = tmp_path / "a.c", tmp_path / ("x" * letters)
    toolchain.compile_program(S390X, tmp_path, [source], (), output, Deadline.after(60))
    assert output.is_file()
    assert len(made) == 2


def test_the_version_of_the_c_library_is_unknown_before_there_is_a_toolchain() -> None:
    assert toolchain.libc_version(S390X) == ""


def test_the_version_of_the_c_library_is_noted_with_the_toolchain(cache_folder: Path) -> None:
    about = {"libc": "1.2.5", "packages": {"libgcc-14-dev": "14.2.0-19"}}
    folder = cache_folder / "toolchain" / toolchain._key(S390X)
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(about))
    assert toolchain.libc_version(S390X) == "1.2.5"
