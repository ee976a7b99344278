"""The model of an exercise file: how programs are built and run, and what is expected of them."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from orchestrator.driver_traits import Boundary
from orchestrator.labfile.canary_kinds import CanaryKind
from orchestrator.labfile.models.base import NAME_PATTERN, AnyText, ArchName, Fact, Feature, Spec, User
from orchestrator.labfile.models.parameter import PARAMETER_PATTERN, Parameter
from orchestrator.units import Duration, Size


class Build(Spec):
    """How a program is built: from sources, or by a command.

    ``output`` defaults to the stem of the first source. A ``command`` runs on the controller, in
    a copy of the exercise's folder, with ``CC`` set to a compiler for the machine's architecture;
    it leaves the program ``output`` there (default: the one program it builds). Sources starting
    with ``../`` are the exercise's ``shared`` files; ``headers`` is an older way to name such files.
    """

    model_config = ConfigDict(populate_by_name=True)

    sources: list[AnyText] = []
    """C files to compile, as paths in the folder. Those that begin with ../ are listed under shared."""
    headers: list[str] = []
    """An older way to name files in shared."""
    command: str | None = None
    """A shell command that builds the program, such as make. CC is a compiler for the architecture."""
    output: AnyText | None = None
    """File name of the program. By default the first source without its suffix."""
    flags: list[str] = []
    """Further compiler flags, such as -O0."""
    where: Literal["controller", "guest"] = Field("controller", alias="in")
    """Where to compile: on the controller, or in the machine with its own compiler."""

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
    """The command and its arguments. No shell runs: no pipes, variables or patterns."""
    user: User = User.STUDENT
    """Who runs it. By default student."""
    stdin: AnyText | None = None
    """A file of the exercise's folder that the program reads as its standard input."""

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.run)


KERNEL_PATTERN = r"^>=\d+(\.\d+){0,2}$"
PROGRAM_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$"
ProgramName = Annotated[str, Field(pattern=PROGRAM_PATTERN, max_length=64)]


class Needs(Spec):
    """What an exercise needs of a machine; if unmet, its status is *skip*.

    ``features`` are names the runner probes in the guest (see docs/exercise-format.md);
    ``network`` means another machine on the same network; ``programs`` are names of programs that
    the machine itself must have, looked up just before the exercise runs there.
    """

    kernel: Annotated[str, Field(pattern=KERNEL_PATTERN)] | None = None
    """The oldest kernel it works on, such as >=5.10."""
    root: bool = False
    """Whether it must be able to run programs as root."""
    network: bool = False
    """Whether it needs another machine on the same network."""
    features: list[Feature] = []
    """What must work in the machine; each is tried when the machine has come up."""
    programs: list[ProgramName] = []
    """Names of programs that must be installed in the machine, such as strace."""
    arch: list[ArchName] = []
    """Architectures it is for; empty for any."""
    boundary: list[Boundary] = []
    """Kinds of boundary it is for; empty for any."""


class Where(Spec):
    """Restrict a check to machines that match every given key; ``root``: whether isolab runs as root on
    the host, without which a sandbox or a container can be given less."""

    boundary: list[Boundary] = []
    """Kinds of boundary the check applies to; empty for any."""
    arch: list[ArchName] = []
    """Architectures the check applies to; empty for any."""
    bits: Literal[32, 64] | None = None
    """Word size of the machines the check applies to."""
    byte_order: Literal["little", "big"] | None = None
    """Byte order of the machines the check applies to."""
    root: bool | None = None
    """Whether isolab runs as root on the host."""


COMPARISONS = (
    "equals", "not_equals", "one_of", "at_least", "at_most", "matches", "equals_fact", "measured",
)  # fmt: skip


