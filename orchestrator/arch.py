"""The architectures, one frozen record each: how QEMU runs it, what Debian and compilers call it.

Names are Debian's (``dpkg --print-architecture``). Facts were measured by booting each guest;
comments give the source of each quirk.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from orchestrator.errors import Unavailable


@dataclass(frozen=True)
class Toolchain:
    """Cross-compiler settings of one architecture.

    ``triple`` and ``cflags`` go to clang, ``emulation`` to ld.lld (``-m``); ``headers`` is the
    prefix of the kernel headers that come with the compiler; ``libc`` is the directory name of
    Debian's musl-dev files; ``libgcc`` the package with the compiler's run-time functions.
    """

    triple: str
    emulation: str
    headers: str
    libc: str
    libgcc: str
    cflags: tuple[str, ...] = ()

    @property
    def library(self) -> str:
        """The name of the C library that programs are linked with."""
        return "musl"


@dataclass(frozen=True)
class GlibcToolchain(Toolchain):
    """The same for programs that are linked with glibc: ``libc`` is the directory name of Debian's libc6-dev
    files. ``long_double`` are the bits of its mantissa where they are others than with musl (0: the same).
    Whether the stack is executable is decided by the library: its objects say so."""

    long_double: int = 0
    executable_stack: bool = False

    @property
    def library(self) -> str:
        return "glibc"


@dataclass(frozen=True)
class Arch:
    """One architecture. ``memory`` is the minimum its firmware and kernel need, in bytes.

    ``console`` is the kernel's name of QEMU's first serial port; ``bus`` the suffix of its
    virtio devices; ``qemu_packages`` are alternatives, newest Debian release first;
    ``kernel_package`` a metapackage in ``suite``; ``boot_seconds`` the time from
    start to SSH under emulation on one core of a 2020s laptop, used only for
    estimates. ``firmware`` boots from a disk where QEMU does not ship it itself;
    ``qemu_options`` are further arguments of QEMU. ``memory`` is the least a guest boots with,
    ``most_memory`` the most its board takes (0: any), and ``memory_step`` what its size must be a multiple
    of, in bytes. ``rewritten`` bytes at the end of its
    memory are written by QEMU whenever it starts, in a clone too; at the end of the first ``REWRITTEN_BELOW``
    bytes if it has more.
    """

    name: str
    title: str
    bits: Literal[32, 64]
    byte_order: Literal["little", "big"]
    uname: tuple[str, ...]
    qemu: str
    qemu_packages: tuple[str, ...]
    machine: str
    console: str
    suite: str
    kernel_package: str
    toolchain: Toolchain
    cpu: str = ""
    bus: Literal["pci", "ccw"] = "pci"
    memory: int = 0
    most_memory: int = 0
    memory_step: int = 1
    rewritten: int = 0
    boot_seconds: float = 6.0
    cmdline: str = ""
    nic_options: str = ""
    firmware: str = ""
    qemu_options: tuple[str, ...] = ()
    pc_firmware: bool = False
    """Whether it has PC firmware (BIOS), which boots from any disk with a boot sector."""

    @property
    def former(self) -> Arch | None:
        """The same with the packages of the previous release, for mirrors that lack some of this one;
        None if there is none."""
        before = _BEFORE.get(self.suite)
        if before is None or self.toolchain.library != "musl":
            return None
        return replace(self, suite=before, toolchain=replace(self.toolchain, libgcc=_LIBGCC[before]))

    def linked_with(self, library: str) -> Arch:
        """The same for programs that are linked with this C library, musl or glibc; ``suite`` is the release
        that its packages are from."""
        return _with_glibc(self) if library == "glibc" else self


_BEFORE = {"trixie": "bookworm"}
_LIBGCC = {"bookworm": "libgcc-12-dev", "trixie": "libgcc-14-dev"}
_MIB = 2**20
_WITHOUT_EARLIER_GLIBC = frozenset({"riscv64"})
"""Debian 12 has glibc for all architectures but these. One release for as many as possible: where libraries
differ, so do programs, and it would look like a difference of architectures."""
_TWO_DOUBLES = 106


def _with_glibc(arch: Arch) -> Arch:
    own = arch.toolchain
    triple = own.triple.replace("-musl", "-gnu")
    suite = "trixie" if arch.name in _WITHOUT_EARLIER_GLIBC else "bookworm"
    made = GlibcToolchain(
        triple,
        own.emulation,
        own.headers,
        triple.replace("i686-", "i386-"),
        _LIBGCC[suite],
        tuple(flag for flag in own.cflags if flag != "-mlong-double-64"),
        long_double=_TWO_DOUBLES if arch.name == "ppc64el" else 0,
        # Assembler of glibc before 2.37 on MIPS: the kernel emulated instructions on the stack.
        executable_stack=arch.name.startswith("mips"),
    )
    return replace(arch, suite=suite, toolchain=made)


REWRITTEN_BELOW = 2**31
"""QEMU's hw/ppc/spapr.c, FDT_MAX_ADDR."""

