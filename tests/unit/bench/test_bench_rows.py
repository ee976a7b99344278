"""Whether a measurement met its target."""

from __future__ import annotations

import pytest

from orchestrator.bench.measure import BenchResult
from orchestrator.cli.bench import bench
from orchestrator.errors import SpecError


@pytest.mark.parametrize(
    ("value", "target", "least", "met"),
    [
        (2.0, None, False, None),
        (2.0, 2.0, False, True),
        (2.1, 2.0, False, False),
        (2.0, 2.0, True, True),
        (1.9, 2.0, True, False),
    ],
)
def test_a_target_is_not_exceeded_or_is_reached(
    value: float, target: float | None, least: bool, met: bool | None
) -> None:
    assert BenchResult("speed", value, target=target, least=least).met is met


def test_only_grading_and_a_class_are_measured_apart() -> None:
    with pytest.raises(SpecError, match="nothing called grad is measured") as caught:
        bench("grad", 1, (5, 30, False), "", "text")
    assert "bench grade, or bench class, or bench cluster" in caught.value.hint
    with pytest.raises(SpecError, match="--submissions 0: expected a number of at least 1"):
        bench("grade", 0, (5, 30, False), "", "text")
