"""A student's work in its exercise: what is taken and from where, what is refused, and what stays hidden."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from factories import SITE, answer, record, subject

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import SpecError
from orchestrator.exercises.execute import (
    MAKE_ROOM,
    SET_ASIDE,
    ExerciseContext,
    items,
    of_visible_steps,
    run_exercise,
)
from orchestrator.exercises.submission import (
    MOST_BYTES,
    assembled,
    handed_in,
    machines_for_students,
    provided,
    with_work,
)
from orchestrator.host import process
from orchestrator.labfile.load import LoadedExercise, LoadedLab, load_exercise
from orchestrator.labfile.models import Lab
from orchestrator.record import Status
from orchestrator.results.snapshot import about_run, keep, specs_of
from orchestrator.transport.base import Result

EXERCISE = """\
title: Serve
student: {files: [service.c, sub/more.h]}
build: [{sources: [service.c]}, {sources: [tester.c]}]
files: [words.txt]
run: ./tester
checks: [{that: greets, equals: "seen by all", why: "a visible reason"}]
"""
HIDDEN = """\
files: [hidden/data]
build: {sources: [hidden/prober.c]}
run: {HIDDEN_RUN}
checks: [{that: survives, equals: "expected secret", why: "reason secret"}]
wrong: {rude: [survives]}
""".replace("{HIDDEN_RUN}", "[{run: ./prober ./service, stdin: hidden/data}]")
PLACES = ("skeleton", "solution", "wrong/rude")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "scratch"
    monkeypatch.setenv("ISOLAB_SCRATCH", str(place))
    return place


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def make(folder: Path, name: str = "work/serve") -> LoadedExercise:
    place = folder / name
    write(place, {"exercise.yaml": EXERCISE, "hidden.yaml": HIDDEN, "tester.c": "", "README.md": ""})
    write(place, {"words.txt": "words", "hidden/prober.c": "", "hidden/data": "data"})
    for kind in PLACES:
        write(place / kind, {"service.c": f"/* {kind} */", "sub/more.h": f"/* {kind} */"})
    return load_exercise(place, name)


@pytest.fixture
def exercise(tmp_path: Path) -> LoadedExercise:
    return make(tmp_path)


def lab(folder: Path, *exercises: LoadedExercise) -> LoadedLab:
    names = [exercise.name for exercise in exercises]
    spec = Lab.model_validate({"lab": "small", "machines": {"vm": {"driver": "qemu"}}, "exercises": names})
    (folder / "lab.yaml").write_text("lab: small\n")
    return LoadedLab(spec, folder / "lab.yaml", exercises)


def files(text: str) -> dict[str, bytes]:
    return {"service.c": text.encode(), "sub/more.h": b""}


def test_the_folder_holds_the_work_and_nothing_of_the_answers(
    exercise: LoadedExercise, tmp_path: Path
) -> None:
    whole = assembled(exercise, files("mine"), tmp_path / "whole")
    there = {str(path.relative_to(whole.folder)) for path in whole.folder.rglob("*") if path.is_file()}
    assert there == {
        "exercise.yaml", "tester.c", "words.txt", "hidden/prober.c", "hidden/data",
        "service.c", "sub/more.h",
    }  # fmt: skip
    assert (whole.folder / "service.c").read_text() == "mine"
    assert [step.run for step in whole.spec.run] == ["./tester", "./prober ./service"]


def test_work_is_laid_into_a_read_only_exercise(exercise: LoadedExercise, tmp_path: Path) -> None:
    for path in (exercise.folder, *exercise.folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    whole = assembled(exercise, files("mine"), tmp_path / "whole")
    assert all(path.stat().st_mode & 0o200 for path in (whole.folder, *whole.folder.rglob("*")))


@dataclass
class Wire:
    """Says that all is well, and keeps everything that went into the machine."""

    sent: list[bytes] = field(default_factory=list)

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        self.sent += [" ".join(argv).encode(), stdin]
        said = answer(b'{"greets": "seen by all", "survives": "no"}\n') if "--" in argv else b""
        return Result(0, said, b"")


def test_no_expectation_of_a_hidden_test_goes_into_a_machine(
    exercise: LoadedExercise, tmp_path: Path
) -> None:
    whole = assembled(exercise, files("mine"), tmp_path / "whole")
    built = {name: tmp_path / "program" for name in ("service", "tester", "prober")}
    (tmp_path / "program").write_bytes(b"\x7fELF")
    pushed = items(whole, built, 1000)
    wire = Wire()
    place = ExerciseContext(wire, SITE, subject(), "run-vm", "isolab-canary-run", pushed={whole.name: pushed})
    done = run_exercise(whole, place, record(), Cancellation())
    assert (done.status, done.points, done.max_points) == (Status.FAIL, 1, 2)
    assert "expected secret" in done.reason
    everything = b"".join([*wire.sent, *(item.data or b"" for item in pushed)])
    assert b"hidden/data" in everything
    for secret in (b"secret", b"survives", b"hidden.yaml", b"visible reason", b"rude"):
        assert secret not in everything


def test_a_later_step_gets_its_programs_anew(exercise: LoadedExercise, tmp_path: Path) -> None:
    whole = assembled(exercise, files("mine"), tmp_path / "whole")
    (tmp_path / "program").write_bytes(b"\x7fELF pristine")
    pushed = items(whole, dict.fromkeys(("service", "tester", "prober"), tmp_path / "program"), 1000)
    wire = Wire()
    place = ExerciseContext(wire, SITE, subject(), "run-vm", "isolab-canary-run", pushed={whole.name: pushed})
    run_exercise(whole, place, record(), Cancellation())
    _, _, moving, _, unpacking, archive, last, _ = wire.sent
    names = ("service", "tester", "prober", "words.txt", "hidden")
    assert moving.decode().startswith("sh -c ")
    assert moving.decode().endswith(" ".join(["", "/work", *(f"/work/work-serve/{name}" for name in names)]))
    assert unpacking.startswith(b"tar -x")
    assert archive.count(b"pristine") == 3
    assert b" --exec ./prober " in last
    assert last.endswith(b" -- ./prober ./service")


def test_what_was_there_is_moved_and_its_place_is_free(tmp_path: Path) -> None:
    """Pages of a program that ran must not be given to another: exercise.SET_ASIDE says why."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/program").write_text("ran")
    (tmp_path / "work/link").symlink_to("nowhere")
    (tmp_path / "work/folder").mkdir()
    given = [str(tmp_path / "work" / name) for name in ("program", "link", "folder", "missing")]
    argv = ["sh", "-c", SET_ASIDE, str(tmp_path / "work"), *given]
    assert process.run(argv, deadline=Deadline.after(20)).code == 0
    (aside,) = (tmp_path / "work").iterdir()
    assert aside.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in aside.iterdir()} == {"program", "link", "folder"}
    assert (aside / "program").read_text() == "ran"


