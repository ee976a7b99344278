"""When the time of a seat ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_up_term import made_up_class

from orchestrator.classes.time_limits import TimeLimit, TimeLimits, end_of

BEGAN = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        ((), None),
        (("lifetime: 4h",), BEGAN + timedelta(hours=4)),
        (("ends: 2027-03-01T11:00+00:00",), BEGAN + timedelta(hours=2)),
        (("ends: 2027-03-01T11:00+00:00", "lifetime: 1h"), BEGAN + timedelta(hours=1)),
        (("ends: 2027-03-01T18:00+08:00", "lifetime: 4h"), BEGAN + timedelta(hours=1)),
    ],
)
def test_the_earlier_end_counts(tmp_path: Path, lines: tuple[str, ...], end: datetime | None) -> None:
    found = made_up_class(tmp_path / "class", 1, *lines)
    assert end_of(found, TimeLimit(BEGAN)) == end
    if end is not None:
        assert end_of(found, TimeLimit(BEGAN, added=900)) == end + timedelta(minutes=15)


def test_time_begins_once_is_extended_and_begins_anew_after_the_end(tmp_path: Path) -> None:
    limits = TimeLimits(made_up_class(tmp_path / "class", 2, "lifetime: 1h"))
    limits.begin(["s00"])
    first = limits.ends()["s00"]
    limits.begin(["s00"])
    assert limits.ends() == {"s00": first}
    limits.extend(["s00", "s01"], 60)
    assert limits.ends()["s00"] == first + timedelta(minutes=1)
    limits.end(["s00"])
    assert list(limits.ends()) == ["s01"]
    limits.begin(["s00"])
    assert first < limits.ends()["s00"] < first + timedelta(minutes=1)
