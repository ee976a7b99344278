"""A class over several hosts: who goes where, what travels, and what is believed of what hosts say. No host
is asked."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from class_on_hosts import GIB, KEY, PRIVATE, class_on_hosts, machine, said
from hypothesis import given
from hypothesis import strategies as st
from made_up_term import made_up_class

from orchestrator.classes import on_hosts
from orchestrator.classes.down import bring_down
from orchestrator.classes.gateway.folder import folder_of
from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.gateway.standing import standing as gateway_standing
from orchestrator.classes.home_files import HomeFiles
from orchestrator.classes.hosts import chosen, look, snapshots
from orchestrator.classes.hosts.answer import HostAnswer, HostHome, HostMachine, checked
from orchestrator.classes.hosts.journal import SeatHosts
from orchestrator.classes.hosts.request import Act, PartRequest
from orchestrator.classes.hosts.spread import SPARE, Room, spread
from orchestrator.classes.hosts.ways import HostWays, port_of
from orchestrator.classes.load import load_class
from orchestrator.classes.machines import Place, standing, there
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.classes.plan_hosts import plan_on_hosts
from orchestrator.classes.reset import reset
from orchestrator.classes.up import bring_up
from orchestrator.classes.work.collect import Collected
from orchestrator.cli.classes.clustered import clustered
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.deadline import Cancellation, poll
from orchestrator.errors import Interrupted, LabError, SpecError, Unavailable
from orchestrator.progress import SilentProgress

SILENT = SilentProgress()


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setattr(look, "_LAST", {})


@pytest.fixture
def found(tmp_path: Path) -> LoadedClass:
    return class_on_hosts(tmp_path / "class", 4)


class MadeUpHosts:
    """Hosts that do what they are asked at once, unless they are ``off``, and remember what that was."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, PartRequest]] = []
        self.off: set[str] = set()
        self.there: dict[str, dict[tuple[str, str], HostMachine]] = {"alder": {}, "birch": {}}
        self.homes: dict[str, set[tuple[str, str]]] = {"alder": set(), "birch": set()}

    def ask(self, _found: object, _hosts: object, host: Any, request: PartRequest, *_: object) -> HostAnswer:
        self.asked.append((host.name, request))
        if host.name in self.off:
            raise Unavailable(f"{host.name}: it is off", hint="switch it on")
        have, homes = self.there[host.name], self.homes[host.name]
        came: list[tuple[str, str]] = []
        stayed: list[tuple[str, str]] = []
        for place in [(seat, "desk") for seat in request.seats]:
            if request.act is Act.UP:
                (stayed if place in have else came).append(place)
                have.setdefault(place, machine(place[0]))
                homes.add(place)
            elif request.act is Act.RESET:
                have[place] = machine(place[0], port=40001)
                came.append(place)
            elif request.act is Act.DOWN and place in have:
                del have[place]
                came.append(place)
        homes -= {*request.destroy}
        return HostAnswer(
            machines=tuple(have.values()),
            homes=tuple(HostHome(seat, name, GIB, 1.0) for seat, name in sorted(homes)),
            free=8 * GIB,
            cpus=2,
            disk=100 * GIB,
            came=tuple(came),
            stayed=tuple(stayed),
        )

    def acts(self, act: Act) -> list[tuple[str, tuple[str, ...]]]:
        return sorted((host, request.seats) for host, request in self.asked if request.act is act)


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> MadeUpHosts:
    made = MadeUpHosts()
    monkeypatch.setattr(on_hosts, "ask", made.ask)
    monkeypatch.setattr(look, "ask", made.ask)
    monkeypatch.setattr(look, "NEW_SECONDS", -1.0)
    monkeypatch.setattr(look, "AWAY_SECONDS", -1.0)
    for way in ("keep_open", "close"):
        monkeypatch.setattr(on_hosts, way, lambda *_: None)
    return made


# Who goes where


def test_new_seats_go_where_most_memory_is_left_and_known_ones_stay() -> None:
    rooms = {"a": Room(4 * GIB, {"": GIB}), "b": Room(6 * GIB, {"": GIB})}
    done = spread(["s1", "s2", "s3", "s4"], {"s4": "a"}, rooms)
    assert done.hosts == {"s4": "a", "s1": "b", "s2": "b", "s3": "b"}
    assert (done.short, done.lacks) == ({}, {})


def test_of_equal_hosts_each_gets_its_share() -> None:
    rooms = {name: Room(8 * GIB, {"": GIB}) for name in ("a", "b")}
    done = spread(["s1", "s2", "s3", "s4"], {}, rooms)
    assert [done.hosts[f"s{number}"] for number in (1, 2, 3, 4)] == ["a", "b", "a", "b"]


