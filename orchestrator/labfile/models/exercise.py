"""The model of an exercise file: how programs are built and run, and what is expected of them."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from orchestrator.driver_traits import Boundary
from orchestrator.labfile.canary_kinds import RESERVED, CanaryKind, observation
from orchestrator.labfile.models.base import NAME_PATTERN, AnyText, ArchName, Spec, User
from orchestrator.units import Duration, Size


class Build(Spec):
    """How a program is built: from sources, or by a command.

    ``output`` defaults to the stem of the first source. A ``command`` runs on the controller, in
    a copy of the exercise's folder, with ``CC`` set to a compiler for the machine's architecture;
    it leaves the program ``output`` there (default: the one program it builds). Sources starting
    with ``../`` are the exercise's ``shared`` files; ``headers`` is an older way to name such files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    sources: list[AnyText] = []
    headers: list[str] = []
    command: str | None = None
    output: AnyText | None = None
    flags: list[str] = []
    where: Literal["controller", "guest"] = Field("controller", alias="in")

    @model_validator(mode="after")
    def _one_way(self) -> Build:
        if bool(self.sources) == bool(self.command):
            raise ValueError("expected either sources or a command")
        if self.headers and (self.command or self.where == "guest"):
            raise ValueError("headers apply only to sources compiled on the controller")
        if self.where == "guest" and any(name.startswith("../") for name in self.sources):
            raise ValueError("shared sources can be compiled only on the controller")
        return self

    @property
    def program(self) -> str:
        """The file name of the built program."""
        if self.output or not self.sources:
            return self.output or "program"
        return self.sources[0].rsplit("/", 1)[-1].rsplit(".", 1)[0]


class Step(Spec):
    """One command of an exercise; ``run`` is split into words as a shell would, but no shell runs.

    ``stdin`` names a file in the exercise's folder that the program reads.
    """

    run: Annotated[AnyText, Field(min_length=1)]
    user: User = User.STUDENT
    stdin: AnyText | None = None

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.run)


ProgramName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$", max_length=64)]


class Needs(Spec):
    """What an exercise needs of a machine; if unmet, its status is *skip*.

    ``features`` are names the runner probes in the guest (see docs/exercise-format.md);
    ``network`` means another machine on the same network; ``programs`` are names of programs that
    the machine itself must have, looked up just before the exercise runs there.
    """

    kernel: Annotated[str, Field(pattern=r"^>=\d+(\.\d+){0,2}$")] | None = None
    root: bool = False
    network: bool = False
    features: list[str] = []
    programs: list[ProgramName] = []
    arch: list[ArchName] = []
    boundary: list[Boundary] = []


class Where(Spec):
    """Restrict a check to machines that match every given key."""

    boundary: list[Boundary] = []
    arch: list[ArchName] = []
    bits: Literal[32, 64] | None = None
    byte_order: Literal["little", "big"] | None = None


COMPARISONS = (
    "equals", "not_equals", "one_of", "at_least", "at_most", "matches", "equals_fact", "measured",
)  # fmt: skip


