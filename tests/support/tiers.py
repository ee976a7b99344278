"""Which tests CI runs, and which of them one process runs one after the other.

CI leaves out what is marked ``whole``, asks kinds of machines marked ``seldom`` only what is marked
``smoke``, and takes of those marked ``rotated`` one in seven, another one each day: a week covers all. What
shares a costly set-up takes its turn together: ``rotated("its name")``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from bench import Kind

DAYS = 7
GROUP = "xdist_group"
LONGEST = (
    "test_student_work",
    "libvirt",
    "attacks",
    "test_staying",
    "debian",
    "test_cluster",
    "test_kvm",
    "test_export",
    "test_hostile",
    "test_cloud",
    "test_virtualbox_start",
    "test_virtualbox",
)
"""Groups that take minutes each, the longest first: begun in the end, they would keep a processor alone."""

FIRST = ("test_linters",)
"""Files of quick tests that are begun first: without its cache mypy takes as long as hundreds of others."""


def today() -> int:
    """The day of the ISO week, 1 is Monday, at Greenwich: the same for all who test now."""
    return datetime.now(UTC).isoweekday()


def in_ci(items: Sequence[pytest.Item], day: int) -> Iterator[pytest.Item]:
    """Those of CI on a day of the week, 1 to 7."""
    turns: dict[str, int] = {}
    for item in items:
        if mark := item.get_closest_marker("rotated"):
            turn = turns.setdefault(mark.args[0] if mark.args else item.nodeid, len(turns) + 1)
            if turn % DAYS != day % DAYS:
                continue
        if item.get_closest_marker("seldom") and not item.get_closest_marker("smoke"):
            continue
        if not item.get_closest_marker("whole"):
            yield item


def group(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Make each file of tests on machines a group, unless it says otherwise, for its tests share machines.
    Gives all in the order in which they are to be begun."""
    for item in items:
        on_machines = item.get_closest_marker("real") or item.get_closest_marker("nested")
        if on_machines and not item.get_closest_marker(GROUP):
            item.add_marker(pytest.mark.xdist_group(_shared_by(item)))
    return sorted(items, key=_turn)


def require_groups(items: Sequence[pytest.Item]) -> None:
    """Raise UsageError where pytest-xdist, told to keep groups together, does not see them: it looks for
    their names in those of the tests."""
    apart = [item.nodeid for item in items if item.get_closest_marker(GROUP) and "@" not in item.nodeid]
    if apart:
        raise pytest.UsageError(
            f"this pytest-xdist does not keep groups together, such as that of {apart[0]}"
        )


def _shared_by(item: pytest.Item) -> str:
    """A name for what a test on machines shares with others: what its kind of machine says, or else its file.
    The contract's kinds share nothing but the code."""
    kinds = [value for value in _parameters(item) if isinstance(value, Kind)]
    for kind in kinds:
        if kind.group:
            return kind.group
    return "-".join([item.path.stem, *map(str, kinds)])


def _parameters(item: pytest.Item) -> Sequence[object]:
    return list(item.callspec.params.values()) if hasattr(item, "callspec") else []


def _turn(item: pytest.Item) -> tuple[int, str]:
    if item.path.stem in FIRST:
        return -1, ""
    mark = item.get_closest_marker(GROUP)
    name = mark.args[0] if mark else ""
    return LONGEST.index(name) if name in LONGEST else len(LONGEST), name
