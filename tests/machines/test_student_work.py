"""Exercises for students, on one machine of each kind: the reference solution gets all points, each wrong
one misses what hidden.yaml says of it and nothing else, and no expectation is ever in the machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for, template_for
from command import isolab, records
from consoles import keep_consoles
from habitat import Home, fresh_home
from places import LABS

from orchestrator.compile.cross import build_exercise, warnings_of
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.debian.archive import Archives
from orchestrator.drivers.model import Template
from orchestrator.errors import LabError
from orchestrator.exercises.checks import Subject, judge
from orchestrator.exercises.compile_in_guest import sources
from orchestrator.exercises.execute import ExerciseContext, folder_name, items, run_exercise
from orchestrator.exercises.submission import assembled, provided
from orchestrator.labfile.check_submission import ALTERNATIVES, SKELETON, SOLUTION, WRONG
from orchestrator.labfile.load import LoadedExercise, load_exercise
from orchestrator.labfile.models import Boundary
from orchestrator.paths import EXERCISES, ROOT
from orchestrator.record import Record, Status
from orchestrator.transport.base import Item, put

pytestmark = pytest.mark.real

ARCHITECTURES = ("arm64", "s390x", "armhf")
"""A common one, one of the other byte order, one of 32 bits."""
SECONDS = 1200.0
ON_ONE_CLONE = 25
"""A machine's files are in its memory, which has no room for the programs of hundreds of solutions. None is
removed: emulated s390x may run the former program from memory that is used again (QEMU before 8.2)."""


def _all() -> Iterator[LoadedExercise]:
    for file in sorted(EXERCISES.rglob("exercise.yaml")):
        exercise = load_exercise(file.parent, str(file.parent.relative_to(EXERCISES)))
        if exercise.spec.student:
            yield exercise


STUDENT = list(_all())


@dataclasses.dataclass(frozen=True)
class Task:
    """One solution that an exercise brings, on one machine."""

    arch: str
    exercise: LoadedExercise = dataclasses.field(hash=False, compare=False)
    name: str
    place: str

    def __str__(self) -> str:
        return f"{self.arch}-{self.name}-{self.place}"


def _tasks(*places: str) -> list[Task]:
    return [Task(arch, e, e.name, place) for arch in ARCHITECTURES for e in STUDENT for place in places]


OTHERS = [
    (e, f"{ALTERNATIVES}/{path.name}")
    for e in STUDENT
    for path in sorted((e.folder / ALTERNATIVES).glob("*/"))
]
"""Right solutions of another design."""
AGAIN = pytest.mark.whole("CI has this solution on another machine")
BY_OTHERS = [
    pytest.param(Task(arch, e, e.name, place), marks=() if turn == number % len(ARCHITECTURES) else AGAIN)
    for turn, arch in enumerate(ARCHITECTURES)
    for number, (e, place) in enumerate(OTHERS)
]
WRONG_ONES = [
    Task(arch, e, e.name, f"{WRONG}/{kind}")
    for arch in ARCHITECTURES
    for e in STUDENT
    for kind in (e.hidden.wrong if e.hidden else [])
]


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


@pytest.fixture(scope="module", params=ARCHITECTURES)
def bench(home: Home, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One clone for all exercises."""
    kind = Kind("qemu", request.param, cloned=True)
    order = order_for(kind, home, name="work")
    template = template_for(order)
    assert isinstance(template, Template), f"{kind.arch} cannot be cloned: {template}"
    with on_bench(kind, replace(order, template=template)) as found:
        yield found


@pytest.fixture(scope="module")
def solved(
    home: Home, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Task, Future[Done]]]:
    """What became of the solutions that the selected tests are about. The machines work side by side:
    most of the time of a wrong solution is waiting for what does not happen."""
    found = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    wanted = dict.fromkeys(spec.params["task"] for spec in found if spec and "task" in spec.params)
    futures: dict[Task, Future[Done]] = {task: Future() for task in wanted}
    over = threading.Event()
    folder = tmp_path_factory.mktemp("solutions")
    with ThreadPoolExecutor(len(ARCHITECTURES)) as pool:
        for arch in ARCHITECTURES:
            mine = {task: future for task, future in futures.items() if task.arch == arch}
            worker = pool.submit(_solve_all, arch, mine, home, folder, over)
            worker.add_done_callback(partial(_tell_who_waits, mine))
        yield futures
        over.set()


def _solve_all(
    arch: str, futures: Mapping[Task, Future[Done]], home: Home, folder: Path, over: threading.Event
) -> None:
    """Run these solutions one after another, on clones that each take so many of them."""
    kind, waiting = Kind("qemu", arch, cloned=True), list(enumerate(futures.items()))
    for begin in range(0, len(waiting), ON_ONE_CLONE):
        order = order_for(kind, home, name=f"solving-{arch}")
        template = template_for(order)
        assert isinstance(template, Template), f"{arch} cannot be cloned: {template}"
        with on_bench(kind, replace(order, template=template)) as bench:
            for number, (task, future) in waiting[begin : begin + ON_ONE_CLONE]:
                if over.is_set():
                    return
                _solve_one(task, future, bench, folder / f"{arch}-{number}")


