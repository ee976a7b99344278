"""Statistics of grades: by hand, by the textbook's formula, and what holds for any class."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import mean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.gradebook.statistics import LEAST, discrimination, histogram, share, spread

POINTS = st.floats(0, 100, allow_nan=False).map(lambda each: round(each, 2))
RESULTS = st.lists(st.tuples(st.booleans(), POINTS), min_size=LEAST, max_size=40)


def point_biserial(held: list[bool], rest: list[float]) -> float:
    """By the formula: the difference of the means in standard deviations, times sqrt(pq)."""
    won = [score for passed, score in zip(held, rest, strict=True) if passed]
    lost = [score for passed, score in zip(held, rest, strict=True) if not passed]
    p = len(won) / len(held)
    return (mean(won) - mean(lost)) / pstdev(rest) * math.sqrt(p * (1 - p))


def test_a_test_that_only_the_better_pass_discriminates() -> None:
    held = [False] * 5 + [True] * 5
    assert discrimination(held, [float(n) for n in range(10)]) == pytest.approx(0.8704, abs=1e-4)
    assert discrimination(held, [float(-n) for n in range(10)]) == pytest.approx(-0.8704, abs=1e-4)


def test_what_says_nothing_is_no_number() -> None:
    scores = [float(n) for n in range(LEAST)]
    some = [True] + [False] * (LEAST - 1)
    assert discrimination([True] * LEAST, scores) is None
    assert discrimination([False] * LEAST, scores) is None
    assert discrimination(some, [3.0] * LEAST) is None
    assert discrimination(some[:-1], scores[:-1]) is None
    assert discrimination(some, [5e-324, *[0.0] * (LEAST - 1)]) is None
    assert discrimination([], []) is None
    with pytest.raises(ValueError, match="10 results of a test, but 9 scores"):
        discrimination(some, scores[:-1])


@settings(max_examples=40)
@given(results=RESULTS)
def test_discrimination_is_the_textbooks(results: list[tuple[bool, float]]) -> None:
    held, rest = [passed for passed, _ in results], [score for _, score in results]
    found = discrimination(held, rest)
    if len(set(held)) == 2 and pstdev(rest) > 1e-6:
        assert found is not None
        assert found == pytest.approx(point_biserial(held, rest), abs=1e-6)
        assert -1 <= found <= 1
        failed = discrimination([not passed for passed in held], rest)
        assert failed == pytest.approx(-found, abs=1e-9)
    elif len(set(held)) < 2:
        assert found is None


def test_a_share() -> None:
    assert share([True, True, False, False]) == 0.5
    assert share([]) is None


def test_a_histogram_by_hand() -> None:
    bins = histogram([0, 0.3, 0.95, 1, 1], 1)
    assert [one.students for one in bins] == [1, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    assert (bins[3].low, bins[3].high) == pytest.approx((0.3, 0.4))
    assert histogram([1], 0) == ()


@settings(max_examples=40)
@given(
    points=st.lists(st.floats(-5, 120, allow_nan=False), max_size=60),
    most=st.floats(0.5, 100),
    bins=st.integers(1, 25),
)
def test_everybody_is_in_one_bin(points: list[float], most: float, bins: int) -> None:
    found = histogram(points, most, bins)
    assert sum(one.students for one in found) == len(points)
    assert len(found) == bins
    assert found[0].low == 0
    assert found[-1].high == pytest.approx(most)
    assert all(one.high == other.low for one, other in pairwise(found))


@settings(max_examples=40)
@given(points=st.lists(POINTS, min_size=1, max_size=40))
def test_a_spread_is_within_its_ends(points: list[float]) -> None:
    found = spread(points)
    assert found
    assert found.n == len(points)
    assert found.least <= found.median <= found.most
    assert found.least - 1e-9 <= found.mean <= found.most + 1e-9
    assert 0 <= found.deviation <= found.most - found.least + 1e-9


def test_nobody_has_no_spread() -> None:
    assert spread([]) is None
