"""Many hosts and students: real scheduler, workers, engine and placement; agents that only say that they ran
something. What it costs is measured.

``python tests/support/cluster_simulation.py [HOSTS [STUDENTS [SECONDS]]]`` prints the figures as JSON: by
default 20 hosts with 200 students each, whose machine takes a minute for five exercises.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import counted_scheduler
import simulated_agents
from factories import lab
from loopback_cluster import LoopbackCluster

from orchestrator.cluster.offers import Offer, Offers
from orchestrator.cluster.placement import Terms, place
from orchestrator.cluster.scheduling import scheduler
from orchestrator.cluster.scheduling.start import SchedulerProcess, Started, start_scheduler
from orchestrator.deadline import Deadline
from orchestrator.host.process import Conversation
from orchestrator.labfile.plan import Job

MEMORY = 64 * 2**30
EXERCISES = ("one", "two", "three", "four", "five")
START_SECONDS = 600.0
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class SimulatedCluster(LoopbackCluster):
    """A cluster on the loopback whose agents are in a process of their own."""

    keys: dict[str, str] = field(default_factory=dict)

    def public_keys(self) -> dict[str, str]:
        return self.keys

    def trouble(self, host: str) -> str:
        return ""

    def cancel(self, host: str, run: str, deadline: Deadline) -> None: ...


def processor_seconds(pid: int) -> float:
    """What a process has taken of the processors: proc(5), utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def most_memory(pid: int) -> int:
    """Return the most MiB that a process has had resident: proc(5), VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def simulated(folder: Path, hosts: int, seconds: float) -> Iterator[SimulatedCluster]:
    """Have a cluster of so many hosts, on which a unit takes so many seconds."""
    names = [f"h{number}" for number in range(hosts)]
    os.environ[counted_scheduler.FILE] = str(folder / "counts")
    setattr(scheduler, "COMMAND", counted_scheduler.COMMAND)  # noqa: B010 - two words instead of three
    deadline = Deadline.after(START_SECONDS)
    agents = Conversation(simulated_agents.COMMAND)
    up: SchedulerProcess | None = None
    found: SimulatedCluster | None = None
    try:
        said = Started(agents, "the agents")
        sockets = {name: folder / name / "agent.sock" for name in names}
        for path in sockets.values():
            path.parent.mkdir()
        said.send(
            {"sockets": {name: str(path) for name, path in sockets.items()}, "seconds": seconds}, deadline
        )
        keys = said.hear(deadline)
        up = start_scheduler(folder, 0, deadline)
        found = SimulatedCluster(folder, up, keys=keys)
        for name in names:
            found.agents[name] = None  # type: ignore[assignment]  # they are elsewhere
            found.add(name, memory=MEMORY)
        yield found
    finally:
        for process in found.workers.values() if found else ():
            process.close(at_once=True)
        if up is not None:
            up.process.close(at_once=True)
        agents.close(at_once=True)


def simulate(hosts: int, students: int, seconds: float) -> dict[str, Any]:
    """Run a machine of each of so many students on each host, and return what it took."""
    count = hosts * students
    of = lab({"desk": {"driver": "qemu", "memory": "180MiB"}}, EXERCISES)
    jobs = [Job("sim", "small", "desk", f"s{number}", EXERCISES) for number in range(count)]
    there = Offers(tuple(Offer(f"h{number}", "amd64", MEMORY, 64) for number in range(hosts)))
    begun = time.monotonic()
    units = place(of, jobs, there, "amd64", Terms("0" * 64)).units
    placing = time.monotonic() - begun
    with tempfile.TemporaryDirectory(prefix="sim-") as folder, simulated(Path(folder), hosts, seconds) as up:
        engine = replace(up.engine([]), units=lambda _: units)
        pid, workers = up.up.process.pid, [process.pid for process in up.workers.values()]
        idle = {one: processor_seconds(one) for one in (pid, *workers)}
        mine, begun, first = time.process_time(), time.monotonic(), 0.0
        statuses: Counter[str] = Counter()
        by_host: Counter[str] = Counter()
        distinct: set[tuple[str, str]] = set()
        for record in engine.run(jobs):
            first = first or time.monotonic() - begun
            statuses[str(record.status)] += 1
            by_host[record.host] += 1
            distinct.add((record.student, record.exercise))
        took = time.monotonic() - begun
        return {
            "hosts": hosts,
            "units": count,
            "records": dict(statuses),
            "distinct_records": len(distinct),
            "records_on_a_host": [min(by_host.values()), max(by_host.values())],
            "unit_seconds": seconds,
            "placing_seconds": round(placing, 2),
            "seconds": round(took, 1),
            "first_record_seconds": round(first, 2),
            "scheduler_processor_seconds": round(processor_seconds(pid) - idle[pid], 1),
            "scheduler_memory_mib": most_memory(pid),
            "scheduler_messages": json.loads((Path(folder) / "counts").read_text()),
            "engine_processor_seconds": round(time.process_time() - mine, 1),
            "engine_memory_mib": most_memory(os.getpid()),
            "worker_memory_mib": max(map(most_memory, workers)),
            "workers_processor_seconds": round(sum(processor_seconds(one) - idle[one] for one in workers), 1),
            "told": up.told[:5],
        }


if __name__ == "__main__":
    words = [*sys.argv[1:], *("20", "200", "60")[len(sys.argv) - 1 :]]
    print(json.dumps(simulate(int(words[0]), int(words[1]), float(words[2])), indent=1))
