"""What a lab file, an exercise file and an image recipe may say. Frozen models; no I/O.

Unknown keys are errors everywhere: a misspelt ``boundary:`` must not silently run another
experiment. Sizes and durations carry their unit in the file (``256MiB``, ``5s``) and are
bytes and seconds here.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from orchestrator.arch import ARCHITECTURES
from orchestrator.canaries.kinds import RESERVED, CanaryKind, observation
from orchestrator.units import Duration, Size

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,39}$"
EXERCISE_PATTERN = r"^(\./)?[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*$"


def _known_arch(value: object) -> object:
    if isinstance(value, str) and value not in ARCHITECTURES:
        raise ValueError(f"expected one of: {', '.join(ARCHITECTURES)}")
    return value


ArchName = Annotated[
    str, BeforeValidator(_known_arch), WithJsonSchema({"type": "string", "enum": list(ARCHITECTURES)})
]
MachineName = Annotated[str, Field(pattern=NAME_PATTERN)]
ExercisePath = Annotated[str, Field(pattern=EXERCISE_PATTERN)]


def _address(value: object) -> object:
    """An IPv4 address as text. Raises ValueError."""
    try:
        return str(ipaddress.IPv4Address(value)) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("expected an IPv4 address such as 10.77.0.1") from None


def _subnet(value: object) -> object:
    """An IPv4 network as text, with room for two machines. Raises ValueError."""
    try:
        found = ipaddress.IPv4Network(value, strict=False) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or "/" not in str(value):
        raise ValueError("expected a subnet such as 10.77.0.0/24")
    if str(found) != value:
        raise ValueError(f"expected the address of a network, with no host in it: {found}")
    if not 8 <= found.prefixlen <= 30:
        raise ValueError("expected a prefix length of 8 to 30")
    return value


def _by_name(value: object) -> object:
    return {name: None for name in value} if isinstance(value, list) and _texts(value) else value


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


Address = Annotated[str, BeforeValidator(_address)]
Subnet = Annotated[str, BeforeValidator(_subnet)]
Joined = Annotated[
    dict[Annotated[str, Field(pattern=NAME_PATTERN)], Address | None],
    BeforeValidator(_by_name),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "pattern": NAME_PATTERN}},
                {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
            ]
        }
    ),
]
"""Networks a machine joins, each with its address there; None is given the next that is free."""


class Boundary(StrEnum):
    """What stands between a machine's programs and the host, weakest first."""

    PROCESS = "process"
    USER_EMULATION = "user-emulation"
    SANDBOX = "sandbox"
    CONTAINER = "container"
    VM = "vm"
    EMULATED = "emulated"


class User(StrEnum):
    """Who runs a program inside a machine; the same three users exist on every machine."""

    STUDENT = "student"
    OTHER = "other"
    ROOT = "root"


DriverName = Literal["process", "sandbox", "container", "qemu"]
Accel = Literal["auto", "kvm", "tcg"]


class Spec(BaseModel):
    """Base of all models: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MachineDefaults(Spec):
    """Keys a lab may set for all of its machines at once."""

    driver: DriverName | None = None
    arch: ArchName | None = None
    image: str | None = None
    memory: Size | None = None
    cpus: Annotated[int, Field(ge=1, le=64)] | None = None
    accel: Accel | None = None
    engine: Literal["auto", "podman", "docker"] | None = None
    boot_timeout: Duration | None = None
    networks: Joined | None = None


class Network(Spec):
    """A private network between machines of a lab.

    ``subnet`` None is 10.77.N.0/24, N being the network's place among those of the lab.
    ``internet`` gives its machines a way out.
    """

    subnet: Subnet | None = None
    internet: bool = False


class Machine(Spec):
    """One machine of a lab, complete. ``arch`` None means the host's own."""

    driver: DriverName
    arch: ArchName | None = None
    image: str = "micro"
    memory: Size = 256 * 2**20
    cpus: Annotated[int, Field(ge=1, le=64)] = 1
    accel: Accel = "auto"
    engine: Literal["auto", "podman", "docker"] = "auto"
    boot_timeout: Duration | None = None
    networks: Joined = {}


