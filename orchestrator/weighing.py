"""What only the controller knows of a machine that runs, as observations of the exercise that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.drivers import Driver, Handle, Weighed
from orchestrator.spec import ANSWERS


@dataclass(frozen=True)
class Scale:
    """One machine, and how long it took to come up."""

    driver: Driver
    handle: Handle
    start_seconds: float

    def answer(self, questions: Sequence[str]) -> dict[str, Any]:
        """The observations by name; words where a driver cannot say."""
        answers: Mapping[str, Callable[[], float | str]] = {"start": self._start, "memory": self._memory}
        return {ANSWERS[question]: answers[question]() for question in questions}

    def _start(self) -> float:
        return self.start_seconds

    def _memory(self) -> int | str:
        if not isinstance(self.driver, Weighed):
            return f"unknown (driver {self.handle.driver} does not say)"
        return self.driver.memory(self.handle) or "unknown (its processes may not be looked into)"
