"""What CI leaves out of a day it has on another, and machines that stand for others have all they have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

import pytest
from bench import Kind
from pairwise import pairwise
from tiers import DAYS, in_ci, require_groups

from orchestrator.cli.test import ON_MACHINES, QUICK
from orchestrator.paths import ROOT


@dataclass(frozen=True)
class Test:
    """A test as far as tiers look at it."""

    __test__ = False

    nodeid: str
    marks: tuple[str, ...] = ()

    together: str = ""

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        args = (self.together,) if self.together else ()
        return pytest.Mark(name, args, {}, _ispytest=True) if name in self.marks else None


def chosen(tests: list[Test], day: int) -> list[object]:
    return list(in_ci(cast(list[pytest.Item], tests), day))


def test_a_week_has_every_test_that_takes_turns_once() -> None:
    tests = [Test(str(number), ("rotated",)) for number in range(5 * DAYS + 3)]
    week = [test for day in range(1, DAYS + 1) for test in chosen(tests, day)]
    assert len(week) == len(tests)
    assert set(week) == set(tests)
    assert {len(chosen(tests, day)) for day in range(1, DAYS + 1)} == {5, 6}


def test_what_takes_its_turn_together_is_in_it_on_one_day() -> None:
    sets = [Test(f"{name}{number}", ("rotated",), name) for number in range(3) for name in "ab"]
    tests = [Test("first", ("rotated",)), *sets, Test("last", ("rotated",))]
    days = [[cast(Test, test).nodeid for test in chosen(tests, day)] for day in range(1, DAYS + 1)]
    assert days[:5] == [["first"], ["a0", "a1", "a2"], ["b0", "b1", "b2"], ["last"], []]


def test_others_are_in_it_every_day_unless_they_are_left_out() -> None:
    always = [Test("plain"), Test("asked of all", ("seldom", "smoke"))]
    never = [Test("takes long", ("whole",)), Test("seldom", ("seldom",))]
    for day in range(1, DAYS + 1):
        assert chosen([*always, *never], day) == always


def test_every_two_properties_of_any_kind_occur_together_in_one_that_stands_for_it() -> None:
    kinds = [Kind("qemu", arch, cloned) for arch in ("amd64", "arm64") for cloned in (False, True)]
    kinds += [Kind("libvirt", arch, way=way) for arch, way in product(("amd64", "arm64"), ("system", "ssh"))]
    few = pairwise(kinds)
    assert len(few) < len(kinds)
    of_two: list[Callable[[Kind], object]] = [
        lambda kind: (kind.driver, kind.arch),
        lambda kind: (kind.arch, kind.cloned),
        lambda kind: (kind.driver, kind.way),
        lambda kind: (kind.arch, kind.way),
    ]
    for pair in of_two:
        assert {pair(kind) for kind in few} == {pair(kind) for kind in kinds}


def test_a_group_that_is_not_kept_together_is_an_error() -> None:
    marked = ("xdist_group",)
    require_groups(cast(list[pytest.Item], [Test("a@one", marked), Test("b")]))
    with pytest.raises(pytest.UsageError, match="such as that of a"):
        require_groups(cast(list[pytest.Item], [Test("a", marked)]))


MARK = r"pytest\.mark\.(real|nested|alone)\b"


def files_of(options: Sequence[str]) -> list[Path]:
    """The files of tests that these options of a tier leave out."""
    folders = [ROOT / option.removeprefix("--ignore=") for option in options]
    assert all(any(folder.rglob("test_*.py")) for folder in folders)
    return [path for folder in folders for path in sorted(folder.rglob("test_*.py"))]


def test_what_the_quick_tier_does_not_load_has_no_quick_tests() -> None:
    marked = re.compile(rf"^pytestmark = (\[\s*)?{MARK}", re.MULTILINE)
    assert [path.name for path in files_of(QUICK) if not marked.search(path.read_text())] == []


def test_what_the_others_do_not_load_has_quick_tests_alone() -> None:
    found = [path.name for path in files_of(ON_MACHINES) if re.search(MARK, path.read_text())]
    assert found == []
