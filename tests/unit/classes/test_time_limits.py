"""When the time of a seat ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_up_term import made_up_class

from orchestrator.classes.classfile.check_times import MORE_TIME
from orchestrator.classes.time_limits import LATEST, TimeLimit, TimeLimits, end_of, extended, with_time
from orchestrator.cli.classes import _loaded
from orchestrator.cli.classes.up import _in_time
from orchestrator.errors import SpecError

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


def test_more_than_a_year_at_once_is_refused_and_nothing_is_added(tmp_path: Path) -> None:
    limits = TimeLimits(made_up_class(tmp_path / "class", 1, "lifetime: 1h"))
    limits.begin(["s00"])
    before = limits.ends()
    with pytest.raises(SpecError, match="more than a year"):
        limits.extend(["s00"], 100_000_000 * 3600.0)
    assert limits.ends() == before


def test_an_end_beyond_all_dates_is_the_latest(tmp_path: Path) -> None:
    limits = TimeLimits(made_up_class(tmp_path / "class", 1, "lifetime: 999999999h"))
    limits.begin(["s00"])
    limits.extend(["s00"], 60)
    assert limits.ends() == {"s00": LATEST}
    found = made_up_class(tmp_path / "other", 1, "ends: 2099-01-01T00:00+08:00")
    assert end_of(found, TimeLimit(BEGAN, added=1e13)) == LATEST


PAST = "ends: 2020-06-01T18:00+08:00"


def test_more_time_after_the_end_counts_from_now(tmp_path: Path) -> None:
    found = made_up_class(tmp_path / "class", 2, PAST)
    limit = extended(found, TimeLimit(BEGAN), 600, BEGAN)
    assert end_of(found, limit) == BEGAN + timedelta(minutes=10)
    again = extended(found, limit, 600, BEGAN + timedelta(minutes=5))
    assert end_of(found, again) == BEGAN + timedelta(minutes=20)


def test_who_was_given_more_time_may_come_up_after_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "class"
    found = made_up_class(folder, 2, PAST)
    with pytest.raises(SpecError) as refused:
        _loaded(str(folder), "up")
    assert "class extend" in refused.value.describe()
    TimeLimits(found).extend(["s01"], 600)
    assert [seat.name for seat in with_time(found, found.seats)] == ["s01"]
    found = _loaded(str(folder), "up")
    assert [seat.name for seat in _in_time(found, found.seats)] == ["s01"]
    assert "their time is up: s00" in capsys.readouterr().err
    with pytest.raises(SpecError, match="the time of s00 is up") as raised:
        _in_time(found, found.seats[:1])
    assert raised.value.hint in MORE_TIME


def test_a_lifetime_that_is_over_begins_anew(tmp_path: Path) -> None:
    limits = TimeLimits(made_up_class(tmp_path / "class", 1, "lifetime: 1h"))
    limits.begin(["s00"])
    limits.extend(["s00"], -7200)
    assert limits.ends()["s00"] < datetime.now(UTC)
    limits.begin(["s00"])
    assert limits.ends()["s00"] > datetime.now(UTC) + timedelta(minutes=59)
