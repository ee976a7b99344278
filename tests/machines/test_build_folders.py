"""The usual shapes of C projects are built unchanged, for another architecture and another byte order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.cross import Built, Origin, built
from orchestrator.compile.elf import binary
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import BuildError
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Build, Exercise

pytestmark = pytest.mark.real

ARCH = "s390x"
MAIN = "int main(void) { return 0; }\n"


def build(folder: Path, files: Mapping[str, str], *sources: str, libc: str = "musl") -> Built:
    """What make, or the compiler if there are ``sources``, makes of these files for ``ARCH``."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    what = Build.model_construct(sources=list(sources)) if sources else Build(command="make")
    spec = Exercise.model_validate({"title": "a", "run": "./prog", "libc": libc})
    exercise = LoadedExercise("work/project", folder, spec)
    deadline = Deadline.after(900)
    made = built(exercise, Origin("project", folder), what, ARCHITECTURES[ARCH], Archives(deadline), deadline)
    for path in made.programs.values():
        found = binary(path)
        assert found is not None
        assert (found.kind, found.arch, found.loader) == ("program", ARCH, False)
    return made


CALLS_F = "int f(void); int main(void) { return f(); }\n"
F = "int f(void) { return 0; }\n"
SHAPES = {
    "own library": (
        "prog: main.o libf.a\n\t$(CC) -o $@ main.o -L. -lf -lm -lpthread -ldl -lrt -lcrypt\n"
        "libf.a: f.o\n\t$(AR) rcs $@ $^\n\t$(RANLIB) $@\n",
        {"main.c": CALLS_F, "f.c": F},
    ),
    "shared library": (
        "prog: libf.so.1\n\t$(CC) -o $@ main.c -L. -lf -Wl,-rpath,.\n"
        "libf.so.1: f.c\n\t$(CC) -shared -fPIC -Wl,-soname,$@ -o $@ $^\n\tln -s $@ libf.so\n",
        {"main.c": CALLS_F, "f.c": F},
    ),
    "shared library by name": (
        "prog: main.c libf.so\n\t$(CC) -o $@ $^\nlibf.so: f.o\n\t$(CC) -shared -o $@ $^\n",
        {"main.c": CALLS_F, "f.c": F},
    ),
    "include folders": (
        "prog: main.c\n\t$(CC) -isystem include -iquote quote -o $@ main.c\n",
        {
            "main.c": '#include <a.h>\n#include "b.h"\nint main(void) { return A + B; }\n',
            "include/a.h": "#define A 0\n",
            "quote/b.h": "#define B 0\n",
        },
    ),
    "define with spaces": (
        "CFLAGS += -DGREETING='\"good day\"'\nprog: main.c\n\t$(CC) $(CFLAGS) -o $@ main.c\n",
        {"main.c": "int main(void) { return sizeof GREETING != 9; }\n"},
    ),
    "equal base names": (
        "prog: a/f.c b/f.c main.c\n\t$(CC) -o $@ $^\n",
        {"a/f.c": F, "b/f.c": "int g(void) { return 0; }\n", "main.c": CALLS_F},
    ),
    "standard input and response file": (
        "prog: main.c\n\techo '-x c -c - -o f.o' > opts\n\t$(CC) @opts < f.c\n"
        "\t$(CC) -dumpmachine | grep s390x\n"
        "\t$(CC) -MMD -c main.c\n\ttest -f main.d\n\t$(CC) -Wl,--wrap=h -o $@ main.o f.o\n",
        {"main.c": CALLS_F, "f.c": F},
    ),
    "flags of another host": (
        "CC = gcc-12 -std=gnu17\nCFLAGS = -Werror -Wall -Wno-maybe-uninitialized -march=native -m64 -static "
        "-fanalyzer -fsanitize=address,undefined -pg\nprog: main.o\n\t$(CC) $(CFLAGS) -o $@ $^\n",
        {"main.c": "#define _GNU_SOURCE\n#include <stdio.h>\n" + MAIN},
    ),
    "names gcc, ar and ld": (
        "prog:\n\tgcc -c main.c\n\tgcc -c f.c\n\tld -r -o both.o f.o\n\tar rc libf.a both.o\n"
        "\tclang -o $@ main.o libf.a\n\tstrip $@\n",
        {"main.c": CALLS_F, "f.c": F},
    ),
    "a generator": (
        "HOSTCC = gcc\nprog: table.h\n\t$(CC) -o $@ main.c\ntable.h: gen\n\t./gen > $@\n"
        "gen: gen.c\n\t$(HOSTCC) -o $@ $^\n",
        {
            "gen.c": '#include <stdio.h>\nint main(void) { return puts("#define N 0") < 0; }\n',
            "main.c": '#include "table.h"\nint main(void) { return N; }\n',
        },
    ),
    "recursive, in a folder": (
        "all:\n\t$(MAKE) -C src\n",
        {"src/Makefile": "../bin/prog: main.c\n\tmkdir -p ../bin\n\t$(CC) -o $@ $^\n", "src/main.c": MAIN},
    ),
    "C++": (
        "CXXFLAGS = -std=c++17\nbuild/prog: main.o\n\tmkdir -p build\n\t$(CXX) -o $@ $^ -lstdc++\n",
        {"main.cpp": "#include <iostream>\nint main() { try { throw 1; } catch (int) { std::cout << 1; } }"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("libc", ["musl", pytest.param("glibc", marks=pytest.mark.whole)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_of_project_is_built_as_it_is(tmp_path: Path, shape: str, libc: str) -> None:
    makefile, files = SHAPES[shape]
    made = build(tmp_path, {"Makefile": makefile, **files}, libc=libc)
    assert [Path(name).name for name in made.programs] == ["prog"]
    assert set(files) <= set(made.data)


def test_what_is_left_out_of_the_flags_is_said(tmp_path: Path) -> None:
    makefile, files = SHAPES["flags of another host"]
    made = build(tmp_path, {"Makefile": makefile, **files})
    for flag in ("-march=native", "-fsanitize=address,undefined", "-pg", "-fanalyzer"):
        assert f"isolab: {flag} left out" in made.warnings
    assert any("the build calls gcc-12" in note for note in made.notes)


def test_other_bits_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as wrong:
        build(tmp_path, {"Makefile": "prog: main.c\n\t$(CC) -m32 -o $@ $^\n", "main.c": MAIN})
    assert "-m32 asks for 32 bits, and s390x has 64" in wrong.value.words


def test_a_folder_built_before_is_built_anew(tmp_path: Path) -> None:
    makefile = "prog: main.o\n\t$(CC) -o $@ $^\nclean:\n\trm -f prog *.o table\n"
    files = {"Makefile": makefile, "main.c": MAIN, "table": "of this host"}
    first = build(tmp_path, files)
    for name, data in (
        ("main.o", b"\x7fELF stale"),
        ("prog", next(iter(first.programs.values())).read_bytes()),
    ):
        (tmp_path / name).write_bytes(data)
    again = build(tmp_path, {})
    assert "built before, and made anew: prog" in again.notes
    assert "table" not in again.data


def test_a_compiler_by_its_path_is_told_by_what_it_made(tmp_path: Path) -> None:
    for path in ("/usr/bin/gcc", "/usr/bin/cc"):
        if os.access(path, os.X_OK):
            break
    else:
        pytest.skip("needs a compiler of this host")
    with pytest.raises(BuildError) as wrong:
        build(tmp_path, {"Makefile": f"prog: main.c\n\t{path} -o $@ $^\n", "main.c": MAIN})
    assert "`prog` was built for " in wrong.value.summary
    assert "not s390x" in wrong.value.summary


def test_nothing_of_the_users_environment_reaches_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "stdio.h").write_text("#error of the host\n")
    for name in ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"):
        monkeypatch.setenv(name, str(evil))
    for name in ("CFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS", "CCC_OVERRIDE_OPTIONS", "ZIG_LIB_DIR"):
        monkeypatch.setenv(name, "--no-such-option")
    files = {"main.c": f"#include <stdio.h>\n/* {tmp_path} */\n" + MAIN}
    folder = tmp_path / "project"
    assert build(folder, {**files, "Makefile": "prog: main.o\n\t$(CC) -o $@ $^\n"}).programs
    assert build(folder, files, "main.c").programs


def test_our_own_definitions_make_no_warnings(tmp_path: Path) -> None:
    for number, line in enumerate(
        ("#define _GNU_SOURCE", "#define _GNU_SOURCE 1", "#define _DEFAULT_SOURCE")
    ):
        text = f"{line}\n#include <unistd.h>\n#include <string.h>\n" + MAIN
        assert build(tmp_path / str(number), {"main.c": text}, "main.c").warnings == ""


def test_a_header_further_away_is_part_of_the_program(tmp_path: Path) -> None:
    files = {
        "work/main.c": '#include "../common/n.h"\nint main(void) { return N; }\n',
        "common/n.h": "#define N 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    one = build(tmp_path / "work", {}, "main.c").programs["main"].read_bytes()
    (tmp_path / "common/n.h").write_text("#define N 2\n")
    assert build(tmp_path / "work", {}, "main.c").programs["main"].read_bytes() != one


def test_a_source_whose_name_is_an_option_or_any_bytes(tmp_path: Path) -> None:
    for name in ("-x.c", "two words.c", os.fsdecode(b"caf\xe9.c"), "x" * 240 + ".c"):
        (tmp_path / name).write_text(MAIN)
        made = build(tmp_path, {}, name)
        assert list(made.programs) == [name.removesuffix(".c")]


def test_data_go_along_within_bounds(tmp_path: Path) -> None:
    files = {
        "Makefile": "prog: main.c\n\t$(CC) -o $@ $^\n\techo made > made.txt\n",
        "main.c": MAIN,
        "data/w.txt": "w",
    }
    tmp_path.joinpath("huge.img").touch()
    os.truncate(tmp_path / "huge.img", 2**42)
    made = build(tmp_path, files)
    assert made.data["data/w.txt"].read_text() == "w"
    assert "made.txt" in made.data
    assert "huge.img" not in made.data
    assert any("huge.img" in note for note in made.notes)


def test_paths_of_the_build_are_not_in_the_program(tmp_path: Path) -> None:
    """They would make answers differ: assert(3) prints them."""
    main = "#include <stdio.h>\nint main(void) { return puts(__FILE__) < 0; }\n"
    made = build(tmp_path, {"Makefile": "prog: main.c\n\t$(CC) -o $@ $(CURDIR)/main.c\n", "main.c": main})
    program = made.programs["prog"].read_bytes()
    assert b"main.c\0" in program
    assert b"/main.c" not in program
