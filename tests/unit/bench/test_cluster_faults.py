"""The faults of `bench cluster`: drawn from numbers, and what is concluded from a run with some."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bench.cluster.faults import SECONDS, STEPS, FaultKind, Moment, drawn
from orchestrator.bench.cluster.verdict import judged
from orchestrator.record import Record, Status

KINDS = (
    FaultKind("kill", "worker"),
    FaultKind("stop", "agent", lasts=True),
    FaultKind("cut", "link", lasts=True),
)
HOSTS = ("alder", "birch")
PLANNED = [("p0", "./nap0"), ("p0", "./nap1")]
PASSED = Record(
    run="r", lab="naps", host="alder", machine="p0", student="", driver="process", boundary="process",
    arch="amd64", accel="none", exercise="./nap0", status=Status.PASS,
)  # fmt: skip
BOTH = [PASSED, replace(PASSED, exercise="./nap1")]


@given(st.integers(min_value=0, max_value=10**6))
def test_a_number_is_always_the_same_fault(seed: int) -> None:
    fault = drawn(seed, KINDS, HOSTS, 16.0)
    assert fault == drawn(seed, KINDS, HOSTS, 16.0)
    assert fault.host in HOSTS
    assert 0 <= fault.after <= 16.0
    assert fault.seconds in (SECONDS if fault.kind.lasts else (0.0,))


def test_some_numbers_have_all_kinds_at_all_steps_and_at_random() -> None:
    found = [drawn(seed, KINDS, HOSTS, 16.0) for seed in range(200)]
    assert {one.kind for one in found} == set(KINDS)
    assert {one.moment for one in found} == {*STEPS, Moment.RANDOM}
    assert {one.host for one in found} == set(HOSTS)


def _unit(epoch: int, *records: tuple[str, str, str], key: str = "k") -> dict[str, Any]:
    return {"key": key, "epoch": epoch, "ended": True, "records": [*records]}


def _look(*units: dict[str, Any], ran: dict[str, int] | None = None, left: tuple[str, ...] = ()) -> Any:
    return {"units": [*units], "ran": ran or {}, "left": [*left]}


def test_a_run_that_has_everything_once_has_no_trouble() -> None:
    unit = _unit(1, ("p0", "./nap0", "pass"), ("p0", "./nap1", "pass"))
    looks = {"alder": _look(unit, ran={"p0 nap0": 1, "p0 nap1": 1}), "birch": _look()}
    found = judged(PLANNED, BOTH, looks)
    assert found.troubles == ()
    assert (found.records, found.errors) == (2, 0)


def test_a_record_that_is_missing_or_told_otherwise_than_its_host_has_it_is_lost() -> None:
    failed = replace(BOTH[1], status=Status.ERROR, reason="infrastructure: alder")
    looks = {"alder": _look(_unit(1, ("p0", "./nap1", "pass")))}
    assert judged(PLANNED, BOTH[:1], looks).lost == ("no record of p0 ./nap1",)
    assert judged(PLANNED, [PASSED, failed], looks).lost == (
        "p0 ./nap1 is pass on alder: infrastructure: alder",
    )
    # It is in an epoch that was given up, and the next one failed.
    later = {**looks, "birch": _look(_unit(2))}
    found = judged(PLANNED, [PASSED, failed], later)
    assert found.lost == ()
    assert found.errors == 1


def test_what_is_there_twice_is_doubled() -> None:
    assert judged(PLANNED, [*BOTH, PASSED], {}).doubled == ("2 records of p0 ./nap0",)
    other = replace(PASSED, machine="p9")
    assert judged(PLANNED, [*BOTH, other], {}).doubled == ("a record of p9 ./nap0, which nobody asked for",)


def test_a_program_may_run_once_on_a_host_for_each_time_that_its_unit_was_begun_there() -> None:
    unit = _unit(1, ("p0", "./nap0", "pass"))
    twice = {"alder": _look(unit, ran={"p0 nap0": 2}), "birch": _look()}
    assert len(judged(PLANNED, BOTH, twice).repeated) == 1
    # Killed before its first record, begun again: by its key it is the same unit, whose records say whose.
    again = {"alder": _look(_unit(1), _unit(2, ("p0", "./nap0", "pass")), ran={"p0 nap0": 2})}
    assert judged(PLANNED, BOTH, again).repeated == ()


def test_what_is_left_is_named_with_its_host() -> None:
    assert judged(PLANNED, BOTH, {"alder": _look(left=("folder /x",))}).left == ("alder: folder /x",)
