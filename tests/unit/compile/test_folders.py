"""What of a folder counts before it is built: foreign binaries, what make would remove, headers."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.built_before import BuiltBefore, remove_what_make_makes
from orchestrator.compile.cross import Origin, inputs
from orchestrator.compile.elf import Binary, binary
from orchestrator.compile.explain import explained
from orchestrator.compile.included import included
from orchestrator.deadline import Deadline
from orchestrator.labfile.models import Build

REL, EXEC, DYN = 1, 2, 3


def elf(
    machine: int, kind: int, *, bits: int = 64, little: bool = True, entry: int = 0, loader: bool = False
) -> bytes:
    """The first bytes of an ELF file, with one program header."""
    order = "<" if little else ">"
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if little else 2, 1]) + bytes(9)
    head, size = (64, 56) if bits == 64 else (52, 32)
    words = "QQQ" if bits == 64 else "III"
    rest = struct.pack(
        f"{order}HHI{words}IHHHHHH", kind, machine, 1, entry, head, 0, 0, head, size, 1, 0, 0, 0
    )
    return ident + rest + struct.pack(f"{order}I", 3 if loader else 1) + bytes(size - 4)


def archive(member: bytes) -> bytes:
    index = b"/".ljust(48) + b"4".ljust(10) + b"`\n" + bytes(4)
    return b"!<arch>\n" + index + b"a.o/".ljust(48) + str(len(member)).encode().ljust(10) + b"`\n" + member


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (elf(62, REL), Binary("object", "amd64")),
        (elf(22, EXEC, little=False), Binary("program", "s390x")),
        (elf(40, DYN, bits=32, entry=8, loader=True), Binary("program", "armhf", loader=True)),
        (elf(183, DYN, entry=8), Binary("program", "arm64")),
        (elf(243, DYN), Binary("library", "riscv64")),
        (elf(8, REL, bits=32), Binary("object", "mipsel")),
        (archive(elf(8, REL)), Binary("archive", "mips64el")),
        (archive(b"text"), Binary("archive", "")),
        (b"\x7fELF", None),
        (b"int main;", None),
        (b"", None),
    ],
)
def test_binaries_are_known_by_their_first_bytes(
    tmp_path: Path, data: bytes, expected: Binary | None
) -> None:
    (tmp_path / "file").write_bytes(data)
    assert binary(tmp_path / "file") == expected


def test_an_architecture_without_a_machine_is_described(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(elf(8, REL, bits=32, little=False))
    found = binary(tmp_path / "file")
    assert found is not None
    assert found.arch == "another architecture (ELF machine 8, 32 bits, big-endian)"


def test_binaries_are_left_out_of_a_copy_and_remembered(tmp_path: Path) -> None:
    (tmp_path / "main.o").write_bytes(elf(62, REL))
    (tmp_path / "prog").write_bytes(elf(62, EXEC))
    (tmp_path / "main.c").write_text("x")
    os.mkfifo(tmp_path / "queue")
    names = ["main.o", "prog", "main.c", "queue", ".git", "CMakeCache.txt"]
    before = BuiltBefore()
    assert before.ignored(str(tmp_path), names) == {"main.o", "prog", ".git", "CMakeCache.txt"}
    assert before.fits("amd64") == ["main.o"]
    assert before.fits("s390x") == []
    assert BuiltBefore("amd64").ignored(str(tmp_path), names) == {"prog", ".git", "CMakeCache.txt"}


def test_a_library_without_sources_is_explained(tmp_path: Path) -> None:
    (tmp_path / "libv.a").write_bytes(archive(elf(62, REL)))
    before = BuiltBefore()
    before.ignored(str(tmp_path), ["libv.a"])
    hint = explained("No rule to make target 'libv.a'", before, ARCHITECTURES["s390x"])
    assert hint.startswith("`libv.a` in the folder was built for amd64, not s390x")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("/bin/sh: 1: ./gen: Exec format error", "$(HOSTCC)"),
        ("ld.lld: error: undefined symbol: main\n", "no source defines main()"),
        ("ld.lld: error: unable to find library -lncurses", "build libncurses.a"),
        ("sh: 1: bison: not found", "needs `bison`"),
        ("make: flex: command not found", "needs `flex`"),
        ("main.c:1:1: error: x", ""),
    ],
)
def test_a_failure_that_has_a_usual_cause(words: str, hint: str) -> None:
    found = explained(words, BuiltBefore(), ARCHITECTURES["s390x"])
    assert hint in found if hint else not found


def test_what_make_clean_would_remove_is_removed_without_running_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "sub").mkdir(parents=True)
    (tmp_path / "precious").write_text("x")
    for name in ("table.h", "main.c", "sub/x.tmp", "notes"):
        (copy / name).write_text("x")
    (copy / "sub/Makefile").write_text("clean:\n\trm -f *.tmp\n")
    (copy / "Makefile").write_text(
        f"clean:\n\t@rm -f table.h ../precious {tmp_path}/precious *\n\ttouch ran\n\t$(MAKE) -C sub clean\n"
    )
    removed = remove_what_make_makes(copy, copy, os.environ, Deadline.after(60))
    assert sorted(removed) == ["sub/x.tmp", "table.h"]
    assert sorted(path.name for path in copy.rglob("*")) == ["Makefile", "Makefile", "main.c", "notes", "sub"]
    assert (tmp_path / "precious").exists()


def test_a_makefile_without_such_a_target_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\ttrue\n")
    assert remove_what_make_makes(tmp_path, tmp_path, os.environ, Deadline.after(60)) == []


def test_targets_that_git_ignores_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".git/objects").mkdir(parents=True)
    (tmp_path / ".git/refs").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".gitignore").write_text("*.gen\n")
    (tmp_path / "Makefile").write_text("all: a.gen parser.c\na.gen parser.c:\n\ttouch $@\n")
    for name in ("a.gen", "data.gen", "parser.c"):
        (tmp_path / name).write_text("x")
    assert remove_what_make_makes(tmp_path, tmp_path, os.environ, Deadline.after(60)) == ["a.gen"]
    assert (tmp_path / "data.gen").exists()


def test_a_program_depends_on_what_its_sources_include_wherever_it_is(tmp_path: Path) -> None:
    work = tmp_path / "a/work"
    (work / "deep/down").mkdir(parents=True)
    (tmp_path / "a/common").mkdir()
    (work / "main.c").write_text(
        '#include "../common/one.h"\n#include <flag.h>\n  #  include "deep/down/x.h"\n'
    )
    (tmp_path / "a/common/one.h").write_text('#include "two.h"\n#include "one.h"\n')
    (tmp_path / "a/common/two.h").write_text("")
    (work / "deep/down/x.h").write_text('#include "missing.h"\n')
    (tmp_path / "flag.h").write_text("")
    found = {path.resolve() for path in included([work / "main.c"], ["-I", str(tmp_path)], work)}
    names = ("a/common/one.h", "a/common/two.h", "a/work/deep/down/x.h", "flag.h")
    assert found == {tmp_path / name for name in names}
    origin = Origin("x", work)
    build = Build(sources=["main.c"], flags=["-I", str(tmp_path)])
    assert found <= {path.resolve() for path in inputs(origin, build)}


def test_a_fifo_beside_a_source_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("")
    os.mkfifo(tmp_path / "pipe.h")
    (tmp_path / ".#main.c").symlink_to("me@host.1:2")
    for build in (Build(sources=["main.c"]), Build(command="make")):
        assert inputs(Origin("x", tmp_path), build) == [tmp_path / "main.c"]