def _tell_who_waits(futures: Mapping[Task, Future[Done]], worker: Future[None]) -> None:
    """A machine that is lost solves nothing more."""
    for future in futures.values():
        if not future.done():
            future.set_exception(worker.exception() or AssertionError("the tests are over"))


def _solve_one(task: Task, future: Future[Done], bench: Bench, folder: Path) -> None:
    try:
        future.set_result(solve(task.exercise, task.place, bench, folder))
    except (LabError, AssertionError, OSError) as problem:
        future.set_exception(problem)


@dataclasses.dataclass(frozen=True)
class Done:
    """One solution that was run: the record, what it was judged by, and the compiler's words."""

    record: Record
    exercise: LoadedExercise
    subject: Subject
    warnings: list[str]

    def missed(self) -> set[str]:
        """The observations with a check that does not hold."""
        shown = {**self.record.observations, "exit_code": self.record.exit_code}
        shown |= {"signal": self.record.signal, "stdout": self.record.stdout}
        single = [
            (c.that, self.exercise.spec.model_copy(update={"checks": [c]})) for c in self.exercise.spec.checks
        ]
        return {
            that
            for that, alone in single
            if any(one.that == that and not one.held for one in judge(alone, shown, self.subject).results)
        }


def solve(exercise: LoadedExercise, place: str, bench: Bench, folder: Path) -> Done:
    """Run one of the solutions an exercise brings, as a job of a lab would."""
    return run_assembled(assembled(exercise, provided(exercise, place), folder / "whole"), place, bench)


def run_assembled(whole: LoadedExercise, place: str, bench: Bench) -> Done:
    whole = replace(whole, name=f"{whole.name}/{place}")
    programs, files = pushed(whole, bench)
    site, facts = bench.live.handle.site, bench.live.facts
    boundary = Boundary(bench.live.handle.boundary)
    subject = Subject(boundary, bench.order.arch.name, facts, frozenset(site.users))
    exercise_context = ExerciseContext(
        bench.live.transport, site, subject, bench.order.run, "isolab-canary-none", pushed={whole.name: files}
    )
    record = run_exercise(whole, exercise_context, _blank(bench, whole.name), Cancellation())
    return Done(record, whole, subject, _warnings(programs))


def pushed(whole: LoadedExercise, bench: Bench) -> tuple[Mapping[str, Path], list[Item]]:
    """The programs of an exercise, and everything of it that is in the machine now."""
    deadline = Deadline.after(SECONDS)
    programs = build_exercise(whole, bench.order.arch, Archives(deadline), deadline)
    site = bench.live.handle.site
    files = items(whole, programs, site.users["student"], sources(whole))
    put(bench.live.transport, site.work, files, deadline)
    return programs, files


def _warnings(programs: Mapping[str, Path]) -> list[str]:
    return [line for line in warnings_of(programs).splitlines() if "warning:" in line]


def _blank(bench: Bench, name: str) -> Record:
    order, handle = bench.order, bench.live.handle
    about = (order.run, "work", os.uname().nodename, order.name, "", handle.driver, handle.boundary)
    return Record(*about, order.arch.name, handle.accel, name, Status.ERROR)


def told(done: Done) -> str:
    record = done.record
    return f"{record.status}: {record.reason}\n{record.stdout}{record.stderr}"


BY_CHANCE: Mapping[str, set[str]] = {
    "one-name": {"second_report"},
    "gives-back-early": {"held_right", "many_intact"},
    "announces-early": {
        "rounds",
        "output",
        "consumer",
        "producer",
        "held_right",
        "held_ended",
        "many_intact",
    },
    "private-semaphores": {"late_consumer"},
}
"""What a wrong solution misses or not: which of two runners ends first decides whether the other reports, and
which of two sides of a ring is faster whether it finds what the other has not finished."""

LOSES_SIGNALS = {"checks-then-waits"}
"""Wrong solutions that may lose any signal: on a slow machine one comes just before a wait by itself, and
what follows is missed as well."""


