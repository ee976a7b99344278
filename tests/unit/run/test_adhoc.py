"""A program tried everywhere: which machines, how it is built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from factories import record

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.compile.cross import Built
from orchestrator.errors import BuildError, SpecError
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.progress import SilentProgress
from orchestrator.run import by_library, prebuild
from orchestrator.run.adhoc import lab_of, machines_for
from orchestrator.run.by_library import named_by_library, places


def test_all_is_every_boundary_and_every_architecture() -> None:
    machines = machines_for("all")
    assert {"process", "sandbox", "container", "vm"} <= set(machines)
    assert {m.arch for m in machines.values() if m.arch} == set(ARCHITECTURES) - {host_arch().name}


def test_machines_are_chosen_by_name_in_order() -> None:
    assert list(machines_for("s390x, vm")) == ["s390x", "vm"]


@pytest.mark.parametrize(("on", "hint"), [("s390", "did you mean 's390x'?"), (" , ", "machines: process")])
def test_a_machine_that_is_not_there_gets_a_hint(on: str, hint: str) -> None:
    with pytest.raises(SpecError) as wrong:
        machines_for(on)
    assert wrong.value.hint.startswith(hint)


def test_a_file_is_compiled_and_gets_its_arguments(tmp_path: Path) -> None:
    source = tmp_path / "prog.c"
    source.touch()
    lab = lab_of(source, ["a b", "c"], on="vm", stdin=None, command="", timeout=5.0)
    (exercise,) = lab.exercises
    assert exercise.folder == tmp_path
    assert exercise.spec.build[0].sources == ["prog.c"]
    assert exercise.spec.run[0].argv == ["./prog", "a b", "c"]


def test_a_folder_is_built_by_make_or_by_a_command(tmp_path: Path) -> None:
    (tmp_path / "Makefile").touch()
    for command, expected in (("", "make"), ("make prog", "make prog")):
        lab = lab_of(tmp_path, [], on="vm", stdin=None, command=command, timeout=5.0)
        assert lab.exercises[0].spec.build[0].command == expected


def test_what_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        lab_of(tmp_path / "none.c", [], on="all", stdin=None, command="", timeout=5.0)
    with pytest.raises(SpecError, match="--stdin"):
        lab_of(tmp_path, [], on="all", stdin=tmp_path / "none", command="make", timeout=5.0)


def test_standard_input_is_a_file_or_the_null_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for given, words in ((tmp_path, "is a folder"), (tmp_path / "pipe", "is not a regular file")):
        with pytest.raises(SpecError, match=words):
            lab_of(tmp_path, [], on="vm", stdin=given, command="make", timeout=5.0)
    lab = lab_of(tmp_path, [], on="vm", stdin=Path(os.devnull), command="make", timeout=5.0)
    assert lab.exercises[0].spec.run[0].stdin is None


def refusal(path: Path, command: str = "") -> SpecError:
    with pytest.raises(SpecError) as wrong:
        lab_of(path, [], on="all", stdin=None, command=command, timeout=5.0)
    return wrong.value


def test_what_cannot_be_built_is_bad_input_before_anything_starts(tmp_path: Path) -> None:
    for name in ("prog.py", "Makefile.bak", "prog"):
        (tmp_path / name).touch()
        assert "is not a C or C++ source" in refusal(tmp_path / name).message
    os.mkfifo(tmp_path / "pipe.c")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe.c").message
    (tmp_path / "gone.c").symlink_to("nowhere.c")
    assert "a link to 'nowhere.c', which is not there" in refusal(tmp_path / "gone.c").message


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("CMakeLists.txt", "--build 'cmake -B build && make -C build'"),
        ("configure", "--build './configure --host=$CROSS_TRIPLE && make'"),
        ("src/Makefile", "--build 'make -C src'"),
        ("main.c", "name one source"),
        ("notes.txt", "name a C or C++ file"),
    ],
)
def test_a_folder_without_a_makefile_gets_the_way_to_build_it(tmp_path: Path, file: str, hint: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    wrong = refusal(tmp_path)
    assert "has no Makefile" in wrong.message
    assert hint in wrong.hint


def test_a_link_is_compiled_where_it_is_and_headers_are_found_beside_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "real/source.c").touch()
    (tmp_path / "links/mine.c").symlink_to("../real/source.c")
    (exercise,) = lab_of(
        tmp_path / "links/mine.c", [], on="vm", stdin=None, command="", timeout=5.0
    ).exercises
    assert exercise.folder == tmp_path / "links"
    assert exercise.spec.build[0].sources == ["mine.c"]
    assert exercise.spec.build[0].flags == ["-iquote", str(tmp_path / "real")]


def test_names_and_arguments_hold_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 -.c")
    (tmp_path / name).touch()
    lab = lab_of(tmp_path / name, [os.fsdecode(b"\xff")], on="vm", stdin=None, command="", timeout=5.0)
    assert lab.exercises[0].spec.run[0].argv == ["./" + name.removesuffix(".c"), "\udcff"]


def both(folder: Path, libc: str = "both") -> LoadedLab:
    (folder / "p.c").touch()
    return lab_of(folder / "p.c", [], on="vm,s390x", stdin=None, command="", timeout=5.0, libc=libc)


def test_with_two_libraries_a_program_is_run_twice_on_each_machine(tmp_path: Path) -> None:
    lab = both(tmp_path)
    assert [(one.name, one.spec.libc) for one in lab.exercises] == [("./musl", "musl"), ("./glibc", "glibc")]
    assert lab.lab.exercises == ["./musl", "./glibc"]
    assert places(lab) == ["vm musl", "vm glibc", "s390x musl", "s390x glibc"]


@pytest.mark.parametrize("libc", ["musl", "glibc"])
def test_with_one_library_nothing_is_named_for_it(tmp_path: Path, libc: str) -> None:
    lab = both(tmp_path, libc)
    assert [one.spec.libc for one in lab.exercises] == [libc]
    assert places(lab) == ["vm", "s390x"]


def test_a_library_that_is_not_there_gets_a_hint(tmp_path: Path) -> None:
    for name, hint in (("glib", "did you mean 'glibc'?"), ("bionic", "choose one: musl, glibc, both")):
        with pytest.raises(SpecError, match="unknown C library") as wrong:
            both(tmp_path, name)
        assert wrong.value.hint == hint


def test_results_are_named_for_the_library_and_say_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_library, "platform_of_library", lambda arch: {"libc": arch.toolchain.library})
    facts = {"bits": 64, "libc": "what a host of a cluster says"}
    ran = [record(machine="vm", exercise=f"./{name}", platform=facts) for name in ("glibc", "musl")]
    never = record(machine="s390x", arch="s390x", exercise="./musl", platform={})
    found = named_by_library(both(tmp_path), [*ran, never])
    assert [(one.machine, one.platform.get("libc")) for one in found] == [
        ("vm glibc", "glibc"),
        ("vm musl", "musl"),
        ("s390x musl", None),
    ]
    assert found[0].platform["bits"] == 64


def test_what_compiles_with_one_library_only_runs_with_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the other there is an answer that is missing, on each machine."""
    (tmp_path / "p").write_bytes(b"program")
    program = Built({"p": tmp_path / "p"}, {})
    failure = BuildError("p.c does not compile for s390x", words="no such header")

    def build(exercise: LoadedExercise, *_: object) -> object:
        if exercise.spec.libc == "musl":
            return {}, {"s390x": failure, "amd64": failure}
        return {"s390x": program}, {"amd64": failure}

    monkeypatch.setattr(prebuild, "_build_all", build)
    monkeypatch.setattr(prebuild, "arch_of", lambda machine: ARCHITECTURES[machine.arch or "amd64"])
    lab = both(tmp_path)
    ready = prebuild.prebuilt(lab, [], "", SilentProgress())
    assert list(ready.made) == ["s390x glibc"]
    assert list(ready.failures) == ["s390x musl", "amd64 musl", "amd64 glibc"]
    assert ready.lab is not None
    assert list(ready.lab.lab.machines) == ["s390x"]
    assert [one.name for one in ready.lab.exercises] == ready.lab.lab.exercises == ["./glibc"]
    told = [(one.machine, one.exercise) for one in ready.absent]
    assert told == [("vm", "./musl"), ("s390x", "./musl"), ("vm", "./glibc")]