def test_what_hidden_tests_add_comes_when_they_begin(exercise: LoadedExercise, tmp_path: Path) -> None:
    whole = assembled(exercise, files("mine"), tmp_path / "whole")
    (tmp_path / "program").write_bytes(b"\x7fELF")
    pushed = items(whole, dict.fromkeys(("service", "tester", "prober"), tmp_path / "program"), 1000)
    hidden = {"hidden", "hidden/data", "prober"}
    first = {item.path.removeprefix("work-serve/") for item in of_visible_steps(whole, pushed)}
    everything = {item.path.removeprefix("work-serve/") for item in pushed}
    assert everything - first == hidden
    assert first == {"work-serve", "service", "tester", "words.txt"}
    without = replace(whole, hidden=None)
    assert of_visible_steps(without, pushed) == pushed


def test_a_folder_full_of_what_a_program_left_is_emptied(tmp_path: Path) -> None:
    place = tmp_path / "work-serve"
    for name in ("tester", "hidden/data", "flood/a", ".left", "a b"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    given = [str(place / name) for name in ("tester", "hidden", "missing")]
    argv = ["sh", "-c", MAKE_ROOM, str(tmp_path), *given]
    assert process.run(argv, deadline=Deadline.after(20)).code == 0
    assert {path.name for path in place.iterdir()} == {"tester", "hidden"}


@dataclass
class Full(Wire):
    """Has no room until somebody makes it."""

    made: bool = False

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        if MAKE_ROOM in argv:
            self.made = True
        if SET_ASIDE in argv and not self.made:
            return Result(1, b"", b"mktemp: (null): No space left on device")
        return super().run(argv, deadline=deadline, stdin=stdin, hold_stdin=hold_stdin)


def test_a_step_finds_room_whatever_the_one_before_left(exercise: LoadedExercise, tmp_path: Path) -> None:
    whole = assembled(exercise, files("mine"), tmp_path / "whole")
    (tmp_path / "program").write_bytes(b"\x7fELF")
    pushed = items(whole, dict.fromkeys(("service", "tester", "prober"), tmp_path / "program"), 1000)
    place = ExerciseContext(
        Full(), SITE, subject(), "run-vm", "isolab-canary-run", pushed={whole.name: pushed}
    )
    assert run_exercise(whole, place, record(), Cancellation()).points == 1


class TestWhoseWork:
    def test_the_reference_solution_and_the_screen_says_so(
        self, exercise: LoadedExercise, tmp_path: Path
    ) -> None:
        with with_work(lab(tmp_path, exercise), None) as (whole, words):
            assert (whole.exercises[0].folder / "service.c").read_text() == "/* solution */"
        assert words == [
            "running the reference solution: work/serve; to run a student's work, use --work FOLDER"
        ]
        assert not whole.exercises[0].folder.exists()

    def test_the_skeleton_in_a_students_own_copy(self, exercise: LoadedExercise, tmp_path: Path) -> None:
        place = exercise.folder
        (place / "solution").rename(tmp_path / "elsewhere")
        (place / "hidden.yaml").unlink()
        with with_work(lab(tmp_path, load_exercise(place, exercise.name)), None) as (whole, words):
            assert (whole.exercises[0].folder / "service.c").read_text() == "/* skeleton */"
            assert [check.that for check in whole.exercises[0].spec.checks] == ["greets"]
        assert words[0].startswith("running the skeleton: work/serve")

    @pytest.mark.parametrize("inside", ["work/serve", "serve", ""])
    def test_a_students_folder_has_three_forms(
        self, exercise: LoadedExercise, tmp_path: Path, inside: str
    ) -> None:
        write(tmp_path / "hers" / inside, {"service.c": "hers", "sub/more.h": "", "prober.c": "ignored"})
        with with_work(lab(tmp_path, exercise), tmp_path / "hers") as (whole, words):
            assert (whole.exercises[0].folder / "service.c").read_text() == "hers"
            assert not (whole.exercises[0].folder / "prober.c").exists()
        assert words == [f"running the work in {tmp_path / 'hers'}: work/serve"]

    def test_what_is_there_runs_and_what_is_missing_is_named(self, tmp_path: Path) -> None:
        both = lab(tmp_path, make(tmp_path, "work/one"), make(tmp_path, "work/two"))
        write(tmp_path / "hers/two", {"service.c": "hers", "sub/more.h": ""})
        with with_work(both, tmp_path / "hers", ["work/two"]) as (whole, _):
            assert (whole.exercises[1].folder / "service.c").read_text() == "hers"
        with with_work(both, tmp_path / "hers") as (whole, words):
            one, two = whole.exercises
            assert (two.folder / "service.c").read_text() == "hers"
        assert one.not_handed_in.splitlines() == [
            "not handed in:", "work/one/service.c is missing", "work/one/sub/more.h is missing",
        ]  # fmt: skip
        assert one.spec.max_points == 2  # as if it had been handed in, with its hidden tests
        assert not one.public.not_handed_in
        assert words == [
            f"running the work in {tmp_path / 'hers'}: work/two",
            "0 points for work/one: not handed in: work/one/service.c is missing; "
            "work/one/sub/more.h is missing",
        ]

    def test_an_empty_source_is_no_work(self, exercise: LoadedExercise, tmp_path: Path) -> None:
        write(tmp_path / "hers", {"service.c": "\n", "sub/more.h": ""})
        with with_work(lab(tmp_path, exercise), tmp_path / "hers") as (whole, words):
            assert whole.exercises[0].not_handed_in == "not handed in: service.c is empty"
        assert words[0].startswith(f"nothing to run in {tmp_path / 'hers'}: ")

    def test_only_where_nothing_is_there_the_screen_says_where_it_is_expected(
        self, exercise: LoadedExercise, tmp_path: Path
    ) -> None:
        (tmp_path / "hers").mkdir()
        with with_work(lab(tmp_path, exercise), tmp_path / "hers") as (_, words):
            assert words[0].startswith(f"no work on these exercises in {tmp_path / 'hers'}: each exercise")

    @pytest.mark.parametrize(
        ("there", "told"),
        [
            ("service.c", "service.c is there: it belongs in work/one/"),
            ("mine/Service.c", "mine/Service.c is there: it belongs in work/one/, as service.c"),
            ("a\x1b/service.c", "a\\x1b/service.c is there: it belongs in work/one/"),
            ("work/two/service.c", ""),
        ],
    )
    def test_a_file_in_another_place_is_named(self, tmp_path: Path, there: str, told: str) -> None:
        both = [make(tmp_path, "work/one"), make(tmp_path, "work/two")]
        write(tmp_path / "hers", {there: "hers"})
        said = handed_in(tmp_path / "hers", both)[0].missing[0]
        assert said == "work/one/service.c is missing" + (f" ({told})" if told else "")

    def test_a_folder_through_a_link_is_that_folder(self, exercise: LoadedExercise, tmp_path: Path) -> None:
        write(tmp_path / "hers/mine", {"service.c": "hers", "sub/more.h": ""})
        (tmp_path / "hers/serve").symlink_to("mine")
        (tmp_path / "link").symlink_to("hers")
        with with_work(lab(tmp_path, exercise), tmp_path / "link") as (whole, _):
            assert (whole.exercises[0].folder / "service.c").read_text() == "hers"

    def test_work_where_there_is_nothing_to_solve_is_a_mistake(self, tmp_path: Path) -> None:
        place = tmp_path / "work/plain"
        write(place, {"exercise.yaml": "title: a\nrun: cat words\nfiles: [words]\n", "words": ""})
        plain = lab(tmp_path, load_exercise(place, "work/plain"))
        with pytest.raises(SpecError, match="no effect"), with_work(plain, tmp_path):
            pass
        with with_work(plain, None) as (whole, words):
            assert (whole, words) == (plain, [])

    def test_a_folder_that_is_not_there(self, exercise: LoadedExercise, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match="no such folder"):
            handed_in(tmp_path / "nowhere", [exercise])


class TestWhereItRuns:
    def of(self, *names: str) -> LoadedLab:
        drivers = {"here": "process", "box": "sandbox", "vm": "qemu"}
        machines = {name: {"driver": drivers[name]} for name in names}
        spec = Lab.model_validate({"lab": "small", "machines": machines, "exercises": ["work/serve"]})
        return LoadedLab(spec, Path("lab.yaml"), ())

    def test_not_on_this_host_itself(self) -> None:
        machines, words = machines_for_students(self.of("here", "box", "vm"), ())
        assert machines == ("vm",)
        assert words == [
            "student code does not run on here, box, which is this host itself; "
            "to run it there anyway, name the machine with --only"
        ]

    def test_unless_somebody_names_it(self) -> None:
        assert machines_for_students(self.of("here", "vm"), ("here",)) == (("here",), [])

    def test_on_all_others(self) -> None:
        assert machines_for_students(self.of("vm"), ()) == (("vm",), [])

    def test_a_lab_that_has_no_other_machine(self) -> None:
        with pytest.raises(SpecError, match="this host itself"):
            machines_for_students(self.of("here"), ())


class TestHostileWork:
    @pytest.fixture
    def hers(self, tmp_path: Path) -> Path:
        write(tmp_path / "hers", {"service.c": "hers", "sub/more.h": ""})
        write(tmp_path, {"secret": "secret"})
        return tmp_path / "hers"

    def refused(self, hers: Path, exercise: LoadedExercise) -> str:
        """The first of what is told about the work."""
        return handed_in(hers, [exercise])[0].missing[0]

    def test_a_link_that_leads_outside(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "service.c").unlink()
        (hers / "service.c").symlink_to(hers.parent / "secret")
        assert self.refused(hers, exercise) == "service.c points outside its folder"

    def test_a_folder_that_leads_outside(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "work").symlink_to(exercise.folder.parent)
        write(exercise.folder, {"service.c": "somebody else's", "sub/more.h": ""})
        assert self.refused(hers, exercise) == "work/serve/service.c points outside its folder"

    def test_a_link_within_is_a_file(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "service.c").rename(hers / "server.c")
        (hers / "service.c").symlink_to("server.c")
        assert handed_in(hers, [exercise])[0].files["service.c"] == b"hers"

    def test_a_fifo_is_not_waited_for(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "service.c").unlink()
        os.mkfifo(hers / "service.c")
        assert self.refused(hers, exercise) == "service.c is not a regular file"

    def test_a_folder_is_no_file(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "service.c").unlink()
        (hers / "service.c").mkdir()
        assert self.refused(hers, exercise) == "service.c is a folder, not a file"

    def test_a_file_without_end(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "service.c").write_bytes(b"x" * MOST_BYTES)
        assert len(handed_in(hers, [exercise])[0].files["service.c"]) == MOST_BYTES
        os.truncate(hers / "service.c", 2**40)
        assert self.refused(hers, exercise) == "service.c is larger than 1 MiB"

    def test_everything_that_is_missing_is_told_at_once(self, exercise: LoadedExercise, hers: Path) -> None:
        for name in ("service.c", "sub/more.h"):
            (hers / name).unlink()
        assert handed_in(hers, [exercise])[0].missing == ("service.c is missing", "sub/more.h is missing")

    def test_a_link_to_nothing_says_where_it_leads(self, exercise: LoadedExercise, hers: Path) -> None:
        (hers / "service.c").unlink()
        (hers / "service.c").symlink_to("gone.c")
        words = "service.c is missing (a link to 'gone.c', which is not there)"
        assert self.refused(hers, exercise) == words


def test_many_at_once_do_not_meet(exercise: LoadedExercise, tmp_path: Path) -> None:
    def one(number: int) -> tuple[int, str]:
        write(tmp_path / f"of{number}", {"service.c": str(number), "sub/more.h": ""})
        with with_work(lab(tmp_path, exercise), tmp_path / f"of{number}") as (whole, _):
            return number, (whole.exercises[0].folder / "service.c").read_text()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(24)))
    assert found == [(number, str(number)) for number in range(24)]


