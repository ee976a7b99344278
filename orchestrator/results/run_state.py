"""Whether a run came to its end: ``run.json`` in its folder, and what is missing of one that did not.

A run that was killed cannot say so: it is *running* from its first moment, until it says something else.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from orchestrator.formatting import counted
from orchestrator.record import RECORDS, Record, ends_in_a_part

STATE_FILE = "run.json"


class RunState(StrEnum):
    """How far a run came."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


_WORDS = {
    RunState.RUNNING: "it has not finished, or isolab was killed",
    RunState.INTERRUPTED: "it was interrupted",
}


def write_state(folder: Path, state: RunState, expected: Mapping[str, Sequence[str]]) -> None:
    """Write how far the run in ``folder`` came; ``expected`` maps a machine to the exercises it runs.

    Raises OSError.
    """
    text = json.dumps({"state": state, "expected": {name: list(each) for name, each in expected.items()}})
    (folder / STATE_FILE).write_text(text + "\n", encoding="utf-8")


def incomplete(folder: Path, records: Sequence[Record]) -> str:
    """Return what is missing of the run in ``folder``, in words; "" if nothing is, or if nothing is known
    of it, as of runs of older versions."""
    words = [*_from_state(folder, records)]
    with contextlib.suppress(OSError):
        if ends_in_a_part(folder / RECORDS):
            words.append(f"the last line of {RECORDS} is only a part of a record")
    return "; ".join(words)


def missing_results(folder: Path, records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """Return the results that the run in ``folder`` should have and has not, each as machine and exercise;
    none if nothing is known of it."""
    there = {(record.machine, record.exercise) for record in records}
    return tuple(pair for pair in _state_of(folder)[1] if pair not in there)


def _from_state(folder: Path, records: Sequence[Record]) -> Sequence[str]:
    state, wanted = _state_of(folder)
    missing = missing_results(folder, records)
    words = [_WORDS[state]] if state in _WORDS else []
    if missing:
        machines = ", ".join(dict.fromkeys(machine for machine, _ in missing))
        words.append(f"{counted(len(missing), 'result')} of {len(wanted)} missing, on {machines}")
    return words


def _state_of(folder: Path) -> tuple[RunState | None, Sequence[tuple[str, str]]]:
    """Return how far a run came, and the results it should have; None and nothing if it does not say."""
    try:
        text = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        state, expected = RunState(text["state"]), dict(text["expected"])
        return state, [(str(machine), str(name)) for machine, names in expected.items() for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return None, ()