class Check(Spec):
    """One expectation about one observation. Declarative: no code is evaluated.

    ``that`` names a key of the JSON object the program prints, or one of ``exit_code``,
    ``signal``, ``stdout``. Exactly one comparison is given.
    """

    that: Annotated[str, Field(min_length=1)]
    """What is checked: an observation of the program, exit_code, signal or stdout."""
    equals: Any = None
    """The value must be the same as this one."""
    not_equals: Any = None
    """There must be a value, and another one than this."""
    one_of: list[Any] | None = None
    """The value must be one of these."""
    at_least: float | None = None
    """The value must be a number, and no less than this."""
    at_most: float | None = None
    """The value must be a number, and no more than this."""
    matches: str | None = None
    """The value must be a text in which this regular expression is found."""
    equals_fact: Fact | None = None
    """The value must be the same as this fact of the machine."""
    measured: Annotated[int, Field(ge=1)] | None = None
    """The value must be a measurement of at least this many readings."""
    points: Annotated[float, Field(ge=0)] = 1.0
    """What the check is worth."""
    why: str = ""
    """The reason, shown when the check fails."""
    where: Where = Where()
    """The machines the check applies to; by default all."""

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
    """What is measured."""
    unit: Annotated[str, Field(min_length=1, max_length=12)]
    """Unit of the observations. ns, us, ms, s, B and B/s are scaled for display."""
    better: Literal["lower", "higher"] = "lower"
    """Which end of the scale is better."""
    shows: Annotated[dict[str, str], Field(min_length=1)]
    """Observation and its label; each is a picture and a row of the table."""


Libc = Literal["musl", "glibc"]
"""The C libraries that programs can be linked with."""
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
    """The files that a student writes, as paths in the folder."""


class Hidden(Spec):
    """A ``hidden.yaml``: tests of a student exercise that are not handed out.

    ``run`` follows the visible steps. ``wrong`` maps a wrong solution to the observations whose
    checks it misses. ``rules`` and ``untested`` are a table of what the README demands: what tells
    that it was done, or why nothing does.
    """

    files: list[str] = []
    """Further files to copy into the machine."""
    build: Annotated[list[Build], BeforeValidator(_builds)] = []
    """Further programs to build."""
    run: Annotated[list[Step], BeforeValidator(_steps)] = []
    """Further commands, run after the visible ones."""
    checks: Annotated[list[Check], Field(min_length=1)]
    """Further checks, on observations of any command."""
    wrong: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Annotated[list[str], Field(min_length=1)]] = {}
    """Folder below wrong/ and the observations whose checks that wrong solution fails."""
    rules: dict[AnyText, Annotated[list[str], Field(min_length=1)]] = {}
    """Words of a rule in the README and the observations of which a breach fails at least one check."""
    untested: dict[AnyText, Annotated[AnyText, Field(min_length=1)]] = {}
    """Words of a rule in the README that no check tells a breach of, and why."""


class Exercise(Spec):
    """An ``exercise.yaml``. ``shows`` maps observation -> row label of the comparison.

    ``shared`` are files and folders of the topic, the folder above the exercise's. ``student`` is
    set when a student writes some of its files. What ``plots`` show is measured: it is drawn
    instead of compared in a row. ``asks`` lists the host metrics that the controller measures.
    ``parameters`` is empty once their values are filled in.
    """

    title: Annotated[AnyText, Field(min_length=1)]
    """One line that says what the exercise is about."""
    explain: str = ""
    """What is to be learned from it; shown in the report."""
    build: Annotated[list[Build], BeforeValidator(_builds)] = []
    """Programs to compile."""
    shared: list[str] = []
    """Files and folders of the folder above that its exercises share. Sources name them as ../PATH."""
    files: list[str] = []
    """Files to copy into the machine as they are; executable there if they are executable here."""
    run: Annotated[list[Step], BeforeValidator(_steps), Field(min_length=1)]
    """The command to run, or a list of steps."""
    timeout: Duration = 10.0
    """Time limit of each step on a fast machine, such as 5s; longer on slower ones."""
    output_limit: Size = 64 * 2**10
    """How much is kept of each step's standard output and standard error, such as 64KiB."""
    needs: Needs = Needs()
    """What a machine must have; elsewhere the exercise is skipped."""
    shows: dict[str, str] = {}
    """Observation and its label: the rows of the comparison, in this order."""
    plots: list[Plot] = []
    """Measurements, which are drawn instead of compared."""
    asks: list[Asked] = []
    """What isolab should measure from outside the machine."""
    checks: list[Check] = []
    """What the observations should be, and what that is worth."""
    canaries: list[CanaryKind] = []
    """What isolab plants outside the machine for an attack to aim at."""
    student: Student | None = None
    """Set where a student writes some of the files."""
    parameters: dict[Annotated[str, Field(pattern=PARAMETER_PATTERN)], Parameter] = {}
    """Values that differ from student to student, by name; ${NAME} in commands and checks stands for one."""
    libc: Libc = "musl"
    """The C library that programs compiled on the controller are linked with: musl (default) or glibc."""
    poisoned: bool = False
    """Whether all steps are run once more, with student programs whose memory is not zero."""

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
