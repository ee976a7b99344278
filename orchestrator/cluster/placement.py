"""Which host runs which jobs. Pure: from a run's jobs and what the hosts offer, units with the hosts that may
run each, best first; or why no host can.

A unit is what must be on one host: one machine, or all machines of a lab network; in a lab that says how many
machines may be up at a time (``at_once``), all of them, so that what is measured is measured on one host. Of
the hosts that can run a unit the best is one with room now, then one that has the unit's emulators, then one
where the fewest of its guests are emulated, and then the one that is least full, by its memory or by its
processors, whichever is scarcer. This is why a lab of many equal machines is spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from orchestrator.cluster.model import Unit
from orchestrator.cluster.offers import Offer, Offers
from orchestrator.driver_traits import TRAITS
from orchestrator.formatting import counted
from orchestrator.host.resources import Host
from orchestrator.labfile import libvirt_uri
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Machine
from orchestrator.labfile.plan import Job, MachinePlan, plan
from orchestrator.units import size_text

Pins = Mapping[str, str]
"""By machine, the host or the tag that it is bound to."""
_MIB = 2**20


@dataclass(frozen=True)
class Terms:
    """What all units of a run have in common: as in ``Unit``."""

    bundle: str = ""
    cold: bool = False
    lease_seconds: float = 60.0
    pins: Pins = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Unplaceable:
    """Jobs that no host can run. ``reasons`` say why not, by host, naming what it lacks."""

    jobs: tuple[Job, ...]
    reasons: Mapping[str, str]

    @property
    def machines(self) -> tuple[str, ...]:
        return tuple(job.machine for job in self.jobs)

    @property
    def message(self) -> str:
        """Return a sentence with the machines, and every host with its reason."""
        hosts: dict[str, list[str]] = {}
        for host, why in self.reasons.items():
            hosts.setdefault(why, []).append(host)
        what = "no host can run" if len(self.jobs) == 1 else "no host can run together"
        each = "; ".join(f"{', '.join(who)}: {why}" for why, who in hosts.items()) or "there is none"
        return f"{what} {', '.join(self.machines)}: {each}"

    @property
    def hint(self) -> str:
        """Return what to do next."""
        return "`isolab plan --cluster` shows what each host offers; add a host, or change the lab or the pin"


@dataclass(frozen=True)
class Placement:
    """The units of a run in the order of its jobs, what no host can run, and what people should know.
    ``machines`` has those of the units by name, with their architectures."""

    units: tuple[Unit, ...]
    problems: tuple[Unplaceable, ...] = ()
    notes: tuple[str, ...] = ()
    machines: Mapping[str, Need] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def chosen(self) -> dict[str, str]:
        """The host that is best for each machine, by machine."""
        return {job.machine: unit.places[0] for unit in self.units for job in unit.jobs}


def place(lab: LoadedLab, jobs: Sequence[Job], there: Offers, native: str, terms: Terms) -> Placement:
    """Place these jobs of a lab. ``native`` is the architecture of machines for which the lab names none, as
    ``Offers.native`` says. The result depends on the arguments alone."""
    needs = _needs(lab, native)
    load = _Load({host.name: host for host in there.hosts})
    found: dict[int, Unit] = {}
    problems: list[Unplaceable] = []
    together = units_of(lab, jobs)
    wanted = [_wanted(one, needs, terms.pins, lab.lab.at_once) for one in together]
    # The largest first: what is left over when the small ones are spread might be too little for it.
    for number in sorted(range(len(wanted)), key=lambda at: -wanted[at].memory):
        one = wanted[number]
        reasons = {host.name: _why_not(host, one) for host in there.hosts}
        able = [host for host in there.hosts if not reasons[host.name]]
        if not able:
            problems.append(Unplaceable(one.jobs, {**reasons, **there.absent}))
            continue
        order = load.give(one, able)
        found[number] = Unit(
            run=one.jobs[0].run,
            bundle=terms.bundle,
            jobs=one.jobs,
            cold=terms.cold,
            lease_seconds=terms.lease_seconds,
            places=order,
            memory=one.memory,
        )
    return Placement(
        tuple(found[number] for number in sorted(found)),
        tuple(sorted(problems, key=lambda one: jobs.index(one.jobs[0]))),
        tuple(load.notes()),
        {need.plan.name: need for one in wanted for need in one.needs},
    )


def units_of(lab: LoadedLab, jobs: Sequence[Job]) -> list[tuple[Job, ...]]:
    """Return the jobs that must run together on one host, in the order of their first."""
    if lab.lab.at_once is not None and lab.lab.at_once < len(jobs):
        return [tuple(jobs)] if jobs else []
    found: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        found.setdefault((job.student, *(job.group or (job.machine,))), []).append(job)
    return [tuple(one) for one in found.values()]


@dataclass(frozen=True)
class Need:
    """What one machine needs: ``plan`` with its architecture, whatever host it is on. ``hosts_own``: the lab
    names no architecture, so that it has its host's."""

    plan: MachinePlan
    wanted: Machine
    hosts_own: bool = False

    @property
    def guest(self) -> bool:
        return TRAITS[self.plan.driver].guest

    def accelerated_on(self, host: Offer) -> bool:
        """Whether a guest would run on the processor itself there."""
        hardware = TRAITS[self.plan.driver].hardware_only
        return hardware or (host.kvm and host.arch == self.plan.arch and self.wanted.accel != "tcg")

    def way_on(self, host: Offer) -> str:
        """How its programs would run there, in a word or two."""
        if self.guest:
            return self.plan.driver if TRAITS[self.plan.driver].hardware_only else self._accel_on(host)
        return "native" if host.arch == self.plan.arch else "user emulation"

    def _accel_on(self, host: Offer) -> str:
        return "kvm" if self.accelerated_on(host) else "emulated"


