"""What students hand in is compiled within limits, sees nothing of this host, and its mistakes are theirs."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile import cross, untrusted
from orchestrator.compile.included import included
from orchestrator.compile.makefile_tools import Libraries
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import BuildError, WorkError
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Exercise, Hidden

ARCH = ARCHITECTURES["s390x"]
SPEC = {"title": "a", "run": "./work", "build": {"sources": ["work.c"]}, "student": {"files": ["work.c"]}}
HIDDEN = {"build": {"sources": ["hidden/probe.c"]}, "checks": [{"that": "a", "equals": 1}]}
MAIN = "int main(void) { return 0; }\n"

Compile = Callable[..., str]


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compile:
    """Compiles a student's source and returns what the compiler says. There is no C library: linking always
    fails, and says so."""
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "toolchain").mkdir()
    monkeypatch.setattr(cross, "_libraries", lambda *_, **__: Libraries(tmp_path / "toolchain", None))

    def run(source: str | bytes, **spec: object) -> str:
        place = tmp_path / "exercise"
        (place / "hidden").mkdir(parents=True, exist_ok=True)
        (tmp_path / "secret").write_text("swordfish")
        (place / "given.h").write_text("#define GIVEN 0\n")
        (place / "hidden/data").write_text("trout")
        (place / "hidden/probe.c").write_text('#include "data"\n')
        (place / "tester.c").write_text('#include "work.c"\n')
        text = source.replace("HERE", str(tmp_path)) if isinstance(source, str) else source
        (place / "work.c").write_bytes(text.encode() if isinstance(text, str) else text)
        exercise = LoadedExercise(
            "work/serve", place, Exercise.model_validate({**SPEC, **spec}), Hidden.model_validate(HIDDEN)
        )
        deadline = Deadline.after(120)
        with pytest.raises(WorkError) as caught:
            cross.build_exercise(exercise, ARCH, Archives(deadline), deadline)
        assert "swordfish" not in caught.value.message
        assert "trout" not in caught.value.message
        return caught.value.message

    return run


def test_what_is_right_gets_as_far_as_the_linker(compiled: Compile) -> None:
    assert "does not link" in compiled(
        '#include "given.h"\n#include <limits.h>\nint main(void){return GIVEN;}\n'
    )


ELSEWHERE = ["HERE/secret", "../secret", "/dev/zero", "/proc/kmsg", "HERE/nothing", "hidden/data"]
WAYS = [
    '#define THAT "NAME"\n#include THAT\n',
    '#import "NAME"\n',
    'const char stolen[] = {\n#embed "NAME"\n};\n',
    '#pragma GCC dependency "NAME"\n',
    '_Pragma("GCC dependency \\"NAME\\"")\n',
]


@pytest.mark.parametrize(
    ("source", "name"),
    [*(('#include "NAME"\n', name) for name in ELSEWHERE), *((way, "/etc/passwd") for way in WAYS)],
)
def test_a_file_from_elsewhere_is_as_good_as_none(compiled: Compile, source: str, name: str) -> None:
    said = compiled(source.replace("NAME", name) + MAIN)
    assert "file not found" in said


@pytest.mark.parametrize("ask", ["__has_include", "__has_embed"])
@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "hidden/data"])
def test_nor_does_a_source_learn_whether_it_is_there(compiled: Compile, ask: str, name: str) -> None:
    said = compiled(f'#if {ask}("{name}")\n#error it is there\n#endif\n{MAIN}')
    assert "does not link" in said
    assert "it is there" not in said


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "assembly outside of functions": (
        '__asm__(".incbin \\"/etc/passwd\\"");\n',
        "inline assembly is disabled",
    ),
    "assembly": ('void f(void) { __asm__("nop"); }\n', "inline assembly is disabled"),
    "a forged line": ('#line 1 "/etc/passwd"\n#error forged\n', "error: forged"),
    "a trigraph": ('??=include "/etc/passwd"\n', "trigraph ignored"),
    "a long name": ('#include "' + "a" * 300 + '"\n', "file"),
    "a long path": ('#include "' + "a/" * 5000 + '"\n', "file"),
    "itself": ('#include "work.c"\n#include "work.c"\n', "nested too deeply"),
    "parentheses": (
        "int main(void) { return " + "(" * 100_000 + "1" + ")" * 100_000 + "; }\n",
        "nesting level exceeded",
    ),
    "braces": ("int x[] = " + "{" * 100_000 + "}" * 100_000 + ";\n", "nesting level exceeded"),
    "operators": ("int main(void) { return " + "!" * (2**20 - 40) + "1; }\n", "crashed on this"),
    "a crash": ("#pragma clang __debug crash\n", "crashed on this"),
    "a fatal error": ("#pragma clang __debug llvm_fatal_error\n", "crashed on this"),
    "a large array": ("char much[1L << 30] = {1};\n", "larger than 16 MiB"),
    "a large alignment": ("__attribute__((aligned(1 << 28))) char far[2] = {1};\n", "larger than 16 MiB"),
    "a long line": ("int x;" + " " * (2**20 - 10) + "y", "error"),
    "macros": ("".join(f"#define A{n} A{n + 1}\n" for n in range(20_000)) + "A0\n", "error"),
    "UTF-16": (MAIN.encode("utf-16"), "UTF-16"),
    "UTF-32": (MAIN.encode("utf-32"), "error"),
    "NUL": (b"int main(void) {\0\0\0 return 0; }}\n", "error"),
    "no text": (b"\xff\xfe\xfd\n", "error"),
    "every byte": (bytes(range(256)) * 20, "error"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_source_does_not_compile(compiled: Compile, what: str) -> None:
    source, words = HOSTILE[what]
    said = compiled(source)
    assert "work.c does not compile" in said
    assert words in said
    assert len(said) <= untrusted.MOST_WORDS + 1000
    assert "PLEASE" not in said
    assert "Stack dump" not in said


def test_a_tester_with_a_students_source_in_it_is_confined_too(compiled: Compile) -> None:
    said = compiled('#include "/etc/passwd"\n', build={"sources": ["tester.c"]})
    assert "file not found" in said


def test_no_library_is_linked_by_its_path(compiled: Compile) -> None:
    said = compiled(f'#pragma comment(lib, "HERE/secret")\n{MAIN}')
    assert "does not link" in said
    assert "secret" not in said.partition("\n")[2]


def test_what_is_wrong_with_the_labs_own_source_is_ours(tmp_path: Path, compiled: Compile) -> None:
    compiled("error")  # makes the folder
    spec = {**SPEC, "build": {"sources": ["hidden/probe.c"]}}
    exercise = LoadedExercise("work/serve", tmp_path / "exercise", Exercise.model_validate(spec))
    deadline = Deadline.after(120)
    with pytest.raises(BuildError) as caught:
        cross.build_exercise(exercise, ARCH, Archives(deadline), deadline)
    assert not isinstance(caught.value, WorkError)


def test_hidden_tests_include_what_is_theirs(tmp_path: Path) -> None:
    files = [tmp_path / "work.c", tmp_path / "hidden/data", tmp_path / "sub/../given.h"]
    foreign = cross._Foreign(frozenset({"hidden/probe.c", "hidden/"}))
    plain = [tmp_path / "work.c", tmp_path / "hidden/data", tmp_path / "given.h"]
    assert foreign.sees(tmp_path / "hidden/probe.c", files, tmp_path) == plain
    assert foreign.sees(tmp_path / "work.c", files, tmp_path) == [plain[0], plain[2]]


def test_a_device_is_not_touched_to_learn_what_a_source_includes(tmp_path: Path) -> None:
    (tmp_path / "exercise").mkdir()
    (tmp_path / "x.h").touch()
    folder = tmp_path / "exercise"
    names = ["/proc/kmsg", "/proc/kcore", "/etc/passwd", "../x.h", "link.h", "y.h", "a" * 300, "sub/../y.h"]
    (folder / "work.c").write_text("".join(f'#include "{name}"\n' for name in names))
    (folder / "link.h").symlink_to(tmp_path / "x.h")
    (folder / "y.h").touch()
    found = included([folder / "work.c"], [], folder, inside=True)
    assert {path.name for path in found} <= {"y.h"}


def test_the_view_is_all_there_is(tmp_path: Path) -> None:
    flags = untrusted.write_view(tmp_path / "view", [Path('/a/"b\\.c')], [Path("/t")])
    about = json.loads((tmp_path / "view").read_text())
    assert flags == ["-ivfsoverlay", tmp_path / "view"]
    assert about["redirecting-with"] == "redirect-only"
    assert [(one["type"], one["name"]) for one in about["roots"]] == [
        ("file", '/a/"b\\.c'),
        ("directory-remap", "/t"),
    ]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("", 1, ""),
        ("a.c:1: error: x\n", 1, "a.c:1: error: x\n"),
        ("", -signal.SIGXCPU, "the compiler was stopped: it took 30 s of processor time\n"),
        ("", -signal.SIGXFSZ, "the compiler was stopped: the program is larger than 16 MiB\n"),
        ("a\n", -signal.SIGKILL, "a\nthe compiler crashed on this, or was killed\n"),
        ("LLVM ERROR: out of memory\n", 134,
         "LLVM ERROR: out of memory\nthe compiler needs too much memory for this\n"),
    ],
)  # fmt: skip
def test_how_it_was_ended(words: str, code: int, told: str) -> None:
    assert untrusted.told(words, code) == told


def test_words_are_cut() -> None:
    said = untrusted.told("x" * 10**6, 0)
    assert len(said) < untrusted.MOST_WORDS + 100
    assert said.endswith("\n… (cut: too many messages)\n")