class TestSolutions:
    @pytest.mark.rotated
    @pytest.mark.parametrize("task", _tasks(SOLUTION), ids=str)
    def test_the_reference_gets_all_points(self, solved: Mapping[Task, Future[Done]], task: Task) -> None:
        done = solved[task].result()
        assert done.record.status is Status.PASS, told(done)
        assert done.record.points == done.record.max_points > 0
        assert done.warnings == []

    @pytest.mark.rotated
    @pytest.mark.parametrize("task", BY_OTHERS, ids=str)
    def test_a_right_solution_of_another_design_gets_all_points(
        self, solved: Mapping[Task, Future[Done]], task: Task
    ) -> None:
        done = solved[task].result()
        assert done.missed() == set(), told(done)
        assert done.record.status is Status.PASS, told(done)
        assert done.record.points == done.record.max_points > 0
        assert done.warnings == []

    @pytest.mark.rotated
    @pytest.mark.parametrize("task", _tasks(SKELETON), ids=str)
    def test_the_skeleton_compiles_and_does_not_get_all_points(
        self, solved: Mapping[Task, Future[Done]], task: Task
    ) -> None:
        done = solved[task].result()
        assert done.record.status is Status.FAIL, told(done)
        assert done.record.points < done.record.max_points
        assert done.warnings == []

    @pytest.mark.rotated
    @pytest.mark.parametrize("task", WRONG_ONES, ids=str)
    def test_a_wrong_one_misses_what_is_wrong_with_it_and_nothing_else(
        self, solved: Mapping[Task, Future[Done]], task: Task
    ) -> None:
        assert task.exercise.hidden
        done, name = solved[task].result(), Path(task.place).name
        missed, expected = done.missed() - BY_CHANCE.get(name, set()), set(task.exercise.hidden.wrong[name])
        assert (missed >= expected) if name in LOSES_SIGNALS else (missed == expected), told(done)
        assert done.record.status is Status.FAIL
        assert done.record.points < done.record.max_points


def test_no_expectation_is_in_the_machine(bench: Bench, tmp_path: Path) -> None:
    """The reasons of hidden tests are looked for in all that an exercise pushes, as it lies there."""
    for number, exercise in enumerate(STUDENT):
        whole = assembled(exercise, provided(exercise, SOLUTION), tmp_path / str(number))
        programs, _ = pushed(whole, bench)
        there = bench.command("tar", "-c", "-C", bench.work, folder_name(exercise.name)).stdout
        assert all(program.read_bytes() in there for program in programs.values())
        hidden = exercise.hidden.checks if exercise.hidden else []
        assert [check.why for check in hidden if check.why and check.why.encode() in there] == []
    assert bench.command("find", "/", "-xdev", "-name", "hidden.yaml").stdout == b""


def test_a_program_cannot_put_itself_in_the_place_of_a_later_test(bench: Bench, tmp_path: Path) -> None:
    exercise = load_exercise(LABS / "handed-in/impostor", "work/impostor")
    done = solve(exercise, SKELETON, bench, tmp_path)
    assert done.record.observations == {"replaced": True, "answer": 41}, told(done)
    assert done.missed() == {"answer"}
    assert bench.command("test", "-e", "/words").code == 1


def test_a_students_work_is_run_by_the_command(home: Home, tmp_path: Path) -> None:
    place = EXERCISES / "work/wire-protocol"
    shutil.copytree(place / "wrong/one-read", tmp_path / "wire-protocol")
    words = ("run", ROOT / "labs/workshop", "--exercise", "work/wire-protocol", "--only", "vm")
    done = isolab(home, *words, "--work", tmp_path, "--out", home.out)
    assert done.code == 1, done.stderr
    assert f"running the work in {tmp_path}: work/wire-protocol" in done.stderr
    (found,) = records(home)
    assert found["reason"].startswith("in_pieces: got")
    page = (home.out / "report.html").read_text()
    assert "Wrong: it takes for granted" in page
    assert "claims_too_much" in page  # an observation
    for secret in ("The hidden tests of wire", "two lengths that disagree", "As many bytes as there are"):
        assert secret not in page
    assert not [path for path in home.out.rglob("*") if path.name in ("hidden.yaml", "prober.c", "solution")]


def test_work_that_does_not_compile_fails_without_points(home: Home, tmp_path: Path) -> None:
    """A failure, not an error of ours."""
    (tmp_path / "wire.c").write_text("int main(void) { return zero; }\n")
    words = ("run", ROOT / "labs/workshop", "--exercise", "work/wire-protocol", "--only", "vm")
    done = isolab(home, *words, "--work", tmp_path, "--out", home.out)
    assert done.code == 1, done.stderr
    (found,) = records(home)
    assert (found["status"], found["points"], found["max_points"]) == ("fail", 0, 15.5)
    assert "undeclared identifier 'zero'" in found["reason"]


def test_work_that_lacks_a_file_is_named_and_gets_no_points(home: Home, tmp_path: Path) -> None:
    words = ("run", ROOT / "labs/workshop", "--exercise", "work/wire-protocol,work/close-the-ends")
    done = isolab(home, *words, "--only", "vm", "--work", tmp_path, "--out", home.out)
    assert done.code == 1
    found = {row["exercise"]: row for row in records(home)}
    assert {row["status"] for row in found.values()} == {"fail"}
    assert {row["points"] for row in found.values()} == {0}
    assert "wire.c" in found["work/wire-protocol"]["reason"]
    assert "pair.c" in found["work/close-the-ends"]["reason"]