@dataclass(frozen=True)
class _Wanted:
    """What a unit needs of its host: ``memory`` bytes and ``cpus`` while the most machines are up."""

    jobs: tuple[Job, ...]
    needs: tuple[Need, ...]
    pins: tuple[str, ...]
    memory: int
    cpus: int


def _needs(lab: LoadedLab, native: str) -> dict[str, Need]:
    machines = {
        name: one if one.arch else one.model_copy(update={"arch": native})
        for name, one in lab.lab.machines.items()
    }
    whole = replace(lab, lab=lab.lab.model_copy(update={"machines": machines}))
    planned = plan(whole, Host("", 0, 1)).machines
    return {one.name: Need(one, machines[one.name], not lab.lab.machines[one.name].arch) for one in planned}


def _wanted(jobs: tuple[Job, ...], known: Mapping[str, Need], pins: Pins, at_once: int | None) -> _Wanted:
    needs = tuple(known[job.machine] for job in jobs)
    # Machines of a network are up together whatever the limit.
    up = max(at_once or len(jobs), *(len(job.group) for job in jobs))
    memory = sorted((need.plan.memory for need in needs), reverse=True)[:up]
    cpus = sorted((need.plan.cpus for need in needs), reverse=True)[:up]
    bound = tuple(dict.fromkeys(pins[job.machine] for job in jobs if job.machine in pins))
    return _Wanted(jobs, needs, bound, sum(memory), sum(cpus))


def _why_not(host: Offer, unit: _Wanted) -> str:
    """Why this host cannot run the unit; "" if it can."""
    for pin in unit.pins:
        if not host.answers_to(pin):
            return f"not the host it is bound to, {pin}"
    for need in unit.needs:
        if why := _unsuitable(host, need):
            return why if len(unit.jobs) == 1 else f"{need.plan.name}: {why}"
    if unit.memory > host.memory:
        return f"{_mib(unit.memory)} of memory needed, {_mib(host.memory, up=False)} there"
    return ""


