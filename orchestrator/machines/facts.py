"""Facts of a machine, reported once by the machine after it came up."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import TransportError

HOST_SPIN_US = 4000.0
"""Time of the runner's fixed workload on a native core of a 2020s laptop, microseconds."""
MAX_FACTOR = 100.0
PLATFORM = (
    "kernel", "byte_order", "bits", "long", "long_double", "char_signed", "wchar_signed", "aligned",
    "page_size",
)  # fmt: skip
"""The facts in which machines may differ so that a program behaves differently. ``long`` is its size in
bytes, ``long_double`` the bits of its mantissa, ``aligned`` where a structure may hold a ``long long``."""


@dataclass(frozen=True)
class Facts:
    """Facts by the names used in exercise files; ``features`` maps a name to why it is missing, or
    "" if it is available. ``raw`` holds everything the runner reported."""

    kernel: str
    machine: str
    bits: int
    byte_order: str
    page_size: int
    cpus: int
    spin_us: float
    features: Mapping[str, str]
    raw: Mapping[str, Any]

    @property
    def slowness(self) -> float:
        """How many times slower than a native core programs run here; at least 1.

        Measured under the host's current load, so contention counts, as it should for
        deadlines.
        """
        return min(MAX_FACTOR, max(1.0, self.spin_us / HOST_SPIN_US))

    @property
    def platform(self) -> dict[str, Any]:
        """What may explain that a program behaves differently here, as reported; see ``PLATFORM``."""
        known = {name: self.raw.get(name) for name in PLATFORM}
        return {name: _small(value) for name, value in known.items() if isinstance(value, int | str)}

    def kernel_at_least(self, wanted: str) -> bool:
        """Whether the kernel is at least ``>=X.Y[.Z]``."""
        return _version(self.kernel) >= _version(wanted.removeprefix(">="))


def _small(value: int | str) -> int | str:
    if isinstance(value, str):
        return value[:100]
    return value if abs(value) < 2**64 else 0


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0,)


def parse(text: bytes) -> Facts:
    """Parse facts from the runner's JSON. The machine is not trusted. Raises TransportError."""
    try:
        raw = json.loads(text)
        features = {str(k): str(v)[:200] for k, v in raw["features"].items()}
        return Facts(
            kernel=str(raw["kernel"])[:100],
            machine=str(raw["machine"])[:40],
            bits=int(raw["bits"]),
            byte_order=str(raw["byte_order"])[:10],
            page_size=int(raw["page_size"]),
            cpus=int(raw["cpus"]),
            spin_us=float(raw["spin_us"]),
            features=features,
            raw=raw,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise TransportError(f"the machine reported invalid facts: {text[:200]!r}") from None
