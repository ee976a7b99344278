"""The tools that a build command finds: ``cc``, ``c++``, ``ar`` and the others, for one architecture.

They are scripts in a folder that comes first in PATH, under every name that makefiles use, so that a
makefile's own ``CC = gcc`` compiles for the machine's architecture too. clang does the work as a compiler
driver: it reads every option, compiles and links. The scripts only leave out what cannot be meant here,
and say so.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.compile.toolchain import (
    clang,
    cxx_configuration,
    cxx_headers,
    stack_options,
    system_headers,
    zig_folder,
)

VERSION = 2
"""Part of the cache's key: raise it when the scripts change."""
_HOST_COMPILERS = ("HOSTCC", "HOST_CC", "BUILD_CC", "CC_FOR_BUILD")
_RELEASES = range(9, 23)
_GNU = tuple(f"gcc-{number}" for number in _RELEASES) + tuple(f"clang-{number}" for number in _RELEASES)
_GNU_CXX = tuple(f"g++-{number}" for number in _RELEASES) + tuple(f"clang++-{number}" for number in _RELEASES)
_C_NAMES = ("gcc", "clang", "c99", "c11", "c89", *_GNU)
_CXX_NAMES = ("g++", "clang++", *_GNU_CXX)
_ARCHIVERS = {"ar": ("gcc-ar", "llvm-ar"), "ranlib": ("gcc-ranlib", "llvm-ranlib")}
_NO_CXX = "no-c++"
"""Stands in for the C++ library where no source is C++: build systems only check that a program links."""
_SHARED = "shared"
"""The folder for archives in place of shared libraries."""
MADE = "hostcc.made"
"""The file that lists what the build made for this host, to run it."""
CALLED = ".called"
"""Ends the name of a file that says which name a makefile called a compiler by."""


@dataclass(frozen=True)
class Tools:
    """The tools of one build: their folder, and the environment variables that name them."""

    folder: Path
    environment: Mapping[str, str]

    def called(self) -> tuple[str, ...]:
        """The names, other than ``cc`` and ``c++``, by which the build called a compiler."""
        return tuple(sorted(path.name.removesuffix(CALLED) for path in self.folder.glob(f"*{CALLED}")))

    def in_place_of_shared(self) -> tuple[str, ...]:
        """The shared libraries that were made as archives too, by the names without ``.so``."""
        return tuple(sorted(path.stem for path in (self.folder / _SHARED).glob("*.a")))

    def for_this_host(self) -> frozenset[Path]:
        """The programs that the build made to run them itself."""
        made = self.folder / MADE
        lines = made.read_bytes().splitlines() if made.exists() else []
        return frozenset(Path(os.fsdecode(line)) for line in lines)


@dataclass(frozen=True)
class Libraries:
    """Where the libraries of an architecture are: C's, whose name is ``library``, and C++'s unless nothing is
    C++."""

    toolchain: Path
    cxx: Path | None = None
    library: str = "musl"

    def short_names(self) -> Mapping[Path, str]:
        """Names for messages of the folders that headers and archives are in."""
        return {self.toolchain: self.library, zig_folder() / "lib": "clang"}


def write_tools(
    arch: Arch, libraries: Libraries, host: Libraries, folder: Path, sources: Sequence[Path]
) -> Tools:
    """Write the tools for an architecture into ``folder``; ``host`` are the libraries of this host's
    architecture, for programs that the build itself runs. ``sources`` are where the build may run: these
    paths stay out of the programs."""
    folder.mkdir(parents=True)
    (folder / "host").mkdir()
    for place in (folder / _NO_CXX, folder / "host" / _NO_CXX):
        place.mkdir()
        (place.parent / _SHARED).mkdir()
        for empty in ("libc++.a", "libunwind.a", "libstdc++.a"):
            (place / empty).write_bytes(b"!<arch>\n")
    zig = shlex.quote(str(zig_folder() / "zig"))
    _script(folder / "ld.lld", f'exec {zig} ld.lld "$@"\n')
    _script(folder / "ld", f'exec {zig} ld.lld -m {arch.toolchain.emulation} "$@"\n')
    _compilers(folder, arch, libraries, sources)
    for name, others in _ARCHIVERS.items():
        _script(folder / name, f'exec {zig} {name} "$@"\n')
        for other in others:
            (folder / other).symlink_to(name)
    _script(folder / "objcopy", f'exec {zig} objcopy "$@"\n')
    _script(folder / "strip", _STRIP)
    mine = folder / "host"
    _script(mine / "ld.lld", f'exec {zig} ld.lld "$@"\n')
    _script(folder / "hostcc", _compiler("cc", host_arch(), host, mine, sources))
    _cmake(folder / "toolchain.cmake", folder, arch)
    return Tools(folder, _environment(folder, arch))


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8", errors="surrogateescape")
    path.chmod(0o755)


