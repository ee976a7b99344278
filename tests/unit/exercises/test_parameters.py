"""Parameters: how values are derived, where they are filled in, and whose a copied one is."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, loaded, record, subject
from hypothesis import given, settings
from hypothesis import strategies as st
from places import LABS

from orchestrator.deadline import Cancellation
from orchestrator.exercises.checks import judge
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.exercises.parameters import (
    Values,
    example,
    readme,
    values,
    whose,
    with_example,
    with_parameters,
)
from orchestrator.labfile.load import LoadedExercise, load_exercise
from orchestrator.labfile.models import Exercise
from orchestrator.labfile.placeholders import in_command, in_text, in_value
from orchestrator.record import CheckResult

KEY = bytes(range(32))
TEXT = st.text(max_size=12)


def exercise(**keys: Any) -> Exercise:
    return Exercise.model_validate({"title": "t", "run": "./a", **keys})


def port_of(student: str, name: str = "ipc/port", key: bytes = KEY) -> Any:
    return values(exercise(parameters={"port": {"between": [0, 2**53 - 1]}}), name, student, key)["port"]


# Deriving


def test_values_are_fixed_for_ever() -> None:
    """Grading again next year gives the same values. These are derived by hand from what
    ``openssl dgst -sha256 -mac HMAC`` says of the message in ADR 0031."""
    spec = exercise(
        parameters={
            "port": {"between": [20000, 29999]},
            "token": {"hex": 16},
            "word": {"one_of": ["alpha", "beta", 3]},
        }
    )
    # The first 14 bits of 3c1c…, and the first 16 digits of 7caa…. Of df1d…, efa8… and 91fd… for the word,
    # the first two begin with the bits 11, and there is no fourth one.
    golden = {"port": 20000 + 3847, "token": "7caa0ac27f691908", "word": 3}
    assert values(spec, "ipc/port", "s1", KEY) == golden


def test_a_value_depends_on_student_exercise_parameter_and_key_alone() -> None:
    one = port_of("s1")
    assert one == port_of("s1")
    assert one == port_of("s1", "./ipc/port"), "the copy of a built-in exercise is the same exercise"
    others = [port_of("s2"), port_of("s1", "ipc/pipe"), port_of("s1", key=bytes(32))]
    spec = exercise(parameters={"other": {"between": [0, 2**53 - 1]}})
    others.append(values(spec, "ipc/port", "s1", KEY)["other"])
    assert len({one, *others}) == 5


def test_texts_do_not_run_into_each_other() -> None:
    assert port_of("ab", "c") != port_of("a", "bc")
    assert port_of("a\0", "b") != port_of("a", "\0b")


@settings(max_examples=30)
@given(TEXT, st.integers(-(2**53) + 1, 2**53 - 2), st.integers(1, 2**54), st.integers(1, 64))
def test_a_value_is_one_of_those_allowed(student: str, low: int, more: int, digits: int) -> None:
    high = min(low + more, 2**53 - 1)
    spec = exercise(parameters={"a": {"between": [low, high]}, "b": {"hex": digits}})
    found = values(spec, "x", student, KEY)
    assert isinstance(found["a"], int)
    assert low <= found["a"] <= high
    assert isinstance(found["b"], str)
    assert len(found["b"]) == digits
    assert set(found["b"]) <= set("0123456789abcdef")


def test_no_number_of_a_range_is_favoured() -> None:
    spec = exercise(parameters={"a": {"between": [1, 5]}})
    counts = Counter(values(spec, "x", f"s{number}", KEY)["a"] for number in range(5000))
    assert set(counts) == {1, 2, 3, 4, 5}
    # Chi-square with 4 degrees of freedom: above 18.5 in one of a thousand keys, and the key is fixed.
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 18.5


# Filling in


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("${port}", 80),
        ("port ${port}", "port 80"),
        ("$${port}", "${port}"),
        ("$$${port}", "$${port}"),
        ("${other}", "${other}"),
        ("${port", "${port"),
        ("$port", "$port"),
        (["${word}", 1, None, True], ["a b", 1, None, True]),
        ({"${port}": "${port}"}, {"${port}": 80}),
    ],
)
def test_data(written: Any, filled: Any) -> None:
    found = in_value(written, {"port": 80, "word": "a b"})
    assert (found, type(found)) == (filled, type(filled))


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_a_value_is_never_another_word(value: str) -> None:
    words = shlex.split(in_command("./a 'x ${v}' ${v} \"-${v}-\" $HOME", {"v": value}))
    assert words == ["./a", f"x {value}", value, f"-{value}-", "$HOME"]


def test_a_command_without_placeholders_is_as_written() -> None:
    assert in_command("./a  'b c'", {"v": 1}) == "./a  'b c'"


@pytest.fixture
def whole() -> LoadedExercise:
    return load_exercise(LABS / "parameters/answer", "./answer")


GIVEN: Values = {"port": 20001, "token": "0123456789ab", "greeting": "g'day (mate)"}


def with_hidden(one: LoadedExercise) -> LoadedExercise:
    assert one.hidden
    return LoadedExercise(one.name, one.folder, one.spec.with_hidden(one.hidden), one.hidden, one)


def test_everything_that_runs_and_is_shown_has_the_values(whole: LoadedExercise) -> None:
    done = with_parameters(with_hidden(whole), GIVEN)
    assert [step.argv for step in done.spec.run] == [
        ["./answer", "20001", "greeting", "g'day (mate)"],
        ["./answer", "20001", "token", "0123456789ab"],
    ]
    port, greeting, token = done.spec.checks
    assert (port.equals, port.why, port.comparison) == (20001, "your port is 20001", "equals")
    assert (token.one_of, token.why) == (["<0123456789ab>"], "the token is 0123456789ab")
    assert greeting.matches == r"^<g'day\ \(mate\)>$"
    for one in (done, done.shown):
        assert one
        assert "${" not in one.spec.model_dump_json()
        assert not one.spec.parameters
    assert done.hidden
    assert "${" not in done.hidden.model_dump_json()
    assert with_parameters(done, {"port": 1}) == done, "there is nothing left to fill in"


def test_hidden_checks_stay_hidden(whole: LoadedExercise) -> None:
    done = with_parameters(with_hidden(whole), GIVEN)
    assert done.hidden
    found = judge(done.spec, {"exit_code": 0}, subject(), done.hidden.checks)
    assert [(one.that, one.hidden) for one in found.results] == [
        ("exit_code", False),
        ("port", False),
        ("greeting", False),
        ("token", True),
    ]


def test_without_parameters_a_file_has_no_placeholders() -> None:
    one = loaded(Path("/e"), {"run": "sh -c 'echo $${HOME}'", "checks": [{"that": "a", "equals": "${b}"}]})
    assert with_example(one) is one


def test_no_placeholder_reaches_a_machine(whole: LoadedExercise) -> None:
    there = FakeTransport([answer()])
    place = ExerciseContext(there, SITE, subject(), "run-vm", "isolab-canary-run")
    done = run_exercise(with_hidden(whole), place, record(), Cancellation())
    assert str(example(whole)["port"]) in there.asked[0]
    assert "${" not in str(there.asked) + str(done)


def test_the_readme_of_a_student(whole: LoadedExercise) -> None:
    text = readme(whole, GIVEN)
    assert """cd "${HOME}" && ./answer 20001 greeting "g'day (mate)\"""" in text


