"""Which host runs which jobs, and in what words a run is refused that none can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, lab
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cluster.model import Cluster, ClusterHost, Destination, HostFacts, Unit
from orchestrator.cluster.offers import Offer, Offers, offer, offers, unknown_pins
from orchestrator.cluster.placement import Placement, Terms, place, summary, units_of
from orchestrator.errors import Unavailable
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import EMULATOR_OVERHEAD, jobs

GIB, MIB = 2**30, 2**20
EVERY = frozenset({"amd64", "arm64", "s390x"})
VM = {"driver": "qemu", "memory": "890MiB"}
"""With the emulator itself 1000 MiB."""
NET = {"networks": ["lan"]}
LAB1 = Offer("lab1", "amd64", 8 * GIB, 8, emulates=EVERY)
LAB2 = replace(LAB1, name="lab2")
KVM = replace(LAB1, name="kvm", kvm=True, tags=frozenset({"fast"}))
ARM = replace(LAB1, name="arm", arch="arm64")


def placed(machines: Mapping[str, Any], *hosts: Offer, at_once: int | None = None, **terms: Any) -> Placement:
    return found(with_machines(machines, at_once), *hosts, **terms)


def found(of: LoadedLab, *hosts: Offer, **terms: Any) -> Placement:
    return place(of, jobs(of, RUN), Offers(hosts), Offers(hosts).native("amd64"), Terms(**terms))


def with_machines(machines: Mapping[str, Any], at_once: int | None = None) -> LoadedLab:
    whole = lab(dict(machines))
    networks = lab({"a": NET | VM}, networks={"lan": {}}).lab.networks
    return replace(whole, lab=whole.lab.model_copy(update={"networks": networks, "at_once": at_once}))


def why(placement: Placement) -> list[str]:
    assert not placement.units
    return [one.message for one in placement.problems]


def test_equal_machines_are_spread_and_every_host_may_run_them() -> None:
    machines = {f"m{number}": VM for number in range(6)}
    result = placed(machines, LAB1, LAB2, replace(LAB1, name="lab3"))
    assert sorted(result.chosen.values()) == ["lab1", "lab1", "lab2", "lab2", "lab3", "lab3"]
    assert {frozenset(unit.places) for unit in result.units} == {frozenset({"lab1", "lab2", "lab3"})}
    assert {unit.memory for unit in result.units} == {890 * MIB + EMULATOR_OVERHEAD}
    assert summary(result) == "6 units on 3 hosts"


def test_machines_that_take_no_memory_are_spread_by_processors() -> None:
    machines = {f"p{number}": {"driver": "process"} for number in range(6)}
    result = placed(machines, replace(LAB1, cpus=2), replace(LAB2, cpus=4))
    assert sorted(result.chosen.values()) == ["lab1"] * 2 + ["lab2"] * 4


def test_a_larger_host_takes_more() -> None:
    machines = {f"m{number}": VM for number in range(4)}
    result = placed(machines, replace(LAB1, cpus=99, memory=3 * GIB), replace(LAB2, cpus=99, memory=9 * GIB))
    assert sorted(result.chosen.values()) == ["lab1", "lab2", "lab2", "lab2"]


def test_machines_of_a_network_are_one_unit_on_one_host() -> None:
    result = placed({"a": VM | NET, "b": VM | NET, "c": VM}, LAB1, LAB2)
    assert [[job.machine for job in unit.jobs] for unit in result.units] == [["c"], ["a", "b"]]
    assert result.units[1].memory == 2 * (890 * MIB + EMULATOR_OVERHEAD)
    assert result.chosen["a"] == result.chosen["b"] != result.chosen["c"]


def test_kvm_where_it_was_proved_then_a_host_of_the_same_architecture() -> None:
    result = placed({"here": VM, "there": VM | {"arch": "arm64"}}, LAB1, ARM, KVM)
    by_machine = {unit.jobs[0].machine: unit.places for unit in result.units}
    assert by_machine["here"] == ("kvm", "lab1")
    assert by_machine["there"] == ("arm", "lab1", "kvm")


def test_a_full_host_with_kvm_is_not_waited_for() -> None:
    machines = {f"m{number}": VM for number in range(3)}
    result = placed(machines, LAB1, replace(KVM, memory=2 * GIB))
    assert sorted(result.chosen.values()) == ["kvm", "kvm", "lab1"]
    assert not result.notes


def test_more_than_there_is_room_for_waits_and_is_told() -> None:
    result = placed({f"m{number}": VM for number in range(3)}, replace(LAB1, memory=2 * GIB))
    assert [unit.places for unit in result.units] == [("lab1",)] * 3
    assert result.notes == (
        "3000MiB of memory for all machines at a time, 2GiB there: on lab1 some wait for others to end",
    )


def test_what_demands_kvm_goes_nowhere_else() -> None:
    machines = {"here": VM | {"accel": "kvm", "arch": "amd64"}}
    assert placed(machines, LAB1, ARM, KVM).units[0].places == ("kvm",)
    assert why(placed(machines, LAB1, ARM)) == [
        "no host can run here: lab1: the lab demands KVM for amd64; KVM was not proved to work there; "
        "arm: the lab demands KVM for amd64; the host is arm64"
    ]


def test_a_container_shares_its_hosts_kernel() -> None:
    result = placed({"box": {"driver": "container"}, "bare": {"driver": "sandbox"}}, ARM, LAB1)
    assert {unit.places for unit in result.units} == {("lab1",)}
    only_arm = placed({"box": {"driver": "container"}}, ARM)
    assert only_arm.chosen == {"box": "arm"}


def test_an_emulator_that_has_to_be_installed_is_told() -> None:
    bare = replace(LAB1, emulates=frozenset())
    machine = {"z": VM | {"arch": "s390x"}}
    assert placed(machine, bare, LAB2).units[0].places == ("lab2", "lab1")
    assert placed(machine, bare).notes == (
        "lab1 has no emulator for s390x yet, which z needs: isolab installs it where it may, else the "
        "machine is skipped",
    )


def test_too_large_names_hosts_and_memory() -> None:
    result = placed(
        {"big": {"driver": "qemu", "memory": "16GiB", "arch": "amd64"}}, LAB1, LAB2, replace(ARM, memory=GIB)
    )
    assert why(result) == [
        "no host can run big: lab1, lab2: 16494MiB of memory needed, 8GiB there; "
        "arm: 16494MiB of memory needed, 1GiB there"
    ]
    assert summary(result) == "0 units on 0 hosts; 1 cannot be placed"


def test_a_network_that_fits_nowhere_as_a_whole() -> None:
    machines = {name: VM | NET for name in "abc"}
    assert why(placed(machines, replace(LAB1, memory=2500 * MIB))) == [
        "no host can run together a, b, c: lab1: 3000MiB of memory needed, 2500MiB there"
    ]


def test_pinned_to_a_host_or_a_tag() -> None:
    assert placed({"a": VM}, LAB1, LAB2, pins={"a": "lab2"}).units[0].places == ("lab2",)
    assert placed({"a": VM}, LAB1, KVM, pins={"a": "fast"}).units[0].places == ("kvm",)
    gone = place(
        with_machines({"a": VM}),
        jobs(with_machines({"a": VM}), RUN),
        Offers((LAB1,), {"lab2": "drained", "lab3": "no answer"}),
        "amd64",
        Terms(pins={"a": "lab2"}),
    )
    assert why(gone) == [
        "no host can run a: lab1: not the host it is bound to, lab2; lab2: drained; lab3: no answer"
    ]


def test_without_hosts() -> None:
    assert why(placed({"a": VM})) == ["no host can run a: there is none"]


def test_machines_that_are_elsewhere_already() -> None:
    remote = {"uri": "qemu+ssh://h/system", "driver": "libvirt"}
    board = {"driver": "ssh", "address": "board.example"}
    assert why(placed({"a": remote, "b": board}, LAB1)) == [
        "no host can run b: lab1: the machine exists already, and is reached from the controller only; "
        "run it without --cluster",
        "no host can run a: lab1: its libvirt daemon is on a host of its own; run it without --cluster",
    ]


def test_a_lab_that_measures_is_on_one_host() -> None:
    machines = {f"m{number}": VM for number in range(3)}
    result = placed(machines, replace(LAB1, memory=GIB), LAB2, at_once=1)
    assert [len(unit.jobs) for unit in result.units] == [3]
    assert result.units[0].memory == 890 * MIB + EMULATOR_OVERHEAD
    assert len(placed(machines, LAB1, at_once=3).units) == 3


def test_a_machine_without_architecture_has_the_same_one_wherever_it_is() -> None:
    assert Offers((ARM, LAB1)).native("amd64") == "amd64"
    assert Offers((ARM, replace(ARM, name="arm2"), LAB1)).native("riscv64") == "arm64"
    assert Offers(()).native("riscv64") == "riscv64"
    both = placed({"a": {"driver": "process"}, "b": VM}, ARM)
    assert set(both.chosen.values()) == {"arm"}
    mixed = placed({"a": {"driver": "process"}, "b": VM, "c": VM | {"arch": "amd64"}}, ARM, LAB1)
    assert {unit.jobs[0].machine: set(unit.places) for unit in mixed.units} == {
        "a": {"lab1"},
        "b": {"lab1"},
        "c": {"lab1", "arm"},
    }


def test_what_a_host_offers() -> None:
    facts = HostFacts("x", "1", "3.11", "amd64", 8, 4 * GIB, True, 0.0, "", ("arm64",))
    host = ClusterHost("lab1", Destination("lab1"), 2 * GIB, 2, frozenset({"big"}))
    assert offer(host, facts) == Offer(
        "lab1", "amd64", 2 * GIB, 2, True, frozenset({"arm64"}), frozenset({"big"})
    )
    assert offer(replace(host, memory=None, cpus=None), facts).memory == 4 * GIB
    names = [replace(host, name=name) for name in ("lab1", "lab2", "lab3")]
    cluster = Cluster(__file__, tuple(names))  # type: ignore[arg-type]
    there = offers(cluster, {"lab1": facts, "lab2": facts}, {"lab2": "drained"})
    assert [one.name for one in there.hosts] == ["lab1"]
    assert there.absent == {"lab2": "drained", "lab3": "no answer"}
    assert unknown_pins(["lab3", "big", "bigg"], cluster) == ["bigg"]


def test_a_run_that_no_host_takes_part_in_is_refused_in_one_sentence() -> None:
    cluster = Cluster(Path("hosts.yaml"), tuple(ClusterHost(n, Destination(n)) for n in ("lab1", "lab2")))
    why = {name: f"{name}: it has no isolab\n  hint: run `isolab cluster up`" for name in ("lab1", "lab2")}
    with pytest.raises(Unavailable) as refused:
        offers(cluster, {}, why).require_one(cluster.file)
    assert refused.value.message == "no host of hosts.yaml takes part: lab1, lab2: it has no isolab"
    assert "`isolab cluster up hosts.yaml`" in refused.value.hint
    Offers((LAB1,), {"lab2": "no answer"}).require_one(cluster.file)


def test_a_units_key_does_not_depend_on_its_place() -> None:
    (one,), (other,) = placed({"a": VM}, LAB1).units, placed({"a": VM}, LAB2).units
    assert one.key == other.key
    assert Unit.from_json(one.to_json()).places == ("lab1",)


machine = st.fixed_dictionaries(
    {
        "driver": st.sampled_from(["process", "sandbox", "container", "qemu"]),
        "memory": st.sampled_from(["256MiB", "1GiB", "6GiB"]),
        "networks": st.sampled_from([[], ["lan"]]),
    }
)
host = st.builds(
    Offer,
    name=st.just(""),
    arch=st.sampled_from(["amd64", "arm64"]),
    memory=st.sampled_from([GIB, 4 * GIB, 16 * GIB]),
    cpus=st.integers(1, 8),
    kvm=st.booleans(),
    emulates=st.sampled_from([EVERY, frozenset()]),
)


@settings(max_examples=12, deadline=None)
@given(machines=st.lists(machine, min_size=1, max_size=6), hosts=st.lists(host, max_size=4))
@pytest.mark.parametrize("at_once", [None, 2])
def test_every_job_is_in_one_unit_or_told_and_fits_where_it_may_run(
    machines: list[dict[str, Any]], hosts: list[Offer], at_once: int | None
) -> None:
    whole = {f"m{number}": _legal(one) for number, one in enumerate(machines)}
    named = [replace(one, name=f"h{number}") for number, one in enumerate(hosts)]
    of = with_machines(whole, at_once)
    result = found(of, *named)
    by_name = {one.name: one for one in named}
    given_out = [job for unit in result.units for job in unit.jobs]
    refused = [job for one in result.problems for job in one.jobs]
    assert sorted(given_out + refused, key=str) == sorted(jobs(of, RUN), key=str)
    assert {unit.jobs for unit in result.units} | {one.jobs for one in result.problems} == set(
        units_of(of, jobs(of, RUN))
    )
    for unit in result.units:
        assert len(set(unit.places)) == len(unit.places) > 0
        assert all(unit.memory <= by_name[name].memory for name in unit.places)
    for one in result.problems:
        assert set(one.reasons) == set(by_name)
        assert all(one.reasons.values())
    assert result == found(of, *named)


def _legal(machine: dict[str, Any]) -> dict[str, Any]:
    alone = machine["driver"] in ("process", "sandbox")
    return {key: value for key, value in machine.items() if not (alone and key == "networks")}