def test_who_has_no_host_is_told_what_each_lacks() -> None:
    rooms = {
        "a": Room(SPARE + GIB // 2, {"": GIB}),
        "b": Room(9 * GIB, {"": GIB}, closed="it is drained"),
    }
    done = spread(["s1"], {}, rooms)
    assert (done.hosts, done.short) == ({}, {"s1": "a lacks 512 MiB of memory; b: it is drained"})
    assert spread(["s1"], {}, {}).short == {"s1": "no host answers"}


def test_a_host_that_is_away_keeps_its_seats_and_one_that_is_full_says_so() -> None:
    rooms = {"a": Room(SPARE, {"": GIB})}
    done = spread(["s1", "s2"], {"s1": "gone", "s2": "a"}, rooms)
    assert done.hosts == {"s1": "gone", "s2": "a"}
    assert done.lacks == {"a": GIB}


@given(
    st.lists(st.sampled_from([f"s{number}" for number in range(9)]), unique=True),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 12), max_size=3),
)
def test_no_host_gets_more_than_it_has_and_nobody_is_lost(seats: list[str], free: dict[str, int]) -> None:
    rooms = {host: Room(SPARE + gib * GIB, {"": GIB}) for host, gib in free.items()}
    done = spread(seats, {}, rooms)
    assert {*done.hosts} | {*done.short} == {*seats}
    assert not {*done.hosts} & {*done.short}
    assert all([*done.hosts.values()].count(host) <= gib for host, gib in free.items())


# Machines as the rest of the class has them


def test_machines_on_hosts_are_entered_at_a_port_of_this_computer(found: LoadedClass) -> None:
    SeatHosts(found).note({"s00": "alder"})
    snapshots.keep(found, "alder", checked(said(machine("s00")), found, "alder"))
    ways = {"master": 1, "ports": {"s00.desk": [50123, 40000]}}
    (snapshots.hosts_folder(found) / "alder/ways.json").write_text(json.dumps(ways))
    ((place, one),) = there(found).items()
    assert (place, one.name) == (Place("s00", "desk"), "term.s00/desk")
    (entrance,) = gateway_standing(found, folder_of(found))
    assert (entrance.seat, entrance.port) == ("s00", 50123)
    assert base64.b64encode(bytes.fromhex(entrance.host_key)).decode() == KEY
    key = Path(one.handle.data["address"]["key"])
    assert (key.read_text(), key.stat().st_mode & 0o777) == (PRIVATE, 0o600)
    assert one.handle.tag != f"isolab-{machine('s00').run}-desk"  # a host does not choose it


def test_a_machine_without_a_way_is_not_offered_to_students(found: LoadedClass) -> None:
    snapshots.keep(found, "alder", checked(said(machine("s00")), found, "alder"))
    assert gateway_standing(found, folder_of(found)) == []
    assert port_of({"alder": HostWays(1, {"s00.desk": (5, 6)})}, "birch", "s00", "desk") == 0


def test_keys_of_machines_that_are_gone_are_removed(found: LoadedClass) -> None:
    snapshots.keep(found, "alder", checked(said(machine("s00")), found, "alder"))
    assert len([*snapshots.hosts_folder(found).glob("alder/s00.desk/client_key")]) == 1
    snapshots.keep(found, "alder", checked(said(), found, "alder"))
    assert not [*snapshots.hosts_folder(found).glob("alder/s00.desk")]


# Up, reset, down


def test_up_spreads_gives_keys_and_starting_files_and_stays(found: LoadedClass, hosts: MadeUpHosts) -> None:
    up = bring_up(found, found.seats, SILENT)
    assert [str(place) for place in up.came] == ["s00/desk", "s01/desk", "s02/desk", "s03/desk"]
    assert hosts.acts(Act.UP) == [("alder", ("s02",)), ("birch", ("s00", "s01", "s03"))]  # 4 GiB, and 8
    where = SeatHosts(found).hosts()
    for host, request in hosts.asked:
        if request.act is Act.UP:
            assert {*request.student_keys} == {seat for seat, name in where.items() if name == host}
            assert all(keys == student_keys(found, seat) for seat, keys in request.student_keys.items())
    hosts.asked.clear()
    again = bring_up(found, found.seats, SILENT)
    assert (again.came, len(again.were_there)) == ((), 4)
    assert SeatHosts(found).hosts() == where
    assert not any(request.starting for _, request in hosts.asked)  # their home folders are there


def test_a_host_that_is_off_costs_its_own_seats_only(found: LoadedClass, hosts: MadeUpHosts) -> None:
    bring_up(found, found.seats, SILENT)
    where = SeatHosts(found).hosts()
    hosts.off.add("birch")
    mine = {Place(seat, "desk") for seat, host in where.items() if host == "birch"}
    now = standing(found)
    assert {place for place, one in now.items() if one.away} == mine
    assert {one.away for one in now.values() if one.away} == {"birch: it is off\n  hint: switch it on"}
    up = bring_up(found, found.seats, SILENT)
    assert {one.place for one in up.failed} == mine
    assert SeatHosts(found).hosts() == where  # their home folders are there
    hosts.off.clear()
    assert bring_up(found, found.seats, SILENT).failed == ()