def _compilers(folder: Path, arch: Arch, libraries: Libraries, sources: Sequence[Path]) -> None:
    for name, others in (("cc", _C_NAMES), ("c++", _CXX_NAMES)):
        _script(folder / name, _compiler(name, arch, libraries, folder, sources))
        for other in others:
            (folder / other).symlink_to(name)
    _script(folder / "cpp", 'exec "${0%/*}/cc" -E "$@"\n')


def _compiler(name: str, arch: Arch, libraries: Libraries, linkers: Path, sources: Sequence[Path]) -> str:
    """The script ``cc`` or ``c++``."""
    plus = name == "c++"
    always = [*clang(arch), *(["--driver-mode=g++"] if plus else []), "-nostdinc", "-D_ALL_SOURCE"]
    always += [
        "-Qunused-arguments",
        "-Wno-unknown-warning-option",
        *(f"-ffile-prefix-map={place}=." for place in sources),
    ]
    # The C++ library's folder first: it has an unwinder of its own in place of libgcc's.
    places = [libraries.cxx or linkers / _NO_CXX, libraries.toolchain, linkers / _SHARED]
    link: list[str | Path] = [f"--sysroot={libraries.toolchain}", "-fuse-ld=lld", f"-B{linkers}"]
    link += [x for path in places for x in (f"-B{path}", f"-L{path}")]
    link += ["-stdlib=libc++", "-rtlib=libgcc", "-unwindlib=libgcc", "-Wl,--strip-debug"]
    link += [f"-Wl,{option}" for option in stack_options(arch)]
    parts = {"always": always, "link": link}
    parts["c"] = [x for path in system_headers(arch, libraries.toolchain) for x in ("-idirafter", path)]
    parts["cxx"] = [*cxx_configuration(arch), *(x for path in cxx_headers() for x in ("-idirafter", path))]
    words = {key: shlex.join(map(str, value)) for key, value in parts.items()}
    words["shared"] = shlex.quote(str(linkers / _SHARED))
    words["ar"] = shlex.join([str(zig_folder() / "zig"), "ar"])
    about = {"arch": arch.name, "bits": arch.bits, "other": 96 - arch.bits}
    return _DRIVER.format(**words, **about, plus="yes" if plus else "no")


def _environment(folder: Path, arch: Arch) -> dict[str, str]:
    """Names, not paths: they are the same for every architecture, in what the build prints too."""
    path = os.environ.get("PATH", os.defpath)
    named = {"CC": "cc", "CXX": "c++", "CPP": "cc -E", "AR": "ar", "RANLIB": "ranlib", "LD": "ld"}
    hosts = dict.fromkeys(_HOST_COMPILERS, "hostcc")
    return {
        **named,
        **hosts,
        "STRIP": "strip",
        "OBJCOPY": "objcopy",
        "PATH": f"{folder}:{path}",
        "CROSS_ARCH": arch.name,
        "CROSS_TRIPLE": arch.toolchain.triple,
        "CMAKE_TOOLCHAIN_FILE": str(folder / "toolchain.cmake"),
        # Even a makefile that says HOSTCC = gcc means a compiler for this host.
        "GNUMAKEFLAGS": " ".join(f"{name}=hostcc" for name in _HOST_COMPILERS),
        "PKG_CONFIG_LIBDIR": str(folder / "no-packages"),
        "LC_ALL": "C.UTF-8",
        "SHELL": "/bin/sh",
        "HOME": str(folder),
        **({"TMPDIR": os.environ["TMPDIR"]} if "TMPDIR" in os.environ else {}),
    }


