"""Parameters of exercises: values that differ from student to student, and nobody can guess.

A value is derived, not stored: from the course's secret key, the student's id, the exercise and the
parameter's name. So it is the same on every machine and in every term's grading with that key. Pure.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.exercises.checks import would_hold
from orchestrator.labfile.check_parameters import README
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Check, Exercise, Parameter, Step
from orchestrator.labfile.placeholders import FILLED, Value, in_check, in_command, in_text, names_in
from orchestrator.record import CheckResult

Values = Mapping[str, Value]
"""The values of an exercise's parameters by name."""
EXAMPLE = "example"
"""The id of the student whose values an exercise has where no student is named."""
EXAMPLE_KEY = bytes(32)
"""The key of the example student's values: no secret, so that everybody sees the same ones."""
_CONTEXT = "exercise parameter 1"
_COMPARED = tuple(key for key in FILLED if key not in ("why", "not_equals"))
"""The comparisons that hold for one value, and not for everything but one."""


def values(exercise: Exercise, name: str, student: str, key: bytes) -> dict[str, Value]:
    """Return a student's values of the parameters of an exercise, called ``name`` in the lab.

    ``key`` is the course's secret, ``student`` the id in the roster. Where the exercise's folder is does not
    matter: ``./ipc/pipe`` has the values of ``ipc/pipe``.
    """
    about = (student, name.removeprefix("./"))
    return {
        parameter: _value(how, _blocks(key, *about, parameter))
        for parameter, how in exercise.parameters.items()
    }


def example(exercise: LoadedExercise) -> dict[str, Value]:
    """Return the values that an exercise has where no student is named."""
    return values(exercise.spec, exercise.name, EXAMPLE, EXAMPLE_KEY)


def with_example(exercise: LoadedExercise) -> LoadedExercise:
    """Return the exercise with the example student's values; itself if there is nothing to fill in."""
    return with_parameters(exercise, example(exercise)) if exercise.spec.parameters else exercise


def example_checks(exercise: Exercise, name: str) -> tuple[Check, ...]:
    """Return the checks of an exercise, called ``name`` in the lab, as a run without a student's id makes
    them: with the example student's values."""
    given = values(exercise, name, EXAMPLE, EXAMPLE_KEY)
    return tuple(filled_check(check, given) if given else check for check in exercise.checks)


def with_parameters(exercise: LoadedExercise, given: Values) -> LoadedExercise:
    """Return the exercise with these values in the commands and checks of all its tests. It has no parameters
    left, so this can be done once only."""
    if not exercise.spec.parameters:
        return exercise
    filled = _Filled(given)
    hidden = exercise.hidden
    shown = exercise.shown
    return replace(
        exercise,
        spec=exercise.spec.model_copy(update=filled.tests(exercise.spec) | {"parameters": {}}),
        hidden=hidden.model_copy(update=filled.tests(hidden)) if hidden else None,
        shown=with_parameters(shown, given) if shown else None,
    )


def readme(exercise: LoadedExercise, given: Values) -> str:
    """Return the exercise's README as this student is to read it; "" if it has none.

    A placeholder that is no parameter stays: it is a shell's variable. Raises OSError.
    """
    file = exercise.folder / README
    text = file.read_text(errors="replace") if file.is_file() else ""
    return in_text(text, given) if given else text


def whose(
    results: Sequence[CheckResult], exercise: LoadedExercise, student: str, others: Mapping[str, Values]
) -> tuple[str, ...]:
    """Return the ids of those whose values a student's program answered in place of the student's own.

    ``results`` are of the student's record, ``exercise`` has its placeholders still, and ``others`` are the
    values of everybody by id (the student's own do not matter). Those whose values explain the most failed
    checks come first, then by id. Where few values are possible, a wrong answer is somebody's by chance.
    """
    hidden = exercise.hidden.checks if exercise.hidden else ()
    checks = _with_placeholders([*exercise.spec.checks, *hidden], exercise.spec.parameters)
    failed = [one for one in results if not one.held]
    found: Counter[str] = Counter()
    for other, given in others.items():
        if other != student:
            found[other] = sum(_answers(one, checks, given) for one in failed)
    return tuple(sorted((one for one in found if found[one]), key=lambda one: (-found[one], one)))


class _Filled:
    """Fills values into tests. The same check becomes the same check: which ones are hidden is known by
    their identity."""

    def __init__(self, given: Values) -> None:
        self._given = given
        self._checks: dict[int, tuple[Check, Check]] = {}

    def tests(self, spec: Any) -> dict[str, Any]:
        return {
            "run": [self._step(step) for step in spec.run],
            "checks": [self._check(check) for check in spec.checks],
        }

    def _step(self, step: Step) -> Step:
        return step.model_copy(update={"run": in_command(step.run, self._given)})

    def _check(self, check: Check) -> Check:
        if id(check) not in self._checks:
            # The old one is kept as well, or its identity could be another's later.
            self._checks[id(check)] = check, filled_check(check, self._given)
        return self._checks[id(check)][1]


def filled_check(check: Check, given: Values) -> Check:
    """Return a check with these values."""
    written = {key: getattr(check, key) for key in FILLED if key in check.model_fields_set}
    return check.model_copy(update=in_check(written, given))


def _with_placeholders(checks: Sequence[Check], parameters: Collection[str]) -> list[Check]:
    return [
        check
        for check in checks
        if check.comparison in _COMPARED
        and any(name in parameters for name in names_in(getattr(check, check.comparison)))
    ]


def _answers(result: CheckResult, checks: Sequence[Check], given: Values) -> bool:
    """Whether what was seen is what these values would have made right."""
    same = (filled_check(check, given) for check in checks if check.that == result.that)
    return any(would_hold(check, result.got) for check in same)


def _value(how: Parameter, blocks: Iterator[bytes]) -> Value:
    if how.between is not None:
        low, high = how.between
        return low + _below(high - low + 1, blocks)
    if how.one_of is not None:
        return how.one_of[_below(len(how.one_of), blocks)]
    if how.value is not None:
        return how.value
    assert how.hex is not None
    return next(blocks).hex()[: how.hex]


def _below(limit: int, blocks: Iterator[bytes]) -> int:
    """Return a number below ``limit``, each as likely as the others: a remainder would favour small ones, so
    numbers that are too large are drawn again."""
    bits = (limit - 1).bit_length()
    for block in blocks:
        drawn = int.from_bytes(block) >> (len(block) * 8 - bits)
        if drawn < limit:
            return drawn
    raise AssertionError("there are always more blocks")


def _blocks(key: bytes, *about: str) -> Iterator[bytes]:
    """Yield pseudorandom blocks of 32 bytes: HMAC-SHA256 (RFC 2104) of what they are about and a counter.

    Each text is preceded by its length, so no two lists of texts are the same bytes.
    """
    encoded = [text.encode(errors="surrogatepass") for text in (_CONTEXT, *about)]
    message = b"".join(len(text).to_bytes(8) + text for text in encoded)
    number = 0
    while True:
        yield hmac.digest(key, message + number.to_bytes(8), "sha256")
        number += 1