def _unsuitable(host: Offer, need: Need) -> str:
    """Why one machine cannot be on this host, whatever else is; "" if it can."""
    traits, arch = TRAITS[need.plan.driver], need.plan.arch
    if elsewhere := _elsewhere(need):
        return f"{elsewhere}; run it without --cluster"
    if not traits.architectures and host.arch != arch:
        return f"the host is {host.arch}, and a {need.plan.driver} of {arch} shares its kernel"
    if need.hosts_own and host.arch != arch:
        return f"the host is {host.arch}, and machines of this run whose lab names none are {arch}"
    if traits.hardware_only and not _runs_directly(host.arch, arch):
        return f"the host is {host.arch}, and {need.plan.driver} does not emulate {arch}"
    if need.wanted.accel == "kvm" and not need.accelerated_on(host):
        why = "KVM was not proved to work there" if host.arch == arch else f"the host is {host.arch}"
        return f"the lab demands KVM for {arch}; {why}"
    return ""


def _elsewhere(need: Need) -> str:
    """Why a machine is on no host of any cluster; "" if it can be."""
    if TRAITS[need.plan.driver].existing:
        return "the machine exists already, and is reached from the controller only"
    if need.wanted.uri and libvirt_uri.parse(need.wanted.uri).remote:
        return "its libvirt daemon is on a host of its own"
    return ""


def _runs_directly(host: str, guest: str) -> bool:
    return host == guest or (host, guest) == ("amd64", "i386")


class _Load:
    """What has been given to the hosts so far."""

    def __init__(self, hosts: Mapping[str, Offer]) -> None:
        self._hosts = hosts
        self._memory = dict.fromkeys(hosts, 0)
        self._cpus = dict.fromkeys(hosts, 0)
        self._without_emulator: dict[tuple[str, str], list[str]] = {}

    def give(self, unit: _Wanted, able: Sequence[Offer]) -> tuple[str, ...]:
        """Return the hosts that can run the unit, best first, and count it for the first."""
        order = sorted(able, key=lambda host: self._rank(host, unit))
        best = order[0]
        self._memory[best.name] += unit.memory
        self._cpus[best.name] += unit.cpus
        for need in unit.needs:
            if _lacks_emulator(best, need):
                self._without_emulator.setdefault((best.name, need.plan.arch), []).append(need.plan.name)
        return tuple(host.name for host in order)

    def _rank(self, host: Offer, unit: _Wanted) -> tuple[bool, int, int, int, float]:
        memory = self._memory[host.name] + unit.memory
        cpus = self._cpus[host.name] + unit.cpus
        lacking = sum(_lacks_emulator(host, need) for need in unit.needs)
        foreign = sum(need.plan.arch != host.arch for need in unit.needs)
        slow = sum(need.guest and not need.accelerated_on(host) for need in unit.needs)
        full = max(memory / max(1, host.memory), cpus / host.cpus)
        return memory > host.memory, lacking, foreign, slow, full

    def notes(self) -> list[str]:
        """Return sentences on what will be slow or late, though it runs."""
        found = [
            f"{host} has no emulator for {arch} yet, which {', '.join(names)} needs: isolab installs it "
            "where it may, else the machine is skipped"
            for (host, arch), names in self._without_emulator.items()
        ]
        memory, had = sum(self._memory.values()), sum(host.memory for host in self._hosts.values())
        waiting = [name for name, host in self._hosts.items() if self._memory[name] > host.memory]
        if waiting:
            found.append(
                f"{_mib(memory)} of memory for all machines at a time, {_mib(had, up=False)} there: on "
                f"{', '.join(waiting)} some wait for others to end"
            )
        return found


def _lacks_emulator(host: Offer, need: Need) -> bool:
    return TRAITS[need.plan.driver].accelerated and need.plan.arch not in host.emulates


def _mib(size: int, *, up: bool = True) -> str:
    """Return bytes in whole MiB, rounded so that what does not fit is not shown as equal."""
    whole = (size + _MIB - 1) // _MIB if up else size // _MIB
    return size_text(whole * _MIB) if whole else "0MiB"


def summary(found: Placement) -> str:
    """Return one line: how many units on how many hosts, and how many are not placed."""
    used = len({unit.places[0] for unit in found.units})
    words = f"{counted(len(found.units), 'unit')} on {counted(used, 'host')}"
    return f"{words}; {len(found.problems)} cannot be placed" if found.problems else words