class TestWhatARunKeeps:
    def shown(self, whole: LoadedLab, folder: Path) -> tuple[dict[str, str], list[str]]:
        folder.mkdir()
        keep(whole, folder)
        records = [record("work/serve")]
        spec = specs_of(folder, records)["work/serve"]
        return dict(about_run(folder, records).sources["work/serve"]), [check.that for check in spec.checks]

    def test_a_students_files_and_the_visible_tests(self, exercise: LoadedExercise, tmp_path: Path) -> None:
        write(tmp_path / "hers", {"service.c": "hers", "sub/more.h": ""})
        with with_work(lab(tmp_path, exercise), tmp_path / "hers") as (whole, _):
            sources, checks = self.shown(whole, tmp_path / "run")
        assert sources == {"service.c": "hers", "sub/more.h": "", "tester.c": "", "words.txt": "words"}
        assert checks == ["greets"]
        assert whole.exercises[0].public.spec.checks == exercise.spec.checks

    def test_the_skeleton_in_place_of_the_reference_solution(
        self, exercise: LoadedExercise, tmp_path: Path
    ) -> None:
        with with_work(lab(tmp_path, exercise), None) as (whole, _):
            sources, checks = self.shown(whole, tmp_path / "run")
        assert sources["skeleton/service.c"] == "/* skeleton */"
        assert not [name for name, text in sources.items() if "solution" in text or "hidden" in name]
        assert checks == ["greets"]


def test_a_script_stays_executable(exercise: LoadedExercise, tmp_path: Path) -> None:
    (exercise.folder / "skeleton/service.c").chmod(0o755)
    whole = assembled(exercise, provided(exercise, "wrong/rude"), tmp_path / "whole")
    assert (whole.folder / "service.c").stat().st_mode & 0o111
    assert not (whole.folder / "sub/more.h").stat().st_mode & 0o111
    assert replace(whole, shown=None).public is not whole.public
