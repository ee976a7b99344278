"""One C library for all architectures: prebuilt where the release has it, else built from its sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile import libc, musl
from orchestrator.deadline import Deadline
from orchestrator.debian.dependencies import Package
from orchestrator.debian.source import SourcePackage
from orchestrator.errors import NotOnMirror

SOURCE = SourcePackage("1.2.5-3", "pool/main/m/musl", {"musl.orig.tar.gz": ("aa", 1)})


class Release:
    """A release with a prebuilt musl for some architectures, which its mirror may lack."""

    def __init__(self, prebuilt: str, complete: bool = True) -> None:
        self._prebuilt, self._complete = prebuilt, complete

    def covers(self, arch: str) -> bool:
        return arch == self._prebuilt

    def resolve(self, arch: str, names: list[str]) -> dict[str, Any]:
        package = object.__new__(Package)
        object.__setattr__(package, "version", "1.2.5-3.1~deb13u1")
        return dict.fromkeys(names, package)

    def fetch(self, packages: list[Package]) -> dict[str, Path]:
        if not self._complete:
            raise NotOnMirror("musl-dev is not on the mirror")
        return {"musl-dev": Path("musl-dev.deb")}

    def source(self, name: str) -> SourcePackage:
        assert name == "musl"
        return SOURCE

    def fetch_source(self, _: SourcePackage) -> dict[str, bytes]:
        return {"VERSION": b"1.2.5"}


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The architectures musl was built for."""
    found: list[str] = []

    def build(arch: Any, _compiler: object, _files: object, folder: Path, _deadline: Deadline) -> None:
        found.append(arch.name)
        (folder / "libc.a").write_text("built")

    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(musl, "build", build)
    monkeypatch.setattr(libc, "members", lambda *_: [])
    return found


def add(arch: str, release: Any, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    return libc.add(ARCHITECTURES[arch], release, ["clang"], folder, Deadline.after(20))


def test_a_prebuilt_one_is_taken(tmp_path: Path, built: list[str]) -> None:
    assert add("s390x", Release("s390x"), tmp_path / "s390x") == "1.2.5"
    assert built == []


def test_without_one_the_same_version_is_built_once(tmp_path: Path, built: list[str]) -> None:
    for name in ("first", "second"):
        assert add("mipsel", Release("s390x"), tmp_path / name) == "1.2.5"
        assert [path.name for path in (tmp_path / name).iterdir()] == ["libc.a"]
    assert built == ["mipsel"]


def test_one_that_is_missing_on_the_mirror_is_built(tmp_path: Path, built: list[str]) -> None:
    assert add("s390x", Release("s390x", complete=False), tmp_path / "s390x") == "1.2.5"
    assert built == ["s390x"]


class TestWhatIsBuilt:
    def make(self, root: Path, *names: str) -> None:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("COMPAT_SRC_DIRS = compat/time32\n")

    def test_a_file_of_the_architecture_replaces_the_general_one(self, tmp_path: Path) -> None:
        self.make(
            tmp_path,
            *("src/malloc/mallocng/malloc.c", "src/math/fabs.c", "src/math/sin.c", "src/math/mips/fabs.S"),
            *("src/math/arm/sin.S", "compat/time32/time32.c", "arch/mips/arch.mak"),
        )
        chosen = {str(path.relative_to(tmp_path)) for path in musl._library(tmp_path, "mips")}
        assert chosen == {
            *("src/malloc/mallocng/malloc.c", "src/math/mips/fabs.S", "src/math/sin.c"),
            "compat/time32/time32.c",
        }
        assert "time32.c" not in {path.name for path in musl._library(tmp_path, "mips64")}

    def test_no_call_of_the_compiler_has_two_sources_of_one_name(self) -> None:
        sources = [Path(f"{folder}/{name}.c") for name in range(40) for folder in ("a", "b", "c", "d")]
        calls = list(musl._calls(sources))
        assert sorted(path for call in calls for path in call) == sorted(sources)
        assert all(len({path.stem for path in call}) == len(call) for call in calls)
