"""Expectations: what counts as observed, what holds, for which machines, and why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories import facts, loaded, subject
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.exercises.bounded_value import MAX_KEYS, MAX_TEXT
from orchestrator.exercises.checks import (
    Verdict,
    applies,
    judge,
    observations,
    split,
    unmet,
)
from orchestrator.labfile.models import Boundary, Exercise, Where

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def exercise(**keys: Any) -> Exercise:
    return Exercise.model_validate({"title": "a", "run": "./a", **keys})


def verdict(shown: dict[str, Any], *checks: dict[str, Any]) -> Verdict:
    return judge(
        exercise(checks=list(checks)), {"exit_code": 0, "signal": None, "stdout": "", **shown}, subject()
    )


def holds(found: Any, **comparison: Any) -> bool:
    """Whether one expectation about one observation is met."""
    return not verdict({"it": found}, {"that": "it", **comparison}).misses


@given(st.text())
def test_any_text_gives_storable_observations(text: str) -> None:
    json.dumps(observations(text), allow_nan=False)


@given(st.dictionaries(st.text(min_size=1, max_size=10), JSON_VALUES, max_size=5))
def test_any_object_gives_storable_observations(shown: dict[str, Any]) -> None:
    found = observations(f"hello\n{json.dumps(shown)}\nbye")
    assert set(found) == set(shown)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("stdout", "found"),
    [
        ("", {}),
        ("no json here", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1}\n{"a": 2}\n', {"a": 2}),
        ('{"a": 1}\nafterwards\n', {"a": 1}),
        ('  {"a": 1}  ', {"a": 1}),
        ('{"a": 1}\n{"a": \n', {}),
        ("[1]", {}),
        ('{"a": NaN, "b": Infinity, "c": 1e999, "d": -1e999}', {"a": None, "b": None, "c": None, "d": None}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"a": [[[[1]]]]}', {"a": [[[None]]]}),
        ('{"a": ' + "[" * 100_000, {}),
        ('{"a": ' + "9" * 5000 + "}", {}),
        ('{"a": 18446744073709551615}', {"a": 2**64 - 1}),
        ('{"a": 18446744073709551616}', {"a": "18446744073709551616"}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_the_last_object_counts_and_is_made_finite(stdout: str, found: dict[str, Any]) -> None:
    assert observations(stdout) == found


def test_observations_are_bounded() -> None:
    shown = {f"{'k' * 100}{n}": n for n in range(1000)} | {"text": "x" * 10**6}
    found = observations(json.dumps({"text": "x" * 10**6, **shown}))
    assert len(found) <= MAX_KEYS
    assert len(found["text"]) == MAX_TEXT
    assert all(len(key) <= 80 for key in found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 5000 + "a", "x" * 5000 + "b"),
        ([0] * 500 + [1], [0] * 500 + [2]),
        ({f"k{n}": n for n in range(300)}, {f"k{n}": min(n, 298) for n in range(300)}),
        (10**90, 10**90 + 1),
    ],
)
def test_bounds_never_make_different_observations_equal(one: object, other: object) -> None:
    first, second = (observations(json.dumps({"seen": each})) for each in (one, other))
    assert first != second
    assert len(json.dumps(first)) < 10_000


def test_objects_beyond_the_bound_differ_by_what_was_left_out() -> None:
    one, other = ({f"k{n:04}": n // (n + less) for n in range(1, 300)} for less in (0, 1))
    first, second = (observations(json.dumps({"k": 1} | each)) for each in (one, other))
    assert first["…"] != second["…"]
    assert len(first) == MAX_KEYS


@pytest.mark.parametrize(
    ("found", "comparison", "met"),
    [
        (1, {"equals": 1}, True),
        (1.0, {"equals": 1}, True),
        (True, {"equals": 1}, False),
        (1, {"equals": True}, False),
        (False, {"equals": 0}, False),
        ([True], {"equals": [1]}, False),
        ({"a": [1]}, {"equals": {"a": [True]}}, False),
        ({"a": [1, "x"]}, {"equals": {"a": [1, "x"]}}, True),
        ([1], {"equals": [1, 2]}, False),
        (None, {"equals": None}, True),
        ("1", {"equals": 1}, False),
        (1, {"not_equals": True}, True),
        (1, {"not_equals": 1}, False),
        (2, {"one_of": [1, 2]}, True),
        (True, {"one_of": [1, 2]}, False),
        (3, {"at_least": 3}, True),
        (2.9, {"at_least": 3}, False),
        (True, {"at_least": 0}, False),
        ("9", {"at_least": 3}, False),
        (None, {"at_least": 3}, False),
        (3, {"at_most": 3}, True),
        (4, {"at_most": 3}, False),
        (2**63, {"at_least": 1}, True),
        ("abc", {"matches": "^a.c$"}, True),
        ("xabc", {"matches": "^abc"}, False),
        (5, {"matches": "5"}, False),
        ("x" * MAX_TEXT + "needle", {"matches": "needle"}, False),
        (4096, {"equals_fact": "page_size"}, True),
        (8192, {"equals_fact": "page_size"}, False),
        (None, {"equals_fact": "hostname"}, False),
        (12, {"measured": 1}, True),
        (12, {"measured": 2}, False),
        ({"median": 3.0, "q1": 2.0, "q3": 4.0, "n": 15}, {"measured": 15}, True),
        ({"median": 3.0, "q1": 2.0, "q3": 4.0, "n": 14}, {"measured": 15}, False),
        ({"median": 3.0, "q1": 2.0, "n": 15}, {"measured": 15}, False),
        ({"median": 0.0, "q1": 0.0, "q3": 4.0, "n": 15}, {"measured": 15}, False),
        ("blocked (EPERM)", {"measured": 1}, False),
    ],
)
def test_comparisons(found: Any, comparison: dict[str, Any], met: bool) -> None:
    assert holds(found, **comparison) is met


@pytest.mark.parametrize(
    "comparison", [{"equals": None}, {"not_equals": 1}, {"one_of": [None]}, {"equals_fact": "hostname"}]
)
def test_what_was_not_observed_never_meets_an_expectation(comparison: dict[str, Any]) -> None:
    (miss,) = verdict({}, {"that": "it", **comparison}).misses
    assert miss.startswith("it: got nothing, expected ")


@pytest.mark.parametrize(
    ("found", "comparison", "words"),
    [
        (1, {"equals": 2}, "got 1, expected 2"),
        (True, {"equals": 1}, "got true, expected 1"),
        (1, {"not_equals": 1}, "got 1, expected anything but 1"),
        ("c", {"one_of": ["a", "b"]}, 'got "c", expected one of "a", "b"'),
        (1, {"at_least": 1048577}, "got 1, expected at least 1048577"),
        (9, {"at_most": 2.5}, "got 9, expected at most 2.5"),
        ("b", {"matches": "^a"}, 'got "b", expected a text that matches "^a"'),
        (1, {"equals_fact": "page_size"}, "got 1, expected this machine's page_size, which is 4096"),
        (1, {"measured": 15}, "got 1, expected a measurement of at least 15 readings"),
        ("é", {"equals": "e"}, 'got "é", expected "e"'),
        (1, {"equals": 2, "why": "two pages"}, "got 1, expected 2  (two pages)"),
    ],
)
def test_a_miss_says_got_expected_and_why(found: Any, comparison: dict[str, Any], words: str) -> None:
    assert verdict({"it": found}, {"that": "it", **comparison}).misses == (f"it: {words}",)


def test_a_missing_observation_is_told_with_what_was_observed_instead() -> None:
    (near,) = verdict({"capacity": 1, "other": 2}, {"that": "capcity", "equals": 1}).misses
    assert near == "capcity: got nothing, expected 1  (did you mean 'capacity'?)"
    (far,) = verdict({"capacity": 1, "other": 2}, {"that": "x", "equals": 1}).misses
    assert far == "x: got nothing, expected 1  (observed: capacity, other)"


def test_misses_are_aligned_one_a_line() -> None:
    checks = [
        {"that": "a", "equals": 1, "why": "one"},
        {"that": "longer", "equals": 22, "why": "two"},
        {"that": "met", "equals": 1},
    ]
    assert verdict({"a": 100, "longer": 2, "met": 1}, *checks).misses == (
        "a:      got 100, expected 1   (one)",
        "longer: got 2,   expected 22  (two)",
    )


def test_long_values_stand_below_each_other_and_nothing_is_left_out_in_the_middle() -> None:
    found, wanted = "0600" * 20, "0000" * 20
    (miss,) = verdict({"encoded": found}, {"that": "encoded", "equals": wanted, "why": "order"}).misses
    assert miss.split("\n") == [
        f'encoded: got      "{found}"',
        f'         expected "{wanted}"',
        "         (order)",
    ]


def test_hostile_values_are_told_in_plain_bounded_words() -> None:
    (miss,) = verdict({"it": "\x1b[31m\u202e" * 1000}, {"that": "it", "equals": 1}).misses
    assert miss.replace("\n", "").isprintable()
    assert len(miss) < 2200
    assert "more characters)" in miss


def test_points_are_those_of_the_met_expectations() -> None:
    checks = [{"that": "a", "equals": 1, "points": 2}, {"that": "b", "equals": 1, "points": 0.5}]
    result = verdict({"a": 1}, *checks)
    assert (result.points, result.max_points, len(result.misses)) == (2, 2.5, 1)


def test_ending_badly_is_a_miss_unless_an_expectation_is_about_it() -> None:
    shown = {"it": 1, "exit_code": 3}
    assert verdict(shown, {"that": "it", "equals": 1}).misses == (
        "exit_code: got 3, expected 0  (normal exit)",
    )
    assert verdict(shown, {"that": "exit_code", "equals": 3}).misses == ()
    killed = {"exit_code": None, "signal": "SIGSEGV"}
    assert verdict(killed, {"that": "signal", "equals": "SIGSEGV"}).misses == ()


def test_without_expectations_ending_well_is_worth_one_point() -> None:
    good = verdict({})
    assert (good.points, good.max_points, good.misses) == (1, 1, ())
    assert verdict({"exit_code": 1}).points == 0


def test_expectations_about_other_machines_do_not_count() -> None:
    elsewhere = {"that": "it", "equals": 1, "where": {"arch": ["s390x"]}, "points": 7}
    here = verdict({}, elsewhere)
    assert (here.points, here.max_points, here.misses) == (0, 0, ())
    about_the_end = {"that": "exit_code", "equals": 5, "where": {"arch": ["s390x"]}}
    assert verdict({"exit_code": 5}, about_the_end).misses == ("exit_code: got 5, expected 0  (normal exit)",)


@pytest.mark.parametrize(
    ("where", "about_this"),
    [
        ({}, True),
        ({"boundary": ["vm", "process"]}, True),
        ({"boundary": ["process"]}, False),
        ({"arch": ["amd64"]}, True),
        ({"bits": 64}, True),
        ({"bits": 32}, False),
        ({"byte_order": "big"}, False),
        ({"root": True}, True),
        ({"root": False}, False),
        ({"boundary": ["vm"], "bits": 32}, False),
    ],
)
def test_every_filter_must_match(where: dict[str, Any], about_this: bool) -> None:
    assert applies(Where.model_validate(where), subject()) is about_this


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, ""),
        (
            {"needs": {"root": True, "kernel": ">=6.1", "features": ["user-namespaces"], "arch": ["amd64"]}},
            "",
        ),
        (
            {"needs": {"boundary": ["process", "container"]}},
            "only for boundary process, container, this is vm",
        ),
        ({"needs": {"arch": ["s390x"]}}, "only for s390x, this is amd64"),
        ({"needs": {"kernel": ">=6.13"}}, "needs kernel >=6.13, this is 6.12.1"),
        ({"needs": {"features": ["landlock"]}}, "needs landlock: too old"),
        ({"needs": {"features": ["seccomp"]}}, "needs seccomp: unknown to the runner"),
    ],
)
def test_what_is_missing_is_said(keys: dict[str, Any], why: str) -> None:
    assert unmet(exercise(**keys), subject()) == why


@pytest.mark.parametrize(
    ("boundary", "users", "keys", "why"),
    [
        (
            Boundary.PROCESS,
            {"student", "other"},
            {"needs": {"root": True}},
            "runs nothing as root on the host",
        ),
        (Boundary.SANDBOX, {"student"}, {"needs": {"root": True}}, "which a sandboxed program never has"),
        (Boundary.PROCESS, {"student"}, {"run": [{"run": "a", "user": "other"}]}, "must run as root"),
        (Boundary.PROCESS, {"student"}, {"run": [{"run": "a", "user": "root"}]}, "needs root"),
    ],
)
def test_a_missing_user_is_said(boundary: Boundary, users: set[str], keys: dict[str, Any], why: str) -> None:
    here = subject(boundary=boundary, users=frozenset(users), facts=facts())
    assert why in unmet(exercise(**keys), here)


def test_what_makes_no_sense_here_is_told_apart_once_with_its_reason() -> None:
    fits, not_here = (
        loaded(Path("/e"), {}, "a"),
        loaded(Path("/e"), {"needs": {"features": ["landlock"]}}, "b"),
    )
    assert split([not_here, fits], subject()) == ([fits], {"b": "needs landlock: too old"})


@pytest.mark.parametrize(
    ("login", "user", "why"),
    [
        ("pi", "root", "needs root, but isolab logs in there as 'pi', who is not root"),
        ("pi", "other", "needs the user 'other', but isolab logs in there as 'pi', who is not root"),
        ("root", "root", "needs root, whom isolab gives programs there only with `disposable: true`"),
    ],
)
def test_on_somebody_elses_machine_the_login_is_said(login: str, user: str, why: str) -> None:
    here = subject(boundary=Boundary.PROCESS, users=frozenset({"student"}), login=login)
    assert unmet(exercise(run=[{"run": "a", "user": user}]), here) == why
