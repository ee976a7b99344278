"""What a lab will take, before anything is started."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from factories import RUN, lab, loaded

from orchestrator.arch import ARCHITECTURES
from orchestrator.host.resources import Host, this_host
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Build
from orchestrator.labfile.plan import EMULATOR_OVERHEAD, Job, grading_seconds, jobs, plan

MIB = 2**20
MACHINES = {
    "slow": {"driver": "qemu", "arch": "ppc64el", "memory": "64MiB"},
    "box": {"driver": "container", "memory": "100MiB"},
    "bare": {"driver": "process"},
    "big": {"driver": "qemu", "arch": "s390x", "memory": "1GiB", "cpus": 2},
}
HOST = Host("host", 4096 * MIB, 2)


def test_every_machine_takes_what_its_kind_takes() -> None:
    found = {machine.name: machine for machine in plan(lab(MACHINES), HOST).machines}
    assert list(found) == list(MACHINES)
    assert found["bare"].memory == 0
    assert found["box"].memory == 100 * MIB
    assert found["big"].memory == 1024 * MIB + EMULATOR_OVERHEAD
    assert found["slow"].memory == ARCHITECTURES["ppc64el"].memory + EMULATOR_OVERHEAD
    assert [found[name].ports for name in MACHINES] == [1, 0, 0, 1]
    assert [found[name].boundary for name in MACHINES] == ["emulated", "container", "process", "emulated"]


def test_sums_and_what_the_host_lacks() -> None:
    whole = plan(lab(MACHINES), HOST)
    assert whole.memory == sum(machine.memory for machine in whole.machines)
    assert (whole.ports, whole.exercises, whole.short_by) == (2, 2, 0)
    small = plan(lab(MACHINES), Host("host", 100 * MIB, 2))
    assert small.short_by == small.memory - 100 * MIB


def test_a_part_of_the_lab_takes_less() -> None:
    part = plan(lab(MACHINES), HOST, machines=["bare", "box"])
    assert [machine.name for machine in part.machines] == ["box", "bare"]
    assert part.seconds < plan(lab(MACHINES), HOST).seconds


def test_images_to_build_take_longer_and_processors_help() -> None:
    built, missing = plan(lab(MACHINES), HOST), plan(lab(MACHINES), HOST, building=24.0)
    assert missing.seconds - built.seconds == pytest.approx(24.0 / HOST.cpus)
    assert plan(lab(MACHINES), Host("host", HOST.memory, 8)).seconds < built.seconds


def test_machines_that_are_up_soonest_come_first() -> None:
    assert [job.machine for job in jobs(lab(MACHINES), RUN)] == ["box", "bare", "big", "slow"]


def test_jobs_hold_the_exercises_in_the_labs_order() -> None:
    (job,) = jobs(lab(MACHINES), RUN, machines=["bare"], exercises=["ipc/fifo", "ipc/pipe"])
    assert job == Job(RUN, "small", "bare", "", ("ipc/pipe", "ipc/fifo"))
    (only,) = jobs(lab(MACHINES), RUN, machines=["bare"], exercises=["ipc/fifo"])
    assert only.exercises == ("ipc/fifo",)


def test_jobs_survive_json() -> None:
    for job in jobs(lab(MACHINES), RUN):
        raw = json.loads(json.dumps(asdict(job)))
        lists = {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
        assert Job(**{**raw, **lists}) == job


def test_this_host_has_a_name_memory_and_processors() -> None:
    host = this_host()
    assert host.name
    assert 0 < host.memory <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 1 <= host.cpus <= (os.cpu_count() or 1)


def test_jobs_of_a_group_follow_each_other() -> None:
    machines = {
        "slow": {"driver": "qemu", "arch": "ppc64el", "networks": ["lan"]},
        "bare": {"driver": "process"},
        "box": {"driver": "qemu", "arch": "s390x"},
        "quick": {"driver": "qemu", "arch": "arm64", "networks": ["lan"]},
    }
    found = jobs(lab(machines, networks={"lan": {}}), RUN)
    assert [job.machine for job in found] == ["bare", "box", "quick", "slow"]
    assert [job.group for job in found] == [(), (), ("slow", "quick"), ("slow", "quick")]
    (alone,) = jobs(lab(machines, networks={"lan": {}}), RUN, machines=["quick"])
    assert alone.group == ("quick",)


def test_machines_of_a_whole_system_take_longer_to_boot() -> None:
    plain, slower = plan(lab(MACHINES), HOST), plan(lab(MACHINES), HOST, efforts={"micro": 5.0})
    assert slower.seconds > 3 * plain.seconds


def graded(tmp_path: Path, *, steps: int, poisoned: bool) -> LoadedExercise:
    run = [{"run": "./answer"} for _ in range(steps)]
    parts = {"student": {"files": ["answer.c"]}, "build": {"sources": ["answer.c"]}}
    return loaded(tmp_path, {**parts, "run": run, "poisoned": poisoned}, "answer")


@pytest.mark.parametrize(
    ("submissions", "exercises", "steps", "poisoned", "cores", "seconds"),
    [
        (200, 1, 1, False, 2, 62.8),
        (12, 1, 1, False, 1, 9.5),
        (12, 1, 1, True, 1, 12.8),
        (12, 4, 1, False, 1, 32.8),
        (12, 1, 6, False, 1, 16.3),
    ],
    ids=["bench grade", "one", "poisoned", "four exercises", "six steps"],
)
def test_a_class_takes_about_as_long_as_was_measured(
    tmp_path: Path,
    submissions: int,
    exercises: int,
    steps: int,
    poisoned: bool,
    cores: int,
    seconds: float,
) -> None:
    """On two emulated architectures; with one core, what was measured is processor time."""
    made = [graded(tmp_path, steps=steps, poisoned=poisoned)] * exercises
    assert 0.5 <= grading_seconds(submissions, 2, made, cores) / seconds <= 1.5


def test_only_students_programs_are_compiled_for_each(tmp_path: Path) -> None:
    one = graded(tmp_path, steps=1, poisoned=False)
    tester = Build(sources=["tester.c"], output="tester")
    with_tester = replace(one, spec=one.spec.model_copy(update={"build": [*one.spec.build, tester]}))
    assert grading_seconds(9, 1, [one], 1) == grading_seconds(9, 1, [with_tester], 1)