def test_a_readme_without_parameters_is_as_written(whole: LoadedExercise, tmp_path: Path) -> None:
    plain = loaded(tmp_path, {})
    assert readme(plain, {}) == ""
    (tmp_path / "README.md").write_text("$${HOME} ${port}\n")
    assert readme(plain, {}) == "$${HOME} ${port}\n"


# Copied


def seen(that: str, got: str, *, held: bool = False) -> CheckResult:
    return CheckResult(that, held, got, "…")


EVERYBODY: dict[str, Values] = {
    "ann": {"port": 20001, "token": "aa", "greeting": "good day"},
    "bob": {"port": 20002, "token": "bb", "greeting": "g'day (mate)"},
    "cat": {"port": 20002, "token": "cc", "greeting": "good day"},
    "eve": {"port": 20003, "token": "ee", "greeting": "good day"},
}


@pytest.mark.parametrize(
    ("results", "ids"),
    [
        ([seen("port", "20001")], ("ann",)),
        ([seen("port", "20002")], ("bob", "cat")),
        ([seen("port", "20002"), seen("token", '"<cc>"')], ("cat", "bob")),
        ([seen("greeting", '"<g\'day (mate)>"')], ("bob",)),
        ([seen("port", "20003")], ()),
        ([seen("port", '"20001"')], ()),
        ([seen("port", "20001", held=True)], ()),
        ([seen("exit_code", "20001"), seen("greeting", "nothing"), seen("token", "nothing")], ()),
        ([seen("greeting", "[]")], ()),
    ],
)
def test_whose_value_it_is(whole: LoadedExercise, results: list[CheckResult], ids: tuple[str, ...]) -> None:
    assert whose(results, whole, "eve", EVERYBODY) == ids


def test_a_value_that_everybody_must_avoid_is_nobodys() -> None:
    spec = {
        "parameters": {"a": {"between": [1, 9]}},
        "checks": [{"that": "x", "not_equals": "${a}"}, {"that": "y", "equals": 3}],
    }
    results = [seen("x", "5"), seen("y", "5")]
    assert whose(results, loaded(Path("/e"), spec), "eve", {"ann": {"a": 5}}) == ()


def test_a_value_is_not_looked_into() -> None:
    assert in_text("${a}${b}", {"a": "${b}", "b": 1}) == "${b}1"
