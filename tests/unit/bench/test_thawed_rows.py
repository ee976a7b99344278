"""Rows about thawed machines: ratios of what was started in turn, against each architecture's targets."""

from __future__ import annotations

import pytest

from orchestrator.bench.measure import Phases, thawed_rows

ABOUT = {"stored": 52 * 2**20, "freeze_seconds": 7.5}


def start(seconds: float, processor: float) -> Phases:
    phases = Phases()
    phases._begun, phases._last = 0.0, seconds
    phases.laps = {"load": seconds}
    phases.processor = processor
    return phases


def rows(arch: str) -> dict[str, tuple[float, bool | None]]:
    colds = [start(10.0, 3.0), start(20.0, 6.0), start(10.0, 3.0)]
    clones = [start(1.0, 0.4), start(2.0, 0.8), start(1.0, 0.4)]
    thawed = [start(0.2, 0.16), start(0.4, 0.30), start(0.8, 0.16)]
    found = thawed_rows(arch, colds, clones, thawed, ABOUT)
    return {row.what.partition(": ")[2].partition(",")[0]: (row.value, row.met) for row in found}


@pytest.mark.parametrize(("arch", "met"), [("arm64", False), ("s390x", True)])
def test_processor_time_is_the_medians(arch: str, met: bool) -> None:
    value, as_wanted = rows(arch)["thawed / clone"]
    assert value == pytest.approx(0.4)
    assert as_wanted is met


def test_a_boot_is_compared_with_what_follows_it() -> None:
    """A host that slows down for one round does not change the ratio."""
    value, as_wanted = rows("arm64")["thawed / cold boot"]
    assert value == pytest.approx(0.02)
    assert as_wanted


def test_what_making_it_costs() -> None:
    found = rows("arm64")
    assert found["a frozen emulator on disk"] == (52.0, True)
    assert found["freezing an emulator"] == (7.5, None)