class Lab(Spec):
    """A lab file. ``machines`` are complete: ``defaults`` are already merged in by ``load``."""

    lab: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    description: str = ""
    defaults: MachineDefaults = MachineDefaults()
    networks: dict[MachineName, Network] = {}
    machines: Annotated[dict[MachineName, Machine], Field(min_length=1)]
    exercises: Annotated[list[ExercisePath], Field(min_length=1)]


class Build(Spec):
    """How a program is made: from sources, or by a command.

    ``output`` defaults to the stem of the first source. A ``command`` runs on the controller, in
    a copy of the exercise's folder, with ``CC`` set to a compiler for the machine's architecture;
    it leaves the program ``output`` there (default: the one program it makes).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    sources: list[str] = []
    command: str | None = None
    output: str | None = None
    flags: list[str] = []
    where: Literal["controller", "guest"] = Field("controller", alias="in")

    @model_validator(mode="after")
    def _one_way(self) -> Build:
        if bool(self.sources) == bool(self.command):
            raise ValueError("expected either sources or a command")
        return self

    @property
    def program(self) -> str:
        """The file name of the built program."""
        if self.output or not self.sources:
            return self.output or "program"
        return self.sources[0].rsplit("/", 1)[-1].rsplit(".", 1)[0]


class Step(Spec):
    """One command of an exercise; ``run`` is split like a shell splits words, no shell runs.

    ``stdin`` names a file of the exercise's folder that the program reads.
    """

    run: Annotated[str, Field(min_length=1)]
    user: User = User.STUDENT
    stdin: str | None = None

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.run)


class Needs(Spec):
    """What a machine must have for an exercise to make sense there; unmet -> *skip*.

    ``features`` are names the runner probes in the guest (see docs/exercise-format.md);
    ``network`` is another machine on a network with this one.
    """

    kernel: Annotated[str, Field(pattern=r"^>=\d+(\.\d+){0,2}$")] | None = None
    root: bool = False
    network: bool = False
    features: list[str] = []
    arch: list[ArchName] = []
    boundary: list[Boundary] = []


class Where(Spec):
    """Restricts a check to the machines that match every key given."""

    boundary: list[Boundary] = []
    arch: list[ArchName] = []
    bits: Literal[32, 64] | None = None
    byte_order: Literal["little", "big"] | None = None


COMPARISONS = ("equals", "not_equals", "one_of", "at_least", "at_most", "matches", "equals_fact")


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
                raise ValueError(f"not a regular expression: {problem}") from None
        return self

    @property
    def comparison(self) -> str:
        """The name of the comparison this check makes."""
        return next(name for name in COMPARISONS if name in self.model_fields_set)


def _steps(value: object) -> object:
    return [{"run": value}] if isinstance(value, str) else value


def _builds(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Exercise(Spec):
    """An ``exercise.yaml``. ``shows`` maps observation -> row label of the comparison."""

    title: Annotated[str, Field(min_length=1)]
    explain: str = ""
    build: Annotated[list[Build], BeforeValidator(_builds)] = []
    files: list[str] = []
    run: Annotated[list[Step], BeforeValidator(_steps), Field(min_length=1)]
    timeout: Duration = 10.0
    output_limit: Size = 64 * 2**10
    needs: Needs = Needs()
    shows: dict[str, str] = {}
    checks: list[Check] = []
    canaries: list[CanaryKind] = []

    @model_validator(mode="after")
    def _canaries_are_planted(self) -> Exercise:
        planted = {observation(kind) for kind in self.canaries}
        for name in [*(check.that for check in self.checks), *self.shows]:
            if name in RESERVED - planted:
                raise ValueError(f"{name} is what becomes of a canary, and canaries: has none for it")
        return self

    @property
    def max_points(self) -> float:
        """Points of all checks; an exercise without checks is worth one point."""
        return sum(check.points for check in self.checks) if self.checks else 1.0
