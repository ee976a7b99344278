"""What a check of the visible tests found, in plain data: nothing of hidden tests can be in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class TestResult:
    """One visible test on one machine: its ``name`` as students read it, what was ``got`` and ``expected``,
    in words, ``why`` it is tested, and its ``points`` of ``most``."""

    __test__ = False  # it is not one of pytest's

    name: str
    passed: bool
    got: str
    expected: str
    why: str
    points: float
    most: float


@dataclass(frozen=True)
class MachineResult:
    """How the work fared on one machine. ``status`` is pass, fail, error (isolab or the host failed: try
    again) or skip. ``reason`` says why it did not pass, compile errors included; ``output`` is what the
    programs printed for people. All texts are printable but for line ends and tabs."""

    machine: str
    status: str
    points: float
    most: float
    reason: str
    tests: tuple[TestResult, ...]
    output: str
    warnings: str


@dataclass(frozen=True)
class CheckResult:
    """What the visible tests said about a seat's work on one exercise. ``points`` of ``most`` count as in
    grading, without hidden tests; None where there is no result. ``machine`` is the seat's from which the
    ``files`` were taken; ``missing`` says which files are not there, then nothing ran. ``remarks`` say what
    was taken from another place, and what was skipped. ``seconds`` is how long it took."""

    seat: str
    lab: str
    exercise: str
    points: float | None
    most: float
    machine: str
    files: tuple[str, ...] = ()
    missing: str = ""
    machines: tuple[MachineResult, ...] = ()
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every visible test passed, wherever the exercise runs."""
        ran = [one for one in self.machines if one.status != "skip"]
        return bool(ran) and all(one.status == "pass" for one in ran)

    @property
    def summary(self) -> str:
        """The result in one line."""
        if self.points is None:
            return "no result: isolab or this host failed; try again"
        words = "all visible tests passed" if self.passed else "not all visible tests passed"
        return (
            f"{self.points:g} of {self.most:g} points; {words if not self.missing else 'files are missing'}"
        )

    def to_data(self) -> dict[str, Any]:
        """Return this as JSON data."""
        return {**asdict(self), "passed": self.passed, "summary": self.summary}


def folded(machines: Sequence[MachineResult]) -> list[MachineResult]:
    """Return machines that said the same as one, under all their names. What programs printed does not count.
    Pure."""
    groups: dict[MachineResult, list[str]] = {}
    for one in machines:
        groups.setdefault(replace(one, machine="", output=""), []).append(one.machine)
    return [replace(said, machine=", ".join(names)) for said, names in groups.items()]
