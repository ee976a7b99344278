"""What a cluster costs, against one host and against this computer alone: ratios within one run."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Iterator

from orchestrator.bench.cluster import labs
from orchestrator.bench.cluster.stage import Stage
from orchestrator.bench.measure import BenchResult
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.bundle import pack
from orchestrator.cluster.paths import BUNDLES
from orchestrator.cluster.prepare import there_now
from orchestrator.cluster.supervisor.state_file import status
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, LabError
from orchestrator.host import process_table
from orchestrator.labfile.load import load_lab
from orchestrator.labfile.plan import EMULATOR_OVERHEAD
from orchestrator.paths import EXERCISES

MIB = 2**20
ROUNDS = 5
FEW, MANY = 8, 72
"""Machines of the two runs whose difference is the cost of each."""
SHARE = 0.45
"""Of a host's memory, for each guest of those that wait: two at a time."""
NAPS, NAP_SECONDS = 8, 5.0
TEMPLATE_SECONDS = 600.0


def up_rows(stage: Stage) -> Iterator[BenchResult]:
    """Take the cluster down and up again, everything being there already."""
    seconds = []
    for _ in range(ROUNDS):
        stage.cluster("down")
        stage.progress.doing("bench", "cluster up")
        seconds.append(stage.cluster("up"))
    hosts = len(stage.names)
    yield BenchResult(f"cluster up, {hosts} warm hosts", statistics.median(seconds), "s", 15.0)


def first_record_rows(stage: Stage) -> Iterator[BenchResult]:
    """Run one short program here and on the cluster, in turn: a shared computer's speed drifts."""
    lab, _ = labs.naps(stage.folder / "one", labs.processes(1), 1, 0.0)
    pairs = []
    for number in range(ROUNDS + 1):
        stage.progress.doing("bench", "the first record, here and on the cluster")
        here = _first(stage, ["run", str(lab)], f"here-{number}")
        there = _first(stage, ["run", str(lab), "--cluster", str(stage.file)], f"there-{number}")
        pairs.append((there, here))
    pairs = pairs[1:]  # the first pair compiles and sends
    ratio = statistics.median(there / here for there, here in pairs)
    there, here = (statistics.median(column) for column in zip(*pairs, strict=True))
    note = f"{there:.2f} s on the cluster, {here:.2f} s here"
    yield BenchResult("first record, cluster / this computer", ratio, "ratio", 1.5, {}, note)


def _first(stage: Stage, words: list[str], out: str) -> float:
    """Return the seconds from a command's start to the last change of its only record."""
    begun = time.time()
    stage.command([*words, "--out", str(stage.folder / out)], (Exit.PASSED,))
    return (stage.folder / out / "records.jsonl").stat().st_mtime - begun


def overhead_rows(stage: Stage) -> Iterator[BenchResult]:
    """Run few machines and many that wait for a second: what each more of them costs in processor time,
    beside what its host does to run it."""
    costs: list[dict[str, float]] = []
    for number in (FEW, FEW, MANY):
        stage.progress.doing("bench", f"{number} jobs of a second")
        lab, _ = labs.naps(stage.folder / f"jobs-{len(costs)}", labs.processes(number), 1, 1.0)
        before = _spent(stage)
        stage.run(lab, f"cost-{len(costs)}")
        after = _spent(stage)
        costs.append({name: after[name] - before[name] for name in after})
    each = {name: (costs[2][name] - costs[1][name]) * 1000 / (MANY - FEW) for name in costs[2]}
    note = ", ".join(f"{name} {value:.1f}" for name, value in each.items())
    yield BenchResult(
        "engine's processor time for each job", sum(each.values()), "ms", 10.0, each, f"{note} ms"
    )


def _spent(stage: Stage) -> dict[str, float]:
    """Return processor seconds so far: of our children (the command is one), the supervisor with the
    scheduler, and the workers on the hosts."""
    up = status(stage.hosts.state).process
    mine = [up, *process_table.find(lambda pid: process_table.parent(pid) == up)]
    workers = sum(found["worker"] for found in stage.everywhere("cost").values())
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    here = sum(map(process_table.processor_seconds, mine))
    return {"command": children.ru_utime + children.ru_stime, "scheduler": here, "workers": workers}


