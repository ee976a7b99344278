"""A made-up run that measured something: three machines, two exercises, and one guest that lies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from made_up_run import HOSTILE, made_up

from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status

MEASURED = {
    "cost/machine": Exercise.model_validate(
        {
            "title": "What a machine takes",
            "run": "true",
            "asks": ["start", "memory"],
            "plots": [
                {"title": "Until it answers", "unit": "s", "shows": {"start_seconds": "Start"}},
                {"title": "Memory it takes", "unit": "B", "shows": {"memory_bytes": "Memory"}},
            ],
        }
    ),
    "cost/ipc": Exercise.model_validate(
        {
            "title": "What it costs to tell",
            "run": "./ipc",
            "plots": [
                {"title": "There & back", "unit": "ns", "shows": {"pipe": "Pipe", "queue": "Queue <1>"}},
                {"title": "One way", "unit": "B/s", "better": "higher", "shows": {"rate": "Pipe"}},
            ],
        }
    ),
}


def figure(median: float, **more: Any) -> dict[str, Any]:
    """A figure as a program prints it, with quartiles a tenth to either side."""
    return {"median": median, "q1": median * 0.9, "q3": median * 1.1, "n": 15, **more}


SEEN: dict[str, dict[str, dict[str, Any]]] = {
    "process": {
        "cost/machine": {"start_seconds": 0.0081, "memory_bytes": 122880},
        "cost/ipc": {"pipe": figure(6782.0, wall=7200.0), "queue": figure(7900.0), "rate": figure(1.4e9)},
    },
    "sandbox": {
        "cost/machine": {"start_seconds": 0.0091, "memory_bytes": "unknown (not reported by the driver x)"},
        "cost/ipc": {"pipe": figure(6800.0), "queue": "blocked (EACCES)", "rate": figure(1.3e9)},
    },
    "s390x": {
        "cost/machine": {"start_seconds": 1.21, "memory_bytes": 90_000_000},
        "cost/ipc": {"pipe": figure(715_000.0), "queue": HOSTILE, "rate": figure(6.3e6)},
    },
}


def a_measuring_run() -> list[Record]:
    """Every record but one passed."""
    records = [
        replace(made_up("memory/types", machine), exercise=exercise, observations=observed)
        for machine, exercises in SEEN.items()
        for exercise, observed in exercises.items()
    ]
    records = [replace(one, start="clone") if one.driver == "qemu" else one for one in records]
    skipped = replace(made_up("memory/types", "vm"), exercise="cost/ipc", observations={})
    return [*records, replace(skipped, status=Status.SKIP, reason="needs posix-mqueue", points=0.0)]
