"""What is due in a class, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.classes.timers import CollectAll, Due, End, Warn, due

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


def at(minutes: float, *, before: float = -0.1, every: float | None = None, ends: int = 0) -> list[Due]:
    """What is due so many minutes from noon, looked at ``before`` minutes earlier; the seat ends at noon."""
    now = NOON + timedelta(minutes=minutes)
    return due(
        {"ada": NOON + timedelta(minutes=ends)},
        now + timedelta(minutes=before),
        now,
        collected=NOON - timedelta(hours=1),
        every=every,
    )


def test_a_student_is_warned_once_at_each_of_the_times() -> None:
    said = [one for tenth in range(-200, 0) for one in at(tenth / 10)]
    assert said == [Warn("ada", 15), Warn("ada", 5), Warn("ada", 1)]


def test_of_warnings_that_were_missed_only_the_last_is_given() -> None:
    assert at(-3, before=-60) == [Warn("ada", 5)]
    assert at(-0.5, before=-60) == [Warn("ada", 1)]


def test_an_end_is_due_until_it_is_done_and_put_off_by_more_time() -> None:
    assert at(0) == [End("ada")]
    assert at(10) == [End("ada")]
    assert at(10, ends=30) == []


def test_a_collection_is_due_after_its_time() -> None:
    assert at(-60, every=900) == []
    assert at(-45, every=900) == [CollectAll()]
    assert at(-45) == []


def test_a_collection_that_is_never_due_in_any_calendar_is_not_due() -> None:
    assert at(-60, every=999_999_999 * 3600.0) == []