def template_rows(stage: Stage) -> Iterator[BenchResult]:
    """Make a template that nobody has on one host, and bring it to another: copied, checked, tested."""
    first, second = stage.hosts.cluster.hosts[:2]
    # A memory of its own makes a template of its own.
    memory = 257 + os.getpid() % 200
    folder, _ = labs.naps(stage.folder / "template", labs.guests(1, memory), 1, 0.0)
    lab = load_lab(folder / "lab.yaml", EXERCISES)
    bundle = pack(lab, stage.hosts.state / BUNDLES)
    agents = [stage.hosts.agent(host) for host in (first, second)]
    for agent in agents:
        agent.put(bundle.digest, bundle.archive, _deadline())
    stage.progress.doing("bench", "a template that nobody has")
    before = agents[1].facts(_deadline()).templates
    made, key = _warmed(agents[0], bundle.digest)
    if key in agents[1].facts(_deadline()).templates and key not in before:
        note = f"{first.name} and {second.name} have one cache: there is nothing to copy"
        yield BenchResult("template of another host / made there", float("nan"), "ratio", note=note)
        return
    begun = time.monotonic()
    archive = stage.folder / "template.z"
    agents[0].give(key, archive, _deadline())
    agents[1].take(key, archive, _deadline())
    copied = time.monotonic() - begun
    tested, _ = _warmed(agents[1], bundle.digest)
    ratio = (copied + tested) / made
    note = f"made in {made:.1f} s; copied in {copied:.1f} s, tested in {tested:.1f} s"
    yield BenchResult("template of another host / made there", ratio, "ratio", 1 / 3, {}, note)


def _warmed(agent: AgentClient, bundle: str) -> tuple[float, str]:
    """Have a lab's template on a host; returns the seconds it took, and its key."""
    said: list[str] = []
    begun = time.monotonic()
    found = agent.warm(said.append, _deadline(), bundle=bundle)
    if not found:
        raise LabError(f"no template was made: {said[-1] if said else 'without a word'}")
    return time.monotonic() - begun, next(iter(found))


def _deadline() -> Deadline:
    return Deadline.after(TEMPLATE_SECONDS)


def scaling_rows(stage: Stage) -> Iterator[BenchResult]:
    """Run guests that wait: as many as all hosts have room for, on all of them, and on one."""
    offers = there_now(stage.hosts).hosts
    memory = int(min(host.memory for host in offers) * SHARE - EMULATOR_OVERHEAD) // MIB
    room = {host.name: host.memory // (memory * MIB + EMULATOR_OVERHEAD) for host in offers}
    first = offers[0].name
    machines = labs.guests(sum(room.values()), memory)
    warm, _ = labs.naps(stage.folder / "warm", labs.guests(len(offers), memory), 1, 0.0)
    stage.progress.doing("bench", "templates for guests that wait")
    pins = [f"{name}={host.name}" for name, host in zip(labs.guests(len(offers)), offers, strict=True)]
    stage.run(warm, "made-warm", *_pins(pins))
    lab, _ = labs.naps(stage.folder / "waiting", machines, NAPS, NAP_SECONDS)
    what = f"{len(machines)} guests that wait {NAPS * NAP_SECONDS:.0f} s"
    stage.progress.doing("bench", f"{what}, on {len(offers)} hosts")
    all_of_them = stage.run(lab, "on-all")
    stage.progress.doing("bench", f"{what}, on one host")
    alone = stage.run(lab, "on-one", *_pins([f"{name}={first}" for name in machines]))
    ideal = -(-len(machines) // room[first])
    note = f"{alone:.1f} s on {first}, {all_of_them:.1f} s on all; {ideal} times would be all"
    yield BenchResult(
        f"{what}, {len(offers)} hosts against one, of what is possible",
        alone / all_of_them / ideal,
        "ratio",
        0.9,
        {"times": alone / all_of_them},
        note,
        least=True,
    )


def _pins(pins: list[str]) -> list[str]:
    return ["--pin", ",".join(pins)]
