"""Who can talk to whom in a lab, and how drivers are told."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, handle, order, subject
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.container import bridge
from orchestrator.drivers.container.driver import DRIVER as CONTAINER
from orchestrator.drivers.container.driver import render_run
from orchestrator.drivers.guest import vde
from orchestrator.drivers.guest.identity import NetworkConfig, network_config
from orchestrator.drivers.libvirt.driver import DRIVER as LIBVIRT
from orchestrator.drivers.model import Attachment, NetworkOrder, Order
from orchestrator.drivers.qemu.driver import DRIVER as QEMU
from orchestrator.drivers.qemu.emulator import Memory, device_mac, render_argv
from orchestrator.drivers.virtualbox.driver import DRIVER as VIRTUALBOX
from orchestrator.errors import Unavailable
from orchestrator.exercises.checks import unmet
from orchestrator.labfile.addresses import environment, group_of, interfaces, peers
from orchestrator.labfile.models import Exercise, Lab, Machine
from orchestrator.machines.templates import key


def lab(networks: Mapping[str, Any], **joined: Any) -> Lab:
    machines = {name: {"driver": "qemu", "networks": where} for name, where in joined.items()}
    return Lab.model_validate(
        {"lab": "net", "networks": networks, "machines": machines, "exercises": ["network/a"]}
    )


def addresses(found: Lab) -> dict[tuple[str, str], str]:
    return {(interface.machine, interface.network): interface.address for interface in interfaces(found)}


def test_addresses_are_given_in_order_around_those_that_are_taken() -> None:
    found = addresses(lab({"lan": {}}, a=["lan"], b={"lan": "10.77.0.1"}, c={"lan": None}, d=["lan"]))
    assert [found[name, "lan"] for name in "abcd"] == ["10.77.0.2", "10.77.0.1", "10.77.0.3", "10.77.0.4"]


def test_each_network_has_a_subnet_of_its_own() -> None:
    found = addresses(
        lab({"one": {}, "two": {}, "own": {"subnet": "192.168.5.0/29"}}, a=["own", "two", "one"])
    )
    assert list(found.values()) == ["192.168.5.1", "10.77.1.1", "10.77.0.1"]


def test_a_full_subnet_is_told() -> None:
    with pytest.raises(ValueError, match="no free address for c"):
        interfaces(lab({"lan": {"subnet": "10.0.0.0/30"}}, a=["lan"], b=["lan"], c=["lan"]))


@given(st.integers(1, 40))
def test_hardware_addresses_are_unicast_local_and_different(machines: int) -> None:
    names = {f"m{number}": ["lan"] for number in range(machines)}
    macs = [interface.mac for interface in interfaces(lab({"lan": {}}, **names))]
    assert len(set(macs)) == machines
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs)


def test_peers_are_those_on_a_shared_network_in_this_run() -> None:
    found = lab({"one": {}, "two": {}}, a=["one"], b=["two", "one"], c=["two"], d=[])
    everybody = list(found.machines)
    assert peers(found, "a", everybody) == (("b", "10.77.0.2"),)
    assert peers(found, "b", everybody) == (("c", "10.77.1.2"), ("a", "10.77.0.1"))
    assert peers(found, "b", ["a", "b"]) == (("a", "10.77.0.1"),)


def test_machines_wait_for_all_they_are_joined_with_through_others() -> None:
    found = lab({"one": {}, "two": {}, "far": {}}, a=["one"], b=["two", "one"], c=["two"], d=[], e=["far"])
    everybody = list(found.machines)
    assert group_of(found, "a", everybody) == group_of(found, "c", everybody) == ("a", "b", "c")
    assert group_of(found, "d", everybody) == ()
    assert group_of(found, "e", everybody) == ("e",)
    assert group_of(found, "a", ["a", "c"]) == ("a",)


def test_programs_find_themselves_and_their_peers_in_the_environment() -> None:
    assert environment("10.0.0.1", [("b", "10.0.0.2"), ("c", "10.0.0.3")]) == {
        "ISOLAB_ADDRESS": "10.0.0.1",
        "ISOLAB_PEERS": "b=10.0.0.2 c=10.0.0.3",
    }


def test_an_exercise_that_needs_a_peer_is_skipped_without_one() -> None:
    wanted = Exercise.model_validate({"title": "a", "run": "./a", "needs": {"network": True}})
    assert "needs a network" in unmet(wanted, subject())
    assert unmet(wanted, subject(peers=True)) == ""


PLACE = Attachment("lan", "10.77.0.2", 24, "02:69:0a:4d:00:02", endpoint="/s,1/net.lan/switch/ctl")
OUT = replace(PLACE, internet=True)


def joined(place: Attachment = PLACE, arch: str = "s390x") -> Order:
    return replace(order(arch), attachments=(place,), hosts=(("big", "10.77.0.2"), ("small", "10.77.0.1")))


def test_a_guest_gets_a_second_interface_at_the_switch() -> None:
    plain = render_argv(order("s390x"), QEMU.prepare(order("s390x")), root=True)
    words = [word for word in render_argv(joined(), QEMU.prepare(joined()), root=True) if word not in plain]
    assert words == [
        "vde,id=lan0,sock=/s,,1/net.lan/switch/ctl",
        "virtio-net-ccw,netdev=lan0,mac=52:54:00:69:6c:00",
    ]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_joining_a_network_opens_no_other_way(arch: str) -> None:
    wanted = joined(arch=arch)
    argv = render_argv(wanted, QEMU.prepare(wanted), root=True)
    netdevs = [argv[at + 1] for at, word in enumerate(argv) if word == "-netdev"]
    assert netdevs[0].startswith("user,id=net,restrict=on,")
    assert [netdev.split(",")[0] for netdev in netdevs] == ["user", "vde"]


def test_only_a_network_with_internet_takes_the_restriction_away() -> None:
    wanted = joined(OUT)
    assert "restrict=off" in " ".join(render_argv(wanted, QEMU.prepare(wanted), root=True))
    baked = render_argv(wanted.unplugged(), QEMU.prepare(wanted), True, Memory(Path("/m"), building=True))
    assert "restrict=on" in " ".join(baked)


def test_templates_are_shared_between_runs_and_addresses_but_not_with_machines_without() -> None:
    elsewhere = replace(OUT, address="10.77.0.9", mac="02:69:0a:4d:00:09", endpoint="/other")
    assert key(joined(), QEMU) == key(joined(elsewhere), QEMU)
    assert key(joined(), QEMU) != key(order("s390x"), QEMU)


def test_a_template_is_baked_with_an_interface_that_leads_nowhere() -> None:
    argv = render_argv(joined().unplugged(), QEMU.prepare(joined()), False, Memory(Path("/m"), building=True))
    assert "hubport,id=lan0,hubid=0" in argv
    assert not [word for word in argv if word.startswith("vde")]


def test_a_machine_is_told_its_networks_and_names() -> None:
    told = network_config(joined(), [device_mac(0)])
    assert told.network == "52:54:00:69:6c:00 02:69:0a:4d:00:02 10.77.0.2/24\n"
    assert told.hosts == "127.0.0.1 localhost\n10.77.0.2 big\n10.77.0.1 small\n"
    assert told.gateway == ""
    assert network_config(joined(OUT), [device_mac(0)]).gateway == "10.0.2.2 10.0.2.3"


def test_a_machine_without_networks_is_told_nothing_of_them() -> None:
    assert network_config(order(), []) == NetworkConfig()


def network(driver: str) -> NetworkOrder:
    scratch = Path("/scratch") / RUN / "net.lan"
    return NetworkOrder(
        RUN, "lan", driver, "10.77.0.0/24", ("a", "b"), ARCHITECTURES["amd64"], scratch, Path("/logs")
    )


def test_every_name_of_a_network_is_decided_beforehand() -> None:
    found = QEMU.prepare_network(network("qemu"))
    assert (found.tag, found.is_network) == (f"isolab-{RUN}-net.lan", True)
    assert found.data["plugs"] == dict.fromkeys("ab", f"/scratch/{RUN}/net.lan/switch/ctl")
    assert CONTAINER.prepare_network(network("container")).data["plugs"]["a"] == f"isolab-{RUN}-net.lan"
    assert VIRTUALBOX.prepare_network(network("virtualbox")).data["plugs"]["b"] == f"isolab-{RUN}-net.lan"
    assert not handle("vm").is_network


@pytest.mark.parametrize(
    ("uri", "endpoint"),
    [
        ("qemu:///system", f"isolab-{RUN}-net.lan"),
        ("qemu+ssh://lab1/system", f"isolab-{RUN}-net.lan"),
        ("qemu:///session", f"/scratch/{RUN}/net.lan/libvirt-switch/ctl"),
    ],
)
def test_a_network_of_libvirt_is_its_daemons_or_a_switch_of_a_session(uri: str, endpoint: str) -> None:
    found = LIBVIRT.prepare_network(replace(network("libvirt"), uri=uri))
    assert found == LIBVIRT.prepare_network(replace(network("libvirt"), uri=uri))
    assert found.data["plugs"] == dict.fromkeys("ab", endpoint)
    assert found.data["uri"].startswith(uri)


def test_a_session_of_another_host_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    wanted = replace(network("libvirt"), uri="qemu+ssh://lab1/session", scratch=tmp_path / "run" / "net.lan")
    with pytest.raises(Unavailable, match="no networks between machines") as caught:
        LIBVIRT.create_network(wanted, LIBVIRT.prepare_network(wanted), _soon())
    assert caught.value.hint == "use uri: qemu+ssh://lab1/system"
    assert not wanted.scratch.exists()


def test_the_switch_has_a_port_for_each_machine_and_no_rights() -> None:
    sockets = vde.endpoint(Path("/s/r/net.lan"), vde.QEMU)
    argv = vde.render_argv(sockets, 2, user=65534)
    assert argv[0] == "setpriv"
    assert {"--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"} < set(argv)
    assert vde.render_argv(sockets, 2, user=None) == [
        "vde_switch", "-s", "/s/r/net.lan/switch/ctl", "-m", "0700", "-n", "3", "-f", "/dev/null", "-d",
    ]  # fmt: skip


def _stand_in(folder: Path, name: str, says: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)


def test_a_qemu_built_without_vde_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _stand_in(tmp_path, "qemu-system-x86_64", "Available netdev backend types: socket stream user")
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = replace(network("qemu"), scratch=tmp_path / "run" / "net.lan")
    with pytest.raises(Unavailable, match="built without VDE"):
        QEMU.create_network(wanted, QEMU.prepare_network(wanted), _soon())
    assert not wanted.scratch.exists()


def test_a_missing_switch_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _stand_in(tmp_path, "qemu-system-x86_64", "Available netdev backend types: user vde")
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = replace(network("qemu"), scratch=tmp_path / "run" / "net.lan")
    with pytest.raises(Unavailable, match="vde_switch is not installed") as caught:
        QEMU.create_network(wanted, QEMU.prepare_network(wanted), _soon())
    assert "vde2" in caught.value.hint
    assert not wanted.scratch.exists()


def test_containers_are_joined_by_root_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.getuid", lambda: 1000)
    wanted = replace(network("container"), scratch=tmp_path / "run" / "net.lan")
    with pytest.raises(Unavailable, match="need root") as caught:
        CONTAINER.create_network(wanted, CONTAINER.prepare_network(wanted), _soon())
    assert "driver: qemu" in caught.value.hint
    assert not wanted.scratch.exists()


def test_a_container_is_cabled_to_the_bridge_and_to_nothing_of_the_host() -> None:
    place = replace(PLACE, endpoint="isolab-r-net.lan")
    add, port, address, up = bridge.render_join(place, 4711, 0)
    assert add[:5] == ["ip", "-n", "isolab-r-net.lan", "link", "add"]
    assert add[-3:] == ["02:69:0a:4d:00:02", "netns", "4711"]
    assert port[-3:] == ["master", "bridge", "up"]
    assert (address[3], address[-3:]) == ("--net", ["10.77.0.2/24", "dev", "lan0"])
    assert up[-3:] == ["set", "lan0", "up"]
    assert len(bridge.port_name(place)) == len("port") + 2 * struct.calcsize("I") <= 15
    assert all(argv[:2] in (["ip", "netns"], ["ip", "-n"]) for argv in bridge.render_create("x"))


def test_a_container_knows_the_names_and_stays_without_the_engines_networks() -> None:
    wanted = replace(joined(), machine=Machine(driver="container"))
    argv = render_run(("podman",), wanted, handle(), {})
    assert argv[argv.index("--network") + 1] == "none"
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--add-host"] == [
        "big:10.77.0.2", "small:10.77.0.1",
    ]  # fmt: skip


def _soon() -> Deadline:
    return Deadline.after(20)
