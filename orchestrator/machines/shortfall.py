"""What this host lacks for which machines of a lab, known before anything is fetched or built.

A missing package costs the machines that need it and no others: they are skipped, and told of with the
line that installs all that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from orchestrator.deadline import Deadline
from orchestrator.errors import HostLacks, Interrupted, LabError
from orchestrator.host.packages import Need
from orchestrator.labfile.addresses import group_of
from orchestrator.labfile.image_recipe import Recipe
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import arch_of
from orchestrator.machines import host_packages
from orchestrator.progress import Progress
from orchestrator.record import Record, Status

LACKS = "this host lacks"
"""Beginning of every sentence about missing packages."""


@dataclass(frozen=True)
class Shortfall:
    """What this host lacks. ``lacking`` maps each machine that cannot run to the names of what it lacks;
    ``line`` is the command that installs all of it ("" where isolab knows no package manager) and
    ``advice`` what to do, in words."""

    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    line: str = ""
    advice: str = ""

    def problem(self, machine: str) -> HostLacks | None:
        """Return why this machine cannot run; None when it can."""
        names = self.lacking.get(machine)
        return HostLacks(f"{LACKS} {', '.join(names)}", hint=self.advice) if names else None

    def whole(self) -> HostLacks:
        """Return one error for all that is missing."""
        names = dict.fromkeys(name for names in self.lacking.values() for name in names)
        return HostLacks(f"{LACKS} {', '.join(names)}", hint=self.advice)

    def told(self) -> tuple[str, ...]:
        """Return a sentence for each combination of missing packages, with the machines it costs."""
        machines: dict[tuple[str, ...], list[str]] = {}
        for machine, names in self.lacking.items():
            machines.setdefault(names, []).append(machine)
        return tuple(
            f"{LACKS} {', '.join(names)}, needed by {', '.join(who)}" for names, who in machines.items()
        )


NOTHING = Shortfall(MappingProxyType({}))


def needs_of_lab(
    lab: LoadedLab, names: Sequence[str], recipes: Mapping[str, Recipe]
) -> dict[str, list[Need]]:
    """Return what each of these machines of a lab (empty: all) needs of this host.

    Machines that share a network come up together, so each needs what all of them need.
    """
    machines = {name: m for name, m in lab.lab.machines.items() if not names or name in names}
    own = {}
    for name, machine in machines.items():
        image = host_packages.image_needs(recipes[machine.image], arch_of(machine).name)
        own[name] = [*host_packages.needs_of([machine]), *image]
    together = {name: group_of(lab.lab, name, list(machines)) or (name,) for name in machines}
    return {name: _distinct([need for peer in together[name] for need in own[peer]]) for name in machines}


def lacks(records: Iterable[Record]) -> list[str]:
    """Return what the host lacked for machines of a run, each cause once, with what to type."""
    found: dict[str, list[str]] = {}
    for record in records:
        if _is_lack(record):
            names = found.setdefault(record.reason, [])
            names += [record.machine] if record.machine not in names else []
    return [f"{', '.join(names)}: {reason}" for reason, names in found.items()]


def all_lack(records: Sequence[Record]) -> bool:
    """Return whether this host lacked something for every machine of a run, so that nothing ran."""
    return bool(records) and all(map(_is_lack, records))


def _is_lack(record: Record) -> bool:
    return record.status is Status.SKIP and record.reason.startswith(LACKS)


def _distinct(needs: Sequence[Need]) -> list[Need]:
    return list({need.what: need for need in needs}.values())


def shortfall(needs: Mapping[str, Sequence[Need]], deadline: Deadline) -> Shortfall:
    """Return what this host lacks now; ``needs`` are by machine. Python packages do not count: anybody
    may install those."""
    absent = host_packages.missing(_distinct([n for own in needs.values() for n in own if not n.pip]))
    if not absent:
        return NOTHING
    gone = {need.what for need in absent}
    lacking = {name: tuple(n.what for n in own if n.what in gone) for name, own in needs.items()}
    line = host_packages.line_to_type(absent, deadline)
    return Shortfall(
        {name: names for name, names in lacking.items() if names},
        line,
        f"run: {line}" if line else host_packages.in_words(absent),
    )


def refused(needs: Mapping[str, Sequence[Need]], progress: Progress, deadline: Deadline) -> Shortfall:
    """Return what is missing and may not be installed, and tell people of it.

    Raises HostLacks when that leaves no machine.
    """
    found = shortfall(needs, deadline)
    if not found.lacking or host_packages.may_install(deadline):
        return NOTHING
    if len(found.lacking) == len(needs):
        raise found.whole()
    progress.tell("\n".join([*(f"skipped: {words}" for words in found.told()), f"  hint: {found.advice}"]))
    return found


def install(
    needs: Mapping[str, Sequence[Need]], progress: Progress, deadline: Deadline
) -> Mapping[str, LabError]:
    """Install what machines need; returns why not, by machine, for those that still lack something.

    Raises Interrupted.
    """
    every = _distinct([need for own in needs.values() for need in own])
    try:
        host_packages.ensure(every, progress, deadline)
    except Interrupted:
        raise
    except LabError as problem:
        reasons = host_packages.ensure_each(every, deadline)
        return {
            name: next(iter(found), problem)
            for name, own in needs.items()
            if (found := [reasons[need.what] for need in own if need.what in reasons])
        }
    return {}