class Check(Spec):
    """One expectation about one observation. Declarative: no code is evaluated.

    ``that`` names a key of the JSON object the program prints, or one of ``exit_code``,
    ``signal``, ``stdout``. Exactly one comparison is given.
    """

    that: Annotated[str, Field(min_length=1)]
    equals: Any = None
    not_equals: Any = None
    one_of: list[Any] | None = None
    at_least: float | None = None
    at_most: float | None = None
    matches: str | None = None
    equals_fact: str | None = None
    measured: Annotated[int, Field(ge=1)] | None = None
    points: Annotated[float, Field(ge=0)] = 1.0
    why: str = ""
    where: Where = Where()

    @model_validator(mode="after")
    def _one_comparison(self) -> Check:
        given = [name for name in COMPARISONS if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of: {', '.join(COMPARISONS)}")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as problem:
                raise ValueError(f"invalid regular expression: {problem}") from None
        return self

    @property
    def comparison(self) -> str:
        """The name of the comparison this check makes."""
        return next(name for name in COMPARISONS if name in self.model_fields_set)


class Plot(Spec):
    """Measurements shown together: one unit, one scale. ``shows`` maps observation -> label.

    An observation is a number, or an object with ``median``, ``q1``, ``q3`` and ``n``; see
    ``orchestrator.exercises.measurement``. ``better`` says which end of the scale is better.
    """

    title: Annotated[str, Field(min_length=1)]
    unit: Annotated[str, Field(min_length=1, max_length=12)]
    better: Literal["lower", "higher"] = "lower"
    shows: Annotated[dict[str, str], Field(min_length=1)]


Asked = Literal["start", "memory", "contention"]
ANSWERS: dict[str, str] = {
    "start": "start_seconds",
    "memory": "memory_bytes",
    "contention": "contention_percent",
}
"""Host metrics, which only the controller can measure, and the observations they are reported as."""


def _steps(value: object) -> object:
    return [{"run": value}] if isinstance(value, str) else value


def _builds(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Student(Spec):
    """The files of an exercise that a student writes, by their paths in its folder."""

    files: Annotated[list[str], Field(min_length=1)]


class Hidden(Spec):
    """A ``hidden.yaml``: tests of a student exercise that are not handed out.

    ``run`` follows the visible steps. ``wrong`` maps a wrong solution to the observations whose
    checks it misses.
    """

    files: list[str] = []
    build: Annotated[list[Build], BeforeValidator(_builds)] = []
    run: Annotated[list[Step], BeforeValidator(_steps)] = []
    checks: Annotated[list[Check], Field(min_length=1)]
    wrong: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Annotated[list[str], Field(min_length=1)]] = {}


class Exercise(Spec):
    """An ``exercise.yaml``. ``shows`` maps observation -> row label of the comparison.

    ``shared`` are files and folders of the topic, the folder above the exercise's. ``student`` is
    set when a student writes some of its files. What ``plots`` show is measured: it is drawn
    instead of compared in a row. ``asks`` lists the host metrics that the controller measures.
    """

    title: Annotated[AnyText, Field(min_length=1)]
    explain: str = ""
    build: Annotated[list[Build], BeforeValidator(_builds)] = []
    shared: Annotated[
        list[str],
        Field(
            description="files and folders shared by the exercises of a topic: paths in the folder above the "
            "exercise's. Sources name and include them as ../PATH"
        ),
    ] = []
    files: list[str] = []
    run: Annotated[list[Step], BeforeValidator(_steps), Field(min_length=1)]
    timeout: Duration = 10.0
    output_limit: Size = 64 * 2**10
    needs: Needs = Needs()
    shows: dict[str, str] = {}
    plots: list[Plot] = []
    asks: list[Asked] = []
    checks: list[Check] = []
    canaries: list[CanaryKind] = []
    student: Student | None = None

    @model_validator(mode="after")
    def _canaries_are_planted(self) -> Exercise:
        planted = {observation(kind) for kind in self.canaries}
        for name in [*(check.that for check in self.checks), *self.shows]:
            if name in RESERVED - planted:
                raise ValueError(f"{name} reports a canary that `canaries:` does not list")
        return self

    @model_validator(mode="after")
    def _answers_are_asked_for(self) -> Exercise:
        asked = {ANSWERS[question] for question in self.asks}
        for name in [*(check.that for check in self.checks), *self.shows, *self.measured]:
            if name in set(ANSWERS.values()) - asked:
                raise ValueError(f"{name} is measured by the controller, but `asks:` does not request it")
        return self

    @property
    def measured(self) -> tuple[str, ...]:
        """The observations that are measurements."""
        return tuple(name for plot in self.plots for name in plot.shows)

    @property
    def shares(self) -> tuple[str, ...]:
        """The entries of ``shared``, and the headers that builds list in the older way."""
        return tuple(dict.fromkeys([*self.shared, *(name for build in self.build for name in build.headers)]))

    @property
    def max_points(self) -> float:
        """Points of all checks; an exercise without checks is worth one point."""
        return sum(check.points for check in self.checks) if self.checks else 1.0

    def is_students(self, build: Build) -> bool:
        """Whether a program is built from a student's files: any source may include a header of theirs."""
        theirs = self.student.files if self.student else []
        any_source = bool(build.command) or any(name.endswith(".h") for name in theirs)
        return bool(theirs) and (any_source or bool({*theirs} & {*build.sources}))

    def with_hidden(self, hidden: Hidden) -> Exercise:
        """This exercise with its hidden tests, the visible ones first."""
        more = {name: [*getattr(self, name), *getattr(hidden, name)] for name in _JOINED}
        return self.model_copy(update=more)


_JOINED = ("files", "build", "run", "checks")
