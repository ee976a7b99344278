"""A job: what becomes of each exercise of a machine, asked once and told in the lab's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from factories import RUN, lab, loaded
from machines_made_up import NotedDriver, lab_context_of

from orchestrator.drivers.model import Handle
from orchestrator.errors import (
    BootError,
    BuildError,
    HostLacks,
    Interrupted,
    LabError,
    TransportError,
    WorkError,
)
from orchestrator.exercises import checks
from orchestrator.exercises.execute import ExerciseContext
from orchestrator.host.console_log import Console
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Exercise, Needs
from orchestrator.labfile.plan import jobs
from orchestrator.machines.journal import Journal
from orchestrator.machines.shortfall import Shortfall
from orchestrator.record import Record, Status
from orchestrator.run import job as module
from orchestrator.run.context import RunContext

NAMES = ("passes", "not-here", "broken", "broken-not-here")
NOT_HERE = {"needs": {"features": ["landlock"]}}


class Planted:
    """As much of the run's canary as is asked here."""

    def plant(self) -> str:
        return "isolab-canary"


@pytest.fixture
def driver(tmp_path: Path) -> NotedDriver:
    return NotedDriver(Journal(tmp_path / "machines.db"))


@pytest.fixture
def context(driver: NotedDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    texts: dict[str, dict[str, Any]] = {"not-here": NOT_HERE, "broken-not-here": NOT_HERE}
    whole = lab({"m": {"driver": "process"}}, NAMES)
    exercises = tuple(loaded(tmp_path, texts.get(name, {}), name) for name in NAMES)
    machines = lab_context_of(replace(whole, exercises=exercises), driver, tmp_path, monkeypatch)

    def build(exercise: LoadedExercise, *_: object) -> dict[str, Path]:
        if "broken" in exercise.name:
            raise BuildError(f"{exercise.name} does not compile")
        return {}

    monkeypatch.setattr(module, "build_exercise", build)
    return RunContext(machines, "host", cast(Any, Planted()), cast(Any, None))


def records(context: RunContext) -> list[Record]:
    (job,) = jobs(context.lab, RUN)
    return list(module.run_job(job, context))


def told(found: Sequence[Record]) -> list[tuple[str, Status, str]]:
    return [(record.exercise, record.status, record.reason) for record in found]


def test_what_makes_no_sense_here_is_skipped_before_anything_else_is_said_of_it(
    context: RunContext, driver: NotedDriver
) -> None:
    found = records(context)
    assert told(found) == [
        ("passes", Status.PASS, ""),
        ("not-here", Status.SKIP, "needs landlock: too old"),
        ("broken", Status.ERROR, "broken does not compile"),
        ("broken-not-here", Status.SKIP, "needs landlock: too old"),
    ]
    assert {(record.start, record.accel) for record in found} == {("cold", "none")}
    assert (driver.ups, driver.downs, driver.journal.entries()) == (["m"], ["m"], [])


def test_what_a_student_wrote_that_does_not_compile_is_a_failure(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(exercise: LoadedExercise, *_: object) -> dict[str, Path]:
        raise WorkError("line 1: what is this?")

    monkeypatch.setattr(module, "build_exercise", build)
    assert [status for _, status, _ in told(records(context))] == [
        Status.FAIL, Status.SKIP, Status.FAIL, Status.SKIP,
    ]  # fmt: skip


def test_each_is_asked_once_whether_it_makes_sense(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(exercise: Exercise, subject: checks.Subject) -> str:
        asked.append(exercise.title)
        return unmet(exercise, subject)

    unmet = checks.unmet
    monkeypatch.setattr(checks, "unmet", counted)
    records(context)
    assert len(asked) == len(NAMES)


def test_without_a_machine_every_exercise_is_our_error(context: RunContext, driver: NotedDriver) -> None:
    def no_kernel(_about: Handle) -> None:
        raise BootError("no kernel")

    driver.before_up = no_kernel
    assert told(records(context)) == [(name, Status.ERROR, "no kernel") for name in NAMES]
    assert (driver.downs, driver.journal.entries()) == (["m"], [])


def test_a_machine_that_this_host_lacks_a_package_for_is_skipped_and_not_even_tried(
    context: RunContext, driver: NotedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "build_exercise", lambda *_: pytest.fail("nothing is to be compiled"))
    absent = Shortfall({"m": ("newuidmap",)}, "sudo install it", "run: sudo install it")
    lacking = replace(context, machines=replace(context.machines, shortfall=absent))
    why = "this host lacks newuidmap; run: sudo install it"
    assert told(records(lacking)) == [(name, Status.SKIP, why) for name in NAMES]
    assert driver.ups == []


def test_what_only_the_driver_finds_lacking_is_skipped_too(
    context: RunContext, driver: NotedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*_: object) -> None:
        raise HostLacks("this host lacks user ids", hint="add some")

    monkeypatch.setattr(driver, "check", check)
    assert {reason for _, _, reason in told(records(context))} == {"this host lacks user ids; add some"}
    assert driver.ups == []


def test_a_package_that_could_not_be_installed_is_an_error_of_its_machine(
    context: RunContext, driver: NotedDriver
) -> None:
    failed: Future[Mapping[str, LabError]] = Future()
    failed.set_result({"m": LabError("no such package")})
    machines = replace(context.machines, packages=failed)
    assert {each[1:] for each in told(records(replace(context, machines=machines)))} == {
        (Status.ERROR, "no such package")
    }
    assert driver.ups == []


def test_an_interruption_is_no_record(context: RunContext, driver: NotedDriver) -> None:
    def stop(_about: Handle) -> None:
        context.cancellation.cancel()
        context.cancellation.check()

    driver.before_up = stop
    with pytest.raises(Interrupted):
        records(context)
    assert (driver.downs, driver.journal.entries()) == (["m"], [])


def without_work(context: RunContext, *names: str) -> RunContext:
    """The context of the same lab, in which nobody handed in work on these exercises."""
    exercises = tuple(
        replace(exercise, not_handed_in="not handed in: a.c is missing" if exercise.name in names else "")
        for exercise in context.lab.exercises
    )
    return replace(context, machines=replace(context.machines, lab=replace(context.lab, exercises=exercises)))


def test_work_that_was_not_handed_in_fails_and_the_rest_runs(
    context: RunContext, driver: NotedDriver
) -> None:
    found = records(without_work(context, "broken"))
    assert [record.status for record in found][:3] == [Status.PASS, Status.SKIP, Status.FAIL]
    assert (found[2].reason, found[2].max_points) == ("not handed in: a.c is missing", 1)
    assert driver.ups == ["m"]


def test_without_any_work_no_machine_is_started(context: RunContext, driver: NotedDriver) -> None:
    found = records(without_work(context, *NAMES))
    assert told(found) == [(name, Status.FAIL, "not handed in: a.c is missing") for name in NAMES]
    assert {(record.points, record.max_points) for record in found} == {(0, 1)}
    assert driver.ups == []


def test_what_the_compiler_warned_of_is_kept(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a").touch()
    (tmp_path / "meta.json").write_text('{"warnings": "a.c:1:1: warning: odd\\n"}')
    monkeypatch.setattr(module, "build_exercise", lambda *_: {"a": tmp_path / "files/a"})
    assert records(context)[0].warnings == "a.c:1:1: warning: odd"


def test_what_ran_when_the_kernel_panicked_is_named(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(exercise: LoadedExercise, place: ExerciseContext, *_: object) -> Record:
        raise TransportError("connection lost")

    class Said(Console):
        def panic(self) -> str:
            return "Kernel panic - not syncing: no memory" if self.path.name == "console.log" else ""

    monkeypatch.setattr(module, "_one", lose)
    assert {reason for _, _, reason in told(records(context))[:1]} == {"connection lost"}
    monkeypatch.setattr(module, "Console", Said)
    found = {record.exercise: record for record in records(context)}
    words = "the machine's kernel panicked while the program ran: Kernel panic - not syncing: no memory"
    assert found["passes"].reason == words
    assert (found["passes"].status, found["passes"].killed_for) == (Status.ERROR, "panic")
    assert {found[name].reason for name in NAMES[1:]} == {"connection lost"}


def broken_alone(context: RunContext, **needs: object) -> RunContext:
    """The context of a lab whose only exercise does not compile."""
    [broken] = [exercise for exercise in context.lab.exercises if exercise.name == "broken"]
    spec = broken.spec.model_copy(update={"needs": Needs.model_validate(needs)})
    alone = replace(context.lab, exercises=(replace(broken, spec=spec),))
    return replace(context, machines=replace(context.machines, lab=alone))


def test_what_does_not_compile_needs_no_machine(context: RunContext, driver: NotedDriver) -> None:
    [booted] = [record for record in records(context) if record.exercise == "broken"]
    driver.ups.clear()
    [record] = records(broken_alone(context))
    assert driver.ups == []
    assert record == replace(booted, start="")


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"features": ["landlock"]}, "needs landlock: too old"),
        ({"boundary": ["vm"]}, "only for boundary vm, this is process"),
        ({"programs": ["strace"]}, "broken does not compile"),
    ],
)
def test_unless_the_machine_may_make_it_skip_the_exercise(
    context: RunContext, driver: NotedDriver, needs: dict[str, object], told: str
) -> None:
    assert [record.reason for record in records(broken_alone(context, **needs))] == [told]
    assert driver.ups == ["m"]


def test_or_others_wait_for_it(context: RunContext, driver: NotedDriver) -> None:
    (job,) = jobs(broken_alone(context).lab, RUN)
    waiting = replace(job, group=("m",))
    assert [record.status for record in module.run_job(waiting, broken_alone(context))] == [Status.ERROR]
    assert driver.ups == ["m"]