def test_ctrl_c_ends_what_hosts_do(
    found: LoadedClass, hosts: MadeUpHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []
    both = threading.Barrier(2)

    def ask(_found: object, up: HostsUp, host: Any, *_: object) -> HostAnswer:
        both.wait(60)
        if host.name == "alder":
            # To the process, as from a terminal: to this thread, it would not wake the one that waits.
            os.kill(os.getpid(), signal.SIGINT)
        try:
            poll(lambda: False, up.deadline(60), "waiting for the host")
        except Interrupted:
            ended.append(host.name)
            raise
        raise AssertionError

    monkeypatch.setattr(on_hosts, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        bring_up(found, found.seats, SILENT)
    assert sorted(ended) == ["alder", "birch"]


def test_machines_are_replaced_on_their_host(found: LoadedClass, hosts: MadeUpHosts) -> None:
    bring_up(found, found.seats, SILENT)
    where = SeatHosts(found).hosts()["s01"]
    done = reset(found, [found.seats[1]], (), SILENT)
    assert done == [(Place("s01", "desk"), None)]
    assert hosts.acts(Act.RESET) == [(where, ("s01",))]
    hosts.off.add(where)
    ((_, problem),) = reset(found, [found.seats[1]], (), SILENT)
    assert isinstance(problem, LabError)


def test_down_takes_all_hosts_and_keeps_home_folders(
    found: LoadedClass, hosts: MadeUpHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.classes.down.collect", lambda *_, **__: [])
    bring_up(found, found.seats, SILENT)
    where = SeatHosts(found).hosts()
    down = bring_down(found, found.seats, SILENT, Cancellation(), everything=True)
    assert (len(down.gone), down.failed) == (4, ())
    assert there(found) == {}
    assert HomeFiles(found).seats() == {"s00", "s01", "s02", "s03"}
    assert SeatHosts(found).hosts() == where


def test_the_home_folders_of_an_examination_are_destroyed_where_they_are(
    tmp_path: Path, hosts: MadeUpHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = class_on_hosts(tmp_path / "exam", 2, "exam: true", "ends: 2099-01-01T00:00+00:00")
    copies = [Collected("s00", "desk"), Collected("s01", "desk", missed=("big: too large",))]
    monkeypatch.setattr("orchestrator.classes.down.collect", lambda *_, **__: copies)
    bring_up(found, found.seats, SILENT)
    down = bring_down(found, found.seats, SILENT, Cancellation(), everything=True)
    assert down.destroyed == (Place("s00", "desk"),)
    assert HomeFiles(found).seats() == {"s01"}
    assert list(SeatHosts(found).hosts()) == ["s01"]
    (words,) = down.failed
    assert words.startswith(
        "s01/desk: not taken: big: too large; its home folder is kept in desk.img of s01 on "
    )


def test_who_left_the_roster_is_taken_down_on_the_host(
    found: LoadedClass, hosts: MadeUpHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.classes.up.collect", lambda *_, **__: [])
    bring_up(found, found.seats, SILENT)
    roster = found.folder / "roster.csv"
    lines = roster.read_text().splitlines()
    roster.write_text("\n".join(line for line in lines if not line.startswith("s03")) + "\n")
    fewer = load_class(found.folder)
    assert bring_up(fewer, fewer.seats, SILENT).left == ("s03",)
    bring_up(fewer, fewer.seats, SILENT, prune=True)
    assert {place.seat for place in there(fewer)} == {"s00", "s01", "s02"}


def test_a_plan_says_who_goes_where_and_asks_only(found: LoadedClass, hosts: MadeUpHosts) -> None:
    plan = plan_on_hosts(found, found.seats)
    assert sorted(seat for one in plan.hosts for seat in one.seats) == ["s00", "s01", "s02", "s03"]
    assert plan.fits
    assert {request.act for _, request in hosts.asked} == {Act.LOOK}
    assert SeatHosts(found).hosts() == {}
    bring_up(found, found.seats, SILENT)
    hosts.off.add("alder")
    plan = plan_on_hosts(found, found.seats)
    assert not plan.fits
    assert {*plan.stuck.values()} == {"alder"}


def test_machines_for_everybody_are_on_one_host(tmp_path: Path, hosts: MadeUpHosts) -> None:
    found = class_on_hosts(tmp_path / "shared", 2, "shared: {server: {driver: qemu}}")
    plan = plan_on_hosts(found, found.seats)
    assert len([one for one in plan.hosts if SHARED in one.seats]) == 1
    assert sum(len(one.plan.shared) for one in plan.hosts) == 1


# Which hosts


def test_the_class_file_names_the_hosts_or_the_option_does(found: LoadedClass, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    with pytest.raises(SpecError, match="names another hosts file"):
        clustered(found, str(other))
    assert clustered(found, str(found.folder / "hosts.yaml")) is found
    alone = made_up_class(tmp_path / "alone", 1)
    assert clustered(alone, "").hosts is None
    with_hosts = clustered(alone, str(other))
    assert with_hosts.hosts == other
    chosen.keep(with_hosts)
    assert clustered(alone, "").hosts == other  # the service, and who types less
    chosen.forget(with_hosts)
    assert clustered(alone, "").hosts is None