def _cmake(file: Path, folder: Path, arch: Arch) -> None:
    """A CMake tool chain file; source: cmake-toolchains(7)."""
    tools = {"C_COMPILER": "cc", "CXX_COMPILER": "c++", "AR": "ar", "RANLIB": "ranlib", "STRIP": "strip"}
    lines = ["set(CMAKE_SYSTEM_NAME Linux)", f"set(CMAKE_SYSTEM_PROCESSOR {arch.uname[0]})"]
    lines += [f'set(CMAKE_{name} "{folder / tool}")' for name, tool in tools.items()]
    lines += ["set(CMAKE_FIND_ROOT_PATH /nonexistent)"]
    lines += ["set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)"]
    lines += [f"set(CMAKE_FIND_ROOT_PATH_MODE_{what} ONLY)" for what in ("LIBRARY", "INCLUDE", "PACKAGE")]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8", errors="surrogateescape")


_STRIP = """# What is stripped off a program does not change what it does; it is copied where -o says.
output= input=
while [ $# -gt 0 ]; do
	case $1 in
	-o) output=$2; shift ;;
	-R | -K | -N | -F | -I | -O) shift ;;
	-*) ;;
	*) input=$1 ;;
	esac
	shift
done
[ -z "$output" ] || cp -- "$input" "$output"
"""

_DRIVER = """# A C compiler driver that compiles for {arch}.
# Programs are static. A shared library is made as it is asked for, and for programs that link with it also
# as an archive.
plus={plus} link=-static before= output= shared={shared}
name=${{0##*/}}
case $name in
cc | c++ | hostcc) ;;
*) : >"$0.called" ;;
esac
say() {{ echo "isolab: $1 $2" >&2; }}
for word; do
	shift
	case $word in
	-march=native | -mtune=native | -mcpu=native)
		say "$word" "left out: the program does not run on this host's processor"; continue ;;
	-m{bits} | -static | -pie | -no-pie | -I/usr/include | -fuse-ld=*) continue ;;
	-m{other})
		say "$word" "asks for {other} bits, and {arch} has {bits}: choose another machine"; exit 1 ;;
	-fsanitize=* | -static-libasan | -static-libubsan)
		say "$word" "left out: sanitizers have a run-time library for this host only"; continue ;;
	-pg | --coverage | -coverage | -fprofile-arcs | -ftest-coverage | -fprofile-generate*)
		say "$word" "left out: profiling has a run-time library for this host only"; continue ;;
	-fanalyzer) say "$word" "left out: only gcc knows it"; continue ;;
	-shared) link=-shared; continue ;;
	-static-pie) link= ;;
	*.so | *.so.[0-9]*)
		archive=${{word##*/}}
		archive=$shared/${{archive%%.so*}}.a
		if [ "$before" != -o ] && [ -e "$archive" ]; then word=$archive; fi ;;
	*.cc | *.cpp | *.cxx | *.c++ | *.C | c++ | -xc++) plus=yes ;;
	esac
	if [ "$before" = -o ]; then
		output=$word
		[ "$name" != hostcc ] || printf '%s\\n' "$PWD/$word" >>"$0.made"
	fi
	before=$word
	set -- "$@" "$word"
done
if [ $plus = yes ]; then set -- "$@" {cxx}; fi
set -- {always} "$@" {c} {link}
[ "$link" = -shared ] || exec "$@" $link
"$@" -shared -nostdlib || exit
archive=${{output##*/}}
archive=$shared/${{archive%%.so*}}.a
if "$@" -r -nostdlib -o "$archive.o" 2>/dev/null; then {ar} rcs "$archive" "$archive.o"; fi
exit 0
"""
