"""The benchmark's part on each host: kills and stops processes there, and says what a run has left.

One JSON object on standard input says what to do, one on standard output what was found. It speaks to no
agent: what it sees is what is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.cluster.agent.ledger import Ledger
from orchestrator.cluster.agent.paths import agent_place
from orchestrator.cluster.agent.running_unit import RECORD
from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table
from orchestrator.machines.journal import Journal
from orchestrator.paths import scratch_dir

PROGRAM = ("-c", f"from {__name__} import main; main()")
DETACH_SECONDS = 20.0
MARKS = "isolab-bench-"
"""What the folder begins with in which programs leave marks."""


def main() -> None:
    """Do what standard input says."""
    asked = json.load(sys.stdin)
    known: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
        "begin": _begin,
        "hit": _hit,
        "look": _look,
        "cost": _cost,
        "end": _end,
    }
    print(json.dumps(known[asked["do"]](asked)))


def _begin(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Make the folder for marks, into which everybody may write as into /tmp."""
    place = _marks(asked)
    place.mkdir()
    place.chmod(0o1777)
    return {}


def _end(asked: Mapping[str, Any]) -> dict[str, Any]:
    shutil.rmtree(_marks(asked), ignore_errors=True)
    return {}


def _marks(asked: Mapping[str, Any]) -> Path:
    place = Path(asked["marks"])
    assert place.parent == Path("/tmp")
    assert place.name.startswith(MARKS)
    return place


def _hit(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Send a signal to one of the processes with a role; one that is stopped goes on after some seconds."""
    there = _with_role(str(asked["role"]))
    if not there:
        return {"hit": 0}
    victim = there[int(asked["which"]) % len(there)]
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.Signals[str(asked["signal"])])
        if asked.get("seconds"):
            _later(victim, float(asked["seconds"]))
        return {"hit": victim}
    return {"hit": 0}


def _later(pid: int, seconds: float) -> None:
    """Let a stopped process go on, whatever becomes of the connection that we were asked over."""
    words = ["sh", "-c", 'sleep "$1"; kill -CONT "$2"', "sh", str(seconds), str(pid)]
    process.detach(words, Path(os.devnull), Deadline.after(DETACH_SECONDS))


def _with_role(role: str) -> list[int]:
    return sorted(process_table.find(lambda pid: _is(role, process_table.arguments(pid))))


def _is(role: str, words: list[str]) -> bool:
    """Of this isolab alone: there may be others on the host."""
    if not words:
        return False
    if role == "guest":
        mine = f"{scratch_dir()}/"
        return "qemu-system" in Path(words[0]).name and any(mine in word for word in words)
    if words[0] != sys.executable:
        return False
    if role == "agent":
        return words[-2:] == ["agent", "--serve"]
    if role == "relay" and words[-1] == "agent":
        return True  # one that had to start the agent
    what = {"worker": "cluster.scheduling.worker import", "relay": "cluster.agent.relay import"}[role]
    return any(what in word for word in words)


def _cost(_asked: Mapping[str, Any]) -> dict[str, Any]:
    """Processor seconds of the workers, and memory of the host's agent in bytes."""
    agents = [process_table.memory(pid) for pid in _with_role("agent")]
    return {"worker": sum(map(process_table.processor_seconds, _with_role("worker"))), "agent": sum(agents)}


def _look(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What there is of a run: units with epochs and records as the agent's ledger has them, how often each
    program ran, and what should be gone."""
    run = str(asked["run"])
    return {"units": _units(run), "ran": _ran(_marks(asked), run), "left": _left(run)}


def _units(run: str) -> list[dict[str, Any]]:
    ledger = Ledger(agent_place().ledger)
    found = []
    for one in ledger.units(run):
        lines = [line for line in ledger.lines(one.key, one.epoch) if line.kind == RECORD]
        bodies = [json.loads(line.body) for line in lines]
        records = [(body["machine"], body["exercise"], body["status"]) for body in bodies]
        found.append({"key": one.key, "epoch": one.epoch, "ended": one.ended, "records": records})
    return found


def _ran(marks: Path, run: str) -> dict[str, int]:
    """How often a machine's exercise ran: "MACHINE EXERCISE" -> times."""
    found: Counter[str] = Counter()
    for file in marks.glob("*"):
        for line in file.read_text().splitlines():
            # …/RUN/MACHINE/work/EXERCISE
            _, here, rest = line.partition(f"/{run}/")
            parts = rest.split("/")
            if here and len(parts) > 1:
                found[f"{parts[0]} {parts[-1]}"] += 1
    return dict(found)


def _left(run: str) -> list[str]:
    found = [
        f"in the journal: {entry.handle.tag}" for entry in Journal().entries() if entry.handle.run == run
    ]
    for pid in process_table.find(lambda pid: _of_run(pid, run)):
        with contextlib.suppress(OSError):
            found.append(f"process {pid}: {' '.join(process_table.arguments(pid))[:120]}")
    place = scratch_dir() / run
    return found + ([f"folder {place}"] if place.exists() else [])


def _of_run(pid: int, run: str) -> bool:
    if any(run in word for word in process_table.arguments(pid)):
        return True
    return any(run in path.parts for path in process_table.places(pid))
