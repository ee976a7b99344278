"""A class is planned from what its machines were measured to take."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_term import made_up_class

from orchestrator.arch import host_arch
from orchestrator.classes.plan import Measured, making_words, planned
from orchestrator.host.resources import Host

MIB = 2**20
GIB = 2**30
KIND = f"micro-{host_arch().name}-"


def test_measured_memory_counts_and_the_most_is_told(tmp_path: Path) -> None:
    found = made_up_class(tmp_path, 60, "quota: {memory: 128MiB, disk: 1GiB}")
    plan = planned(found, 60, Host("here", 4 * GIB, 2), 100 * GIB, {KIND: Measured(40 * MIB, 0.25)})
    assert (plan.count, plan.memory) == (60, 60 * 40 * MIB)
    assert plan.memory_most >= 60 * 128 * MIB
    assert (plan.short_by, plan.disk_short_by, plan.disk_most) == (0, 0, 60 * GIB)
    assert 60 * 0.25 / 2 <= plan.seconds <= 60 * 0.25 / 2 + 2


def test_without_a_measurement_it_is_the_most_and_may_be_short(tmp_path: Path) -> None:
    found = made_up_class(tmp_path, 60)
    plan = planned(found, 60, Host("here", GIB, 2), MIB, {})
    assert plan.memory == plan.memory_most
    assert plan.short_by == plan.memory - GIB
    assert plan.disk_short_by == plan.disk - MIB


def test_machines_for_everybody_count_once(tmp_path: Path) -> None:
    found = made_up_class(tmp_path, 10, "shared: {server: {driver: qemu}}")
    plan = planned(found, 10, Host("here", 4 * GIB, 2), GIB, {KIND: Measured(40 * MIB, 0.25)})
    assert (plan.count, plan.memory) == (11, 11 * 40 * MIB)


def test_templates_yet_to_be_made_are_part_of_the_time_and_said(tmp_path: Path) -> None:
    desk = "machines: {desk: {driver: qemu, image: debian, arch: amd64}, b: {driver: qemu, arch: arm64}}\n"
    found = made_up_class(tmp_path, 2, machines=desk)
    measured = {"micro-arm64-": Measured(MIB, 0.25)}
    plan = planned(found, 2, Host("here", 4 * GIB, 2), GIB, measured)
    assert list(plan.making) == ["debian (amd64)"]
    (seconds,) = plan.making.values()
    words = f", including {seconds:.0f} s to make the template of debian (amd64), once"
    assert making_words(plan.making) == words
    measured["debian-amd64-"] = Measured(MIB, 2.5)
    again = planned(found, 2, Host("here", 4 * GIB, 2), GIB, measured)
    assert (again.making, making_words(again.making)) == ({}, "")
    assert again.seconds == pytest.approx(plan.seconds - seconds, abs=0.11)  # both are rounded


def test_a_host_without_seats_makes_no_template(tmp_path: Path) -> None:
    assert planned(made_up_class(tmp_path, 2), 0, Host("here", GIB, 2), GIB, {}).making == {}
