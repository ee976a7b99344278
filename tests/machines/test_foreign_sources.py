"""Sources that a student hands in are compiled on the controller: nothing of it gets into their program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.arch import host_arch
from orchestrator.compile.cross import build_exercise
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import BuildError, WorkError
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Exercise, Hidden

pytestmark = pytest.mark.real

MAIN = "int main(void) { return 0; }\n"


def build(folder: Path, source: str, theirs: str = "service.c") -> bytes:
    """The program made of a student's source, with a secret of the controller's beside its folder."""
    (folder / "secret").write_text("swordfish")
    place = folder / "exercise"
    place.mkdir()
    (place / "given.h").write_text('const char given[] = "GIVEN";\n')
    (place / "service.c").write_text(source.replace("SECRET", str(folder / "secret")) + MAIN)
    spec = Exercise.model_validate(
        {
            "title": "a",
            "run": "./service",
            "build": [{"sources": ["service.c"]}],
            "student": {"files": [theirs]},
        }
    )
    deadline = Deadline.after(600)
    exercise = LoadedExercise("work/serve", place, spec)
    return build_exercise(exercise, host_arch(), Archives(deadline), deadline)["service"].read_bytes()


def test_its_own_files_and_the_systems_headers_are_there(tmp_path: Path) -> None:
    headers = ("stdio.h", "sys/socket.h", "linux/seccomp.h", "linux/filter.h", "stdint.h", "endian.h")
    words = "".join(f"#include <{name}>\n" for name in headers)
    program = build(tmp_path, words + '#include "given.h"\nconst char *volatile used = given;\n')
    assert b"GIVEN" in program


@pytest.mark.parametrize(
    "source",
    [
        '#include "SECRET"\n',
        '#include "../secret"\n',
        '#define NAME "SECRET"\n#include NAME\n',
        '#if !__has_include("SECRET")\n#include "SECRET"\n#endif\n',
        "const char stolen[] = {\n#embed \"SECRET\"\n};\n",
        '#include "/dev/zero"\n',
    ],
)  # fmt: skip
def test_files_from_elsewhere_are_not(tmp_path: Path, source: str) -> None:
    with pytest.raises(WorkError, match="file not found") as caught:
        build(tmp_path, source)
    assert "swordfish" not in caught.value.message


@pytest.mark.parametrize(
    "source",
    ['__asm__(".incbin \\"SECRET\\"");\n', 'void f(void) { __asm__(".incbin \\"SECRET\\""); }\n'],
)
def test_the_assembler_includes_nothing_either(tmp_path: Path, source: str) -> None:
    with pytest.raises(WorkError, match="inline assembly is disabled") as caught:
        build(tmp_path, source)
    assert "swordfish" not in caught.value.message


def test_a_program_of_great_size_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="service"):
        build(tmp_path, "char much[1L << 30] = {1};\n")


_MACROS = "#define A0 x +\n" + "".join(f"#define A{n + 1} {f'A{n} ' * 8}\n" for n in range(12))


@pytest.mark.whole("it takes the compiler a minute")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (_MACROS + "int x = A12 0;\n",
         "needs too much memory"),
        ("void f(int x) { " + "if (x) x = 1; else " * 55_000 + "x = 2; }\n", "30 s of processor time"),
    ],
    ids=["macros", "ladder"],
)  # fmt: skip
def test_a_compiler_that_never_ends_is_ended(tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(WorkError, match=words):
        build(tmp_path, source)


def test_what_is_wrong_with_our_own_sources_is_ours(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="does not compile") as caught:
        build(tmp_path, "nonsense\n", theirs="another.c")
    assert not isinstance(caught.value, WorkError)


def shared(folder: Path, source: str, theirs: str = "service.c", **build: object) -> LoadedExercise:
    """An exercise that shares a header, and has a neighbour that it does not share."""
    place = folder / "topic" / "exercise"
    place.mkdir(parents=True, exist_ok=True)
    (place.parent / "given.h").write_text('const char given[] = "GIVEN";\n')
    (place.parent / "other.h").write_text('const char other[] = "OTHER";\n')
    (place / "service.c").write_text(source + MAIN)
    about = {"title": "a", "run": "./service", "shared": ["given.h"], "student": {"files": [theirs]}}
    spec = Exercise.model_validate({**about, "build": [build or {"sources": ["service.c"]}]})
    return LoadedExercise("work/serve", place, spec)


USE = '#include "../given.h"\nconst char *volatile used = given;\n'


def test_what_exercises_share_is_there_and_what_they_do_not_is_not(tmp_path: Path) -> None:
    deadline = Deadline.after(600)
    built = build_exercise(shared(tmp_path, USE), host_arch(), Archives(deadline), deadline)
    assert b"GIVEN" in built["service"].read_bytes()
    other = shared(tmp_path, '#include "../other.h"\n')
    with pytest.raises(WorkError, match="file not found"):
        build_exercise(other, host_arch(), Archives(deadline), deadline)


def test_a_change_of_what_is_shared_makes_programs_anew(tmp_path: Path) -> None:
    deadline = Deadline.after(600)
    exercise = shared(tmp_path, USE)
    first = build_exercise(exercise, host_arch(), Archives(deadline), deadline)["service"]
    (exercise.folder.parent / "given.h").write_text('const char given[] = "CHANGED";\n')
    again = build_exercise(exercise, host_arch(), Archives(deadline), deadline)["service"]
    assert b"CHANGED" in again.read_bytes()
    assert b"CHANGED" not in first.read_bytes()


def test_a_command_finds_what_is_shared(tmp_path: Path) -> None:
    deadline = Deadline.after(600)
    exercise = shared(tmp_path, USE, "none.txt", command="$CC -o service service.c", output="service")
    built = build_exercise(exercise, host_arch(), Archives(deadline), deadline)
    assert b"GIVEN" in built["service"].read_bytes()


def test_a_source_may_be_one_that_is_shared(tmp_path: Path) -> None:
    deadline = Deadline.after(600)
    exercise = shared(tmp_path, "", "none.txt", sources=["service.c", "../given.c"])
    (exercise.folder.parent / "given.c").write_text(USE.replace("../", ""))
    whole = replace(exercise, spec=exercise.spec.model_copy(update={"shared": ["given.h", "given.c"]}))
    built = build_exercise(whole, host_arch(), Archives(deadline), deadline)
    assert b"GIVEN" in built["service"].read_bytes()


@pytest.mark.parametrize("name", ["hidden/prober.c", "hidden/own.h", "hidden/numbers"])
def test_files_of_hidden_tests_are_not_there_for_what_is_visible(tmp_path: Path, name: str) -> None:
    place = tmp_path / "exercise"
    (place / "hidden").mkdir(parents=True)
    for file in ("hidden/prober.c", "hidden/own.h", "hidden/numbers"):
        (place / file).write_text("/* swordfish */\n")
    (place / "service.c").write_text(f'#include "{name}"\n{MAIN}')
    public = {
        "title": "a",
        "run": "./service",
        "build": [{"sources": ["service.c"]}],
        "student": {"files": ["service.c"]},
    }
    hidden = Hidden.model_validate(
        {
            "build": [{"sources": ["hidden/prober.c", "service.c"], "output": "prober"}],
            "files": ["hidden/numbers"],
            "checks": [{"that": "a", "equals": 1}],
        }
    )
    seen = LoadedExercise("work/serve", place, Exercise.model_validate(public), hidden)
    whole = replace(seen, spec=seen.spec.with_hidden(hidden), shown=seen)
    deadline = Deadline.after(600)
    with pytest.raises(WorkError, match="file not found"):
        build_exercise(whole, host_arch(), Archives(deadline), deadline)