_TIMERS = "tsc=nowatchdog no_timer_check"
"""x86. A clone's two clocks were stopped for different times, and a kernel that compares them stops using
the one that can be read without leaving the guest. An emulator that does not get the processor for a moment
delivers no interrupt meanwhile, which the kernel takes for a timer that does not work: it panics."""

_TABLE = (
    Arch(
        name="amd64",
        pc_firmware=True,
        title="x86-64",
        bits=64,
        byte_order="little",
        uname=("x86_64",),
        # Not trixie: its kernel 6.12 oopses early in about one boot of sixteen under QEMU 7.2's
        # emulation (general protection faults at varying places); 6.1 never did in thirty.
        qemu="qemu-system-x86_64",
        qemu_packages=("qemu-system-x86",),
        machine="q35",
        console="ttyS0",
        suite="bookworm",
        kernel_package="linux-image-cloud-amd64",
        toolchain=Toolchain("x86_64-linux-musl", "elf_x86_64", "x86", "x86_64-linux-musl", "libgcc-12-dev"),
        boot_seconds=4.5,
        cmdline=_TIMERS,
        nic_options=",romfile=",
    ),
    Arch(
        name="arm64",
        title="64-bit Arm",
        bits=64,
        byte_order="little",
        uname=("aarch64",),
        # cortex-a57 has no pointer authentication, which is most of the run time of -cpu max
        # under emulation.
        qemu="qemu-system-aarch64",
        qemu_packages=("qemu-system-arm",),
        machine="virt",
        cpu="cortex-a57",
        console="ttyAMA0",
        suite="trixie",
        kernel_package="linux-image-cloud-arm64",
        toolchain=Toolchain(
            "aarch64-linux-musl", "aarch64linux", "aarch64", "aarch64-linux-musl", "libgcc-14-dev"
        ),
        boot_seconds=2.7,
        nic_options=",romfile=",
        firmware="/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
    ),
    Arch(
        name="armhf",
        title="32-bit Arm",
        bits=32,
        byte_order="little",
        uname=("armv7l", "armv8l"),
        qemu="qemu-system-arm",
        qemu_packages=("qemu-system-arm",),
        machine="virt",
        cpu="cortex-a15",
        console="ttyAMA0",
        suite="trixie",
        kernel_package="linux-image-armmp-lpae",
        toolchain=Toolchain(
            "arm-linux-musleabihf",
            "armelf_linux_eabi",
            "arm",
            "arm-linux-musleabihf",
            "libgcc-14-dev",
            ("-march=armv7-a", "-mfpu=vfpv3-d16"),
        ),
        boot_seconds=4.8,
        nic_options=",romfile=",
    ),
    Arch(
        name="riscv64",
        title="64-bit RISC-V",
        bits=64,
        byte_order="little",
        uname=("riscv64",),
        qemu="qemu-system-riscv64",
        qemu_packages=("qemu-system-riscv", "qemu-system-misc"),
        machine="virt",
        console="ttyS0",
        suite="trixie",
        kernel_package="linux-image-riscv64",
        toolchain=Toolchain(
            "riscv64-linux-musl",
            "elf64lriscv",
            "riscv",
            "riscv64-linux-musl",
            "libgcc-14-dev",
            ("-march=rv64gc", "-mabi=lp64d"),
        ),
        boot_seconds=2.7,
        nic_options=",romfile=",
    ),
    Arch(
        name="ppc64el",
        title="64-bit POWER",
        bits=64,
        byte_order="little",
        uname=("ppc64le",),
        # cap-*: features TCG cannot offer; without these options QEMU warns on every start.
        qemu="qemu-system-ppc64",
        qemu_packages=("qemu-system-ppc",),
        machine="pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
        console="hvc0",
        suite="trixie",
        kernel_package="linux-image-powerpc64le",
        toolchain=Toolchain(
            "powerpc64le-linux-musl",
            "elf64lppc",
            "powerpc",
            "powerpc64le-linux-musl",
            "libgcc-14-dev",
            # musl's powerpc long double is a double.
            ("-mcpu=pwr8", "-mlong-double-64"),
        ),
        memory=512 * _MIB,
        # hw/ppc/spapr.c: SPAPR_MEMORY_BLOCK_SIZE and FDT_MAX_SIZE.
        memory_step=256 * _MIB,
        rewritten=2 * _MIB,
        boot_seconds=7.3,
        nic_options=",romfile=",
    ),
    Arch(
        name="s390x",
        title="IBM Z",
        bits=64,
        byte_order="big",
        uname=("s390x",),
        # vx=off: with vector instructions kernel 6.12 computes wrong TCP checksums under QEMU
        # 7.2's emulation: ping works, TCP never connects.
        qemu="qemu-system-s390x",
        qemu_packages=("qemu-system-s390x", "qemu-system-misc"),
        machine="s390-ccw-virtio",
        cpu="max,vx=off",
        console="ttysclp0",
        suite="trixie",
        kernel_package="linux-image-s390x",
        toolchain=Toolchain("s390x-linux-musl", "elf64_s390", "s390x", "s390x-linux-musl", "libgcc-14-dev"),
        bus="ccw",
        boot_seconds=3.7,
    ),
    Arch(
        name="i386",
        pc_firmware=True,
        title="32-bit x86",
        bits=32,
        byte_order="little",
        uname=("i686", "i586"),
        qemu="qemu-system-i386",
        qemu_packages=("qemu-system-x86",),
        machine="pc",
        console="ttyS0",
        suite="bookworm",
        kernel_package="linux-image-686-pae",
        toolchain=Toolchain("i686-linux-musl", "elf_i386", "x86", "i386-linux-musl", "libgcc-12-dev"),
        boot_seconds=6.0,
        cmdline=_TIMERS,
        nic_options=",romfile=",
    ),
    Arch(
        name="mips64el",
        title="64-bit MIPS",
        bits=64,
        byte_order="little",
        uname=("mips64",),
        qemu="qemu-system-mips64el",
        qemu_packages=("qemu-system-mips",),
        machine="malta",
        most_memory=2048 * _MIB,
        cpu="5KEc",
        console="ttyS0",
        suite="bookworm",
        kernel_package="linux-image-5kc-malta",
        toolchain=Toolchain(
            "mips64el-linux-muslabi64",
            "elf64ltsmip",
            "mips",
            "mips64el-linux-musl",
            "libgcc-12-dev",
            ("-march=mips64r2",),
        ),
        boot_seconds=6.0,
        nic_options=",romfile=",
    ),
    Arch(
        name="mipsel",
        title="32-bit MIPS",
        bits=32,
        byte_order="little",
        uname=("mips",),
        qemu="qemu-system-mipsel",
        qemu_packages=("qemu-system-mips",),
        machine="malta",
        most_memory=2048 * _MIB,
        cpu="24Kc",
        console="ttyS0",
        suite="bookworm",
        kernel_package="linux-image-4kc-malta",
        toolchain=Toolchain(
            "mipsel-linux-musl",
            "elf32ltsmip",
            "mips",
            "mipsel-linux-musl",
            "libgcc-12-dev",
            ("-march=mips32r2", "-mfpxx"),
        ),
        boot_seconds=6.0,
        nic_options=",romfile=",
    ),
)

