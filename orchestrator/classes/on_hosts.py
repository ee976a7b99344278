"""Bring up, replace and take down machines of a class on hosts, all hosts at once: each host's isolab does
its part. A host that does not answer costs its own seats only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.hosts import snapshots
from orchestrator.classes.hosts.answer import HostAnswer
from orchestrator.classes.hosts.ask import ask
from orchestrator.classes.hosts.journal import SeatHosts
from orchestrator.classes.hosts.look import NOT_LISTED, cluster_of, look, look_again
from orchestrator.classes.hosts.packed_files import Packing
from orchestrator.classes.hosts.request import Act, PartRequest, part_of
from orchestrator.classes.hosts.spread import Spread, spread
from orchestrator.classes.hosts.ways import close, keep_open
from orchestrator.classes.machines import Place
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.plan_hosts import rooms
from orchestrator.classes.start import Failed
from orchestrator.classes.work.start import starting
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import ClusterHost
from orchestrator.errors import LabError, SpecError, Unavailable
from orchestrator.progress import Progress


@dataclass(frozen=True)
class Done:
    """How a request to hosts went: machines with which it was ``done``, those that ``stayed``, and those with
    which it could not be done."""

    done: tuple[Place, ...] = ()
    stayed: tuple[Place, ...] = ()
    failed: tuple[Failed, ...] = ()


def up_on_hosts(
    found: LoadedClass, places: Sequence[Place], here: Iterable[Place], progress: Progress
) -> Done:
    """Bring up these machines where they are not up, each seat's together on one host. ``here`` are machines
    of the class on this host. Raises SpecError if there are some, Unavailable, Interrupted."""
    if stray := sorted({place.seat for place in here}):
        raise SpecError(
            f"machines of {', '.join(stray)} are up on this host, and the class has hosts now",
            hint="`isolab class down CLASS` collects their work and takes them down; take `hosts` out for it",
        )
    with _hosts(found) as hosts:
        progress.doing(found.name, "looking at the hosts")
        looked = look(found, hosts, [host.name for host in hosts.cluster.hosts])
        progress.done(found.name)
        journal = SeatHosts(found)
        seats = list(dict.fromkeys(place.seat for place in places))
        spread_out = spread(seats, journal.hosts(), rooms(found, hosts.cluster, looked.answers))
        journal.note(spread_out.hosts)  # the intent first: whatever happens, ``down`` finds what was made
        wanted = _by_host(spread_out.hosts)
        new = _new(found, looked.answers, spread_out)

        def request(host: str) -> PartRequest:
            mine = tuple(wanted[host])
            keys = {seat: student_keys(found, seat) for seat in mine}
            files = _packed(found, [new[seat] for seat in mine if seat in new])
            return part_of(found, Act.UP, seats=mine, student_keys=keys, starting=files)

        done = _everywhere(found, hosts, wanted, request, progress, places)
    short = [
        Failed(place, Unavailable(f"no host takes {place.seat}: {spread_out.short[place.seat]}"))
        for place in places
        if place.seat in spread_out.short
    ]
    return Done(done.done, done.stayed, (*done.failed, *short))


def reset_on_hosts(
    found: LoadedClass, places: Sequence[Place], machines: Sequence[str], progress: Progress
) -> Done:
    """Replace these machines, which hosts have, by fresh ones. Raises Unavailable, Interrupted."""
    where = SeatHosts(found).hosts()
    wanted = _by_host({place.seat: where[place.seat] for place in places if place.seat in where})
    with _hosts(found) as hosts:

        def request(host: str) -> PartRequest:
            mine = tuple(wanted[host])
            keys = {seat: student_keys(found, seat) for seat in mine}
            return part_of(found, Act.RESET, seats=mine, machines=tuple(machines), student_keys=keys)

        return _everywhere(found, hosts, wanted, request, progress, places)


def down_on_hosts(
    found: LoadedClass, places: Sequence[Place], progress: Progress, *, everything: bool
) -> Done:
    """Take down these machines, which hosts have; home folders stay. ``everything``: nothing else of the
    class is left on any host that answers. Raises Unavailable, Interrupted."""
    where = SeatHosts(found).hosts()
    wanted = _by_host({place.seat: where[place.seat] for place in places if place.seat in where})
    if everything:
        for host in {*where.values(), *snapshots.said(found)}:
            wanted.setdefault(host, [])
    with _hosts(found) as hosts:

        def request(host: str) -> PartRequest:
            return part_of(found, Act.DOWN, seats=tuple(wanted[host]), everything=everything)

        done = _everywhere(found, hosts, wanted, request, progress, places)
        known = snapshots.said(found)
        for listed in hosts.cluster.hosts:
            if listed.name in known and not known[listed.name].machines:
                close(found, hosts, listed)
    _forget_unused(found)
    return done


def destroy_on_hosts(found: LoadedClass, homes: Sequence[Place], progress: Progress) -> Done:
    """Remove these home folders, whose machines are down. Raises Unavailable, Interrupted."""
    where = SeatHosts(found).hosts()
    wanted = _by_host({place.seat: where[place.seat] for place in homes if place.seat in where})
    with _hosts(found) as hosts:

        def request(host: str) -> PartRequest:
            mine = tuple((place.seat, place.machine) for place in homes if where.get(place.seat) == host)
            return part_of(found, Act.DOWN, destroy=mine, everything=True)

        done = _everywhere(found, hosts, wanted, request, progress, homes)
    _forget_unused(found)
    failed = {one.place.seat for one in done.failed}
    return Done(tuple(place for place in homes if place.seat not in failed), (), done.failed)


@contextmanager
def _hosts(found: LoadedClass) -> Iterator[HostsUp]:
    with hosts_up(cluster_of(found)) as hosts:
        try:
            yield hosts
        finally:
            look_again(found)


def _everywhere(
    found: LoadedClass,
    hosts: HostsUp,
    wanted: Mapping[str, Sequence[str]],
    request: Callable[[str], PartRequest],
    progress: Progress,
    places: Sequence[Place],
) -> Done:
    """Send its request to each host at once, keep what they say, and have ways to their machines."""
    lost: dict[str, LabError] = {}

    def one(host: ClusterHost) -> HostAnswer:
        try:
            answer = ask(found, hosts, host, request(host.name), progress)
            snapshots.keep(found, host.name, answer)
            keep_open(found, hosts, host, answer)
        except LabError as problem:
            lost[host.name] = problem
            raise
        return answer

    listed = [host for host in hosts.cluster.hosts if host.name in wanted]
    answers, away = hosts.each(one, listed)
    for name in {*wanted} - {host.name for host in listed}:
        lost[name] = Unavailable(f"{name}: {NOT_LISTED}")
    for name, why in away.items():
        lost.setdefault(name, Unavailable(why))
    done = [Place(*place) for answer in answers.values() for place in answer.came]
    stayed = [Place(*place) for answer in answers.values() for place in answer.stayed]
    failed = [
        Failed(
            Place(failure.seat, failure.machine),
            Unavailable(f"{host}: {failure.message}\nits logs there: {failure.logs}", hint=failure.hint),
        )
        for host, answer in answers.items()
        for failure in answer.failed
    ]
    failed += [
        Failed(place, lost[host]) for host in lost for place in places if place.seat in wanted.get(host, ())
    ]
    order = {place: number for number, place in enumerate(places)}
    done.sort(key=lambda place: order.get(place, len(order)))
    return Done(tuple(done), tuple(stayed), tuple(failed))


def _by_host(hosts: Mapping[str, str]) -> dict[str, list[str]]:
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for seat, host in hosts.items():
        wanted[host].append(seat)
    return dict(wanted)


def _forget_unused(found: LoadedClass) -> None:
    """Forget seats that have neither machines nor home folders on their hosts, and hosts that have
    nothing."""
    known = snapshots.said(found)
    used = {
        host: {one.seat for one in answer.machines} | {one.seat for one in answer.homes}
        for host, answer in known.items()
    }
    where = SeatHosts(found).hosts()
    SeatHosts(found).forget([seat for seat, host in where.items() if host in used and seat not in used[host]])
    snapshots.forget(found, {host: answer for host, answer in known.items() if not used[host]})


def _new(found: LoadedClass, answers: Mapping[str, HostAnswer], where: Spread) -> dict[str, Seat]:
    """Return the seats that get a new home folder, by name."""
    there = {(one.seat, one.machine) for answer in answers.values() for one in answer.homes}
    names = list(found.machines.lab.machines)
    return {
        seat.name: seat
        for seat in found.seats
        if seat.name in where.hosts and any((seat.name, name) not in there for name in names)
    }


def _packed(found: LoadedClass, seats: Sequence[Seat]) -> bytes:
    """Return a tar.gz of what the home folders of these seats begin with; empty for none."""
    if not seats:
        return b""
    packing = Packing()
    with starting(found) as labs:
        for seat in seats:
            with labs.of(seat) as folder:
                packing.add(seat.name, folder)
    return packing.finish()
