"""The table of architectures agrees with itself and with what the compiler and Debian call them."""

from __future__ import annotations

import platform

import pytest

from orchestrator.arch import ARCHITECTURES, UnknownHost, host_arch, kernel_cmdline
from orchestrator.compile.toolchain import zig_folder

EVERY = pytest.mark.parametrize("name", ARCHITECTURES)
BITS_32 = {"armhf", "i386", "mipsel"}


@EVERY
def test_every_field_needed_to_build_and_boot_is_there(name: str) -> None:
    arch = ARCHITECTURES[name]
    assert arch.name == name
    assert arch.uname
    assert arch.qemu.startswith("qemu-system-")
    assert all(package.startswith("qemu-system-") for package in arch.qemu_packages)
    assert arch.machine
    assert arch.console.startswith(("tty", "hvc"))
    assert arch.kernel_package.startswith("linux-image-")
    assert arch.boot_seconds > 0


@EVERY
def test_bits_and_byte_order(name: str) -> None:
    arch = ARCHITECTURES[name]
    assert arch.bits == (32 if name in BITS_32 else 64)
    assert arch.byte_order == ("big" if name == "s390x" else "little")


@EVERY
def test_the_toolchain_matches_the_suite(name: str) -> None:
    arch = ARCHITECTURES[name]
    compiler = {"bookworm": "libgcc-12-dev", "trixie": "libgcc-14-dev"}
    assert arch.toolchain.libgcc == compiler[arch.suite]
    if arch.former is not None:
        assert arch.former.suite < arch.suite
        assert arch.former.toolchain.libgcc == compiler[arch.former.suite]
    assert "-linux-musl" in arch.toolchain.triple
    assert "-linux-musl" in arch.toolchain.libc
    assert (
        arch.toolchain.emulation.startswith("elf")
        or "elf" in arch.toolchain.emulation
        or (arch.toolchain.emulation == "aarch64linux")
    )


@EVERY
def test_the_compiler_has_kernel_headers_for_it(name: str) -> None:
    headers = zig_folder() / "lib" / "libc" / "include"
    assert (headers / f"{ARCHITECTURES[name].toolchain.headers}-linux-any" / "asm").is_dir()


def test_no_two_architectures_answer_uname_alike() -> None:
    names = [uname for arch in ARCHITECTURES.values() for uname in arch.uname]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("ppc64le", "ppc64el"),
        ("armv8l", "armhf"),
    ],
)
def test_the_host_is_known_by_what_uname_says(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert host_arch() is ARCHITECTURES[name]


def test_a_host_of_an_unknown_architecture_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(UnknownHost, match="vax"):
        host_arch()


def test_the_kernel_of_an_emulated_pc_is_told_how_fast_its_counter_runs() -> None:
    amd64 = ARCHITECTURES["amd64"]
    assert "tsc_early_khz=2596000" in kernel_cmdline(amd64, "tcg", 2_596_000).split()
    assert "tsc_early_khz" not in kernel_cmdline(amd64, "tcg", None)
