"""Host metrics: what only the controller can measure of a running machine, as observations."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.drivers.base import Driver, ReportsMemory
from orchestrator.drivers.model import Handle
from orchestrator.labfile.models import ANSWERS

PRESSURE = Path("/proc/pressure/cpu")
UNKNOWN = "unknown (no pressure stall information on this host)"


@dataclass(frozen=True)
class HostMetrics:
    """Metrics of one machine; ``start_seconds`` is how long it took to start."""

    driver: Driver
    handle: Handle
    start_seconds: float

    def asked(self, questions: Sequence[str]) -> Callable[[], dict[str, Any]]:
        """Measure before the exercise; call the result after it for the observations by name. An
        observation is a text where the value is unknown."""
        busy = Busy()
        memory = self._memory() if "memory" in questions else 0

        def answer() -> dict[str, Any]:
            percent = busy.percent()
            contention = (
                "unknown (no pressure stall information on this host)" if percent is None else percent
            )
            known = {"start": self.start_seconds, "memory": memory, "contention": contention}
            return {ANSWERS[question]: known[question] for question in questions}

        return answer

    def _memory(self) -> int | str:
        if not isinstance(self.driver, ReportsMemory):
            return f"unknown (not reported by the driver {self.handle.driver})"
        return self.driver.memory(self.handle) or "unknown (permission denied)"


@dataclass(frozen=True)
class Busy:
    """A moment, and how long tasks on this host had waited for a processor until then."""

    began: float = field(default_factory=time.monotonic)
    waited: float | None = field(default_factory=lambda: waited_seconds(PRESSURE))

    def percent(self) -> float | None:
        """Return the percentage of the time since then in which a task waited; None where the kernel does
        not say."""
        now = waited_seconds(PRESSURE)
        if now is None or self.waited is None:
            return None
        return round(min(100.0, 100 * (now - self.waited) / max(1e-6, time.monotonic() - self.began)), 1)


def waited_seconds(file: Path) -> float | None:
    """Return the seconds since boot in which at least one task waited for a processor, from the kernel's
    "Pressure Stall Information"; None where it is not available."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^some .*\btotal=(\d{1,18})$", file.read_text(), re.MULTILINE):
            return int(found[1]) / 1e6
    return None