ARCHITECTURES = MappingProxyType({arch.name: arch for arch in _TABLE})
"""Every architecture isolab knows, by Debian's name."""


class UnknownHost(Unavailable):
    """This host is of an architecture that isolab does not know."""

    def __init__(self, machine: str) -> None:
        super().__init__(
            f"isolab does not run on hosts of architecture {machine!r}; here work only: copy, list, new, "
            "report, schema, validate",
            hint=f"use a host of one of these: {', '.join(ARCHITECTURES)}",
        )


_HOST_NAMES = {
    "x86_64": "amd64", "i586": "i386", "i686": "i386",
    "aarch64": "arm64", "arm64": "arm64", "armv7l": "armhf", "armv8l": "armhf",
    "ppc64le": "ppc64el", "s390x": "s390x", "riscv64": "riscv64", "mips64": "mips64el",
}  # fmt: skip


def host_arch() -> Arch:
    """Return the architecture of this host. Raises UnknownHost for one not in the table."""
    try:
        return ARCHITECTURES[_HOST_NAMES[platform.machine()]]
    except KeyError:
        raise UnknownHost(platform.machine()) from None


PC_ARCHITECTURES = tuple(arch.name for arch in _TABLE if arch.pc_firmware)
"""Architectures with PC firmware."""


def kernel_cmdline(arch: Arch, accel: str, counter_khz: int | None = None) -> str:
    """Return the kernel command line: console, quiet boot, immediate stop on a panic, and the rate of the
    time-stamp counter where it is known.

    An emulated processor has no speculation to guard against, and is slow: there the line also
    turns off what only costs time, a fifth of the boot. Options: kernel.org,
    Documentation/admin-guide/kernel-parameters.txt.
    """
    words = [f"console={arch.console}", "quiet", "loglevel=1", "panic=-1", "net.ifnames=0"]
    if accel == "tcg":
        words += ["mitigations=off", "nokaslr", "audit=0", "rcupdate.rcu_expedited=1"]
        # Only the security modules that exercises are about; no pressure stall statistics.
        words += ["lsm=landlock,yama", "psi=0", "nowatchdog"]
        # No stack randomization per system call, no usercopy checks, no scheduler group per session.
        words += ["randomize_kstack_offset=off", "hardened_usercopy=off", "noautogroup"]
        # Pages that are neither zeroed twice nor two megabytes long stay shared between clones.
        words += ["init_on_alloc=0", "transparent_hugepage=never"]
    known = f"tsc_early_khz={counter_khz}" if counter_khz else ""
    return " ".join([*words, arch.cmdline, known]).strip()
