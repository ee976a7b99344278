"""glibc of Debian's packages: which release, what of a package becomes a toolchain, which keys hold it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile import glibc, makefile_tools, toolchain
from orchestrator.compile.libc_facts import platform_of_library
from orchestrator.debian.dependencies import Package
from orchestrator.errors import NotOnMirror

EVERY = pytest.mark.parametrize("name", ARCHITECTURES)
TRIPLES = {
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
    "riscv64": "riscv64-linux-gnu",
    "ppc64el": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "i386": "i386-linux-gnu",
    "mips64el": "mips64el-linux-gnuabi64",
    "mipsel": "mipsel-linux-gnu",
}
"""Debian's multiarch tuples (wiki.debian.org/Multiarch/Tuples)."""


@EVERY
def test_an_architecture_linked_with_glibc(name: str) -> None:
    arch = ARCHITECTURES[name]
    other = arch.linked_with("glibc")
    assert (other.name, other.toolchain.library, arch.toolchain.library) == (name, "glibc", "musl")
    assert other.toolchain.libc == TRIPLES[name]
    assert other.suite == ("trixie" if name == "riscv64" else "bookworm")
    assert other.toolchain.libgcc == ("libgcc-14-dev" if name == "riscv64" else "libgcc-12-dev")
    assert "-mlong-double-64" not in other.toolchain.cflags


@EVERY
def test_an_earlier_release_is_no_substitute(name: str) -> None:
    """Its glibc is another version: another answer, where musl's libgcc is only another libgcc."""
    assert ARCHITECTURES[name].linked_with("glibc").former is None


@EVERY
def test_musl_is_what_an_architecture_is_linked_with_anyway(name: str) -> None:
    assert ARCHITECTURES[name].linked_with("musl") is ARCHITECTURES[name]


def test_toolchains_of_both_have_keys_of_their_own() -> None:
    both = [arch.linked_with(name) for arch in ARCHITECTURES.values() for name in ("musl", "glibc")]
    assert len({toolchain._key(arch) for arch in both}) == len(both)
    assert len({repr(arch.toolchain) for arch in both}) == len(both), "programs have it in their key"


@pytest.mark.parametrize(("name", "asks"), [("mipsel", True), ("mips64el", True), ("s390x", False)])
def test_an_executable_stack_is_asked_for_only_where_the_library_needs_it(name: str, asks: bool) -> None:
    assert bool(toolchain.stack_options(ARCHITECTURES[name].linked_with("glibc"))) == asks
    assert not toolchain.stack_options(ARCHITECTURES[name])


def test_the_library_of_c_plus_plus_is_configured_for_the_library_of_c() -> None:
    arch = ARCHITECTURES["s390x"]
    assert "-D_LIBCPP_HAS_MUSL_LIBC=1" in toolchain.cxx_configuration(arch)
    assert "-D_LIBCPP_HAS_MUSL_LIBC=0" in toolchain.cxx_configuration(arch.linked_with("glibc"))


def test_a_build_of_a_folder_finds_the_compiler_of_its_library(tmp_path: Path) -> None:
    arch, own = ARCHITECTURES["mipsel"].linked_with("glibc"), makefile_tools.Libraries(tmp_path / "musl")
    theirs = makefile_tools.Libraries(tmp_path / "tools", None, "glibc")
    tools = makefile_tools.write_tools(arch, theirs, own, tmp_path / "new", ())
    assert tools.environment["CROSS_TRIPLE"] == "mipsel-linux-gnu"
    script = (tmp_path / "new/cc").read_text()
    assert "--target=mipsel-linux-gnu " in script
    assert "-Wl,-z -Wl,execstack" in script
    assert theirs.short_names()[tmp_path / "tools"] == "glibc"
    assert "-linux-musl" in (tmp_path / "new/hostcc").read_text()


def package(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A package in Debian's format: deb(5)."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    content = data.getvalue()
    head = f"{'data.tar.xz':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    (folder / name).write_bytes(b"!<arch>\n" + head + content + b"\n" * (len(content) % 2))
    return folder / name


class Release:
    """A release with the packages of an architecture, in files."""

    def __init__(self, paths: dict[str, Path], complete: bool = True) -> None:
        self._paths, self._complete = paths, complete

    def resolve(self, _arch: str, names: tuple[str, ...]) -> dict[str, Any]:
        found = {name: object.__new__(Package) for name in names}
        for name, one in found.items():
            object.__setattr__(one, "name", name)
            object.__setattr__(one, "version", "2.36-9+deb12u14" if name == "libc6-dev" else "1:4.4.33-2")
        return found

    def fetch(self, packages: list[Package]) -> dict[str, Path]:
        if not self._complete:
            raise NotOnMirror("libc6-dev is not on the mirror")
        return {one.name: self._paths[one.name] for one in packages}


def release(folder: Path, arch: str) -> Any:
    lib, include = f"usr/lib/{TRIPLES[arch]}", "usr/include"
    library = {
        f"{lib}/libc.a": b"!<arch>\nc",
        f"{lib}/libm.a": b"/* GNU ld script\n*/\nGROUP ( /usr/lib/libm-2.36.a )",
        f"{lib}/libm-2.36.a": b"!<arch>\nm",
        f"{lib}/crt1.o": b"start",
        f"{lib}/gcrt1.o": b"for profiles",
        f"{lib}/libc.so": b"/* GNU ld script */",
        f"{include}/features.h": b"#define _FEATURES_H 1\n",
        f"{include}/{TRIPLES[arch]}/bits/types.h": b"types",
    }
    hashes = {f"{lib}/libcrypt.a": b"!<arch>\nh", f"{include}/crypt.h": b"crypt"}
    return Release(
        {
            "libc6-dev": package(folder, "c.deb", library),
            "libcrypt-dev": package(folder, "crypt.deb", hashes),
        }
    )


def test_what_of_the_packages_becomes_a_toolchain(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    arch = ARCHITECTURES["amd64"].linked_with("glibc")
    assert glibc.add(arch, release(tmp_path, "amd64"), folder) == "2.36"
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    headers = {"include/features.h", "include/bits/types.h", "include/crypt.h"}
    assert made == {"libc.a", "libm.a", "libcrypt.a", "crt1.o", *headers}
    assert (folder / "libm.a").read_bytes() == b"!<arch>\nm"
    features = (folder / "include/features.h").read_text()
    assert features.index("_ALL_SOURCE") < features.index("_FEATURES_H")


def test_where_crypt_cannot_be_linked_its_archive_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    glibc.add(ARCHITECTURES["ppc64el"].linked_with("glibc"), release(tmp_path, "ppc64el"), folder)
    assert (folder / "libcrypt.a").read_bytes() == b"!<arch>\n"


def test_a_package_that_is_missing_on_the_mirror_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotOnMirror, match="libc6-dev"):
        glibc.add(ARCHITECTURES["amd64"].linked_with("glibc"), Release({}, complete=False), tmp_path)  # type: ignore[arg-type]


def test_records_name_the_library_and_its_long_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path))
    arch = ARCHITECTURES["ppc64el"]
    assert platform_of_library(arch.linked_with("glibc")) == {}
    for name, version in (("musl", "1.2.5"), ("glibc", "2.36")):
        folder = tmp_path / "toolchain" / toolchain._key(arch.linked_with(name))
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text(f'{{"libc": "{version}"}}')
    assert platform_of_library(arch) == {"libc": "musl 1.2.5"}
    assert platform_of_library(arch.linked_with("glibc")) == {"libc": "glibc 2.36", "long_double": 106}
