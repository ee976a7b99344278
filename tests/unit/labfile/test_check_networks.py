"""Labs whose networks contradict themselves or their machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import load, make_folder, mistakes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def lab(networks: str, *machines: str, defaults: str = "{driver: qemu}") -> str:
    listed = "".join(f"  {machine}\n" for machine in machines)
    head = f"lab: a\ndefaults: {defaults}\nnetworks: {networks}\n"
    return f"{head}machines:\n{listed}exercises: [ipc/pipes]\n"


def test_both_ways_to_join_are_read(folder: Path) -> None:
    found = load(folder, lab("{lan: {}}", "a: {networks: [lan]}", "b: {networks: {lan: 10.77.0.9}}")).lab
    assert found.machines["a"].networks == {"lan": None}
    assert found.machines["b"].networks == {"lan": "10.77.0.9"}
    assert found.networks["lan"].internet is False


def test_networks_may_be_joined_by_default(folder: Path) -> None:
    text = lab("{lan: {}}", "a: {}", "b: {networks: []}", defaults="{driver: qemu, networks: [lan]}")
    found = load(folder, text).lab
    assert [list(machine.networks) for machine in found.machines.values()] == [["lan"], []]


def test_an_unknown_network_is_guessed(folder: Path) -> None:
    assert mistakes(folder, lab("{lan: {}}", "a: {networks: [»lann]}")) == [
        "» unknown network 'lann' (did you mean 'lan'?)"
    ]


def test_without_any_network_it_is_said_how_to_make_one(folder: Path) -> None:
    (found,) = mistakes(folder, lab("{}", "a: {networks: {»lan: 10.77.0.1}}").replace("»lan: ", "lan: »"))
    assert found.startswith("» unknown network 'lan' (define it: `networks: {lan: {}}`")


@pytest.mark.parametrize(
    ("driver", "reason"),
    [("process", "a process uses the host's network"), ("sandbox", "a sandbox may not open network sockets")],
)
def test_who_cannot_join_is_told_why(folder: Path, driver: str, reason: str) -> None:
    (found,) = mistakes(folder, lab("{lan: {}}", f"a: {{driver: {driver}, networks: [»lan]}}"))
    assert found.startswith(f"» a cannot join a network: {reason}")
    assert "drivers that can: container, libvirt, qemu, virtualbox" in found


def test_one_network_joins_machines_of_one_driver(folder: Path) -> None:
    text = lab("{lan: {}}", "a: {networks: [lan]}", "b: {driver: container, networks: [»lan]}")
    (found,) = mistakes(folder, text)
    assert found.startswith("» network lan mixes drivers: a uses qemu, b uses container")


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("10.78.0.1", "10.78.0.1 is outside network lan (10.77.0.0/24) (for example 10.77.0.1)"),
        ("10.77.0.0", "10.77.0.0 is the network address of 10.77.0.0/24 (for example 10.77.0.1)"),
        ("10.77.0.255", "10.77.0.255 is the broadcast address of 10.77.0.0/24 (for example 10.77.0.1)"),
        ("10.77.0.300", "expected an IPv4 address such as 10.77.0.1"),
        ("host", "expected an IPv4 address such as 10.77.0.1"),
    ],
)
def test_addresses_must_be_a_hosts(folder: Path, address: str, complaint: str) -> None:
    assert mistakes(folder, lab("{lan: {}}", f"a: {{networks: {{lan: »{address}}}}}")) == [f"» {complaint}"]


def test_no_address_is_given_twice(folder: Path) -> None:
    both = ("a: {networks: {lan: 10.77.0.1}}", "b: {networks: {lan: »10.77.0.1}}")
    (found,) = mistakes(folder, lab("{lan: {}}", *both))
    assert found.startswith("» 10.77.0.1 is already taken by a")


def test_a_subnet_has_room_for_so_many(folder: Path) -> None:
    three = ("a: {networks: [lan]}", "b: {networks: [lan]}", "c: {networks: [»lan]}")
    (found,) = mistakes(folder, lab("{lan: {subnet: 10.9.0.0/30}}", *three))
    assert found.startswith("» 10.9.0.0/30 has room for only 2 machines")


@pytest.mark.parametrize(
    ("subnet", "complaint"),
    [
        ("10.77.0.1/24", "expected a network address without host bits: 10.77.0.0/24"),
        ("10.77.0.0", "expected a subnet such as 10.77.0.0/24"),
        ("10.77.0.0/31", "expected a prefix length of 8 to 30"),
        (
            "10.0.2.0/25",
            "network lan (10.0.2.0/25) overlaps with the guests' management network (10.0.2.0/24)",
        ),
        ("127.1.0.0/16", "network lan (127.1.0.0/16) overlaps with the loopback network (127.0.0.0/8)"),
    ],
)
def test_subnets_that_cannot_be(folder: Path, subnet: str, complaint: str) -> None:
    (found,) = mistakes(folder, lab(f"{{lan: {{subnet: »{subnet}}}}}", "a: {networks: [lan]}"))
    assert found.startswith(f"» {complaint}")


def test_networks_of_a_lab_do_not_overlap(folder: Path) -> None:
    text = lab("{one: {}, two: {subnet: »10.77.0.128/25}}", "a: {networks: [one, two]}")
    (found,) = mistakes(folder, text)
    assert found.startswith("» network two (10.77.0.128/25) overlaps with network one (10.77.0.0/24)")


def test_containers_have_no_way_out(folder: Path) -> None:
    text = lab("{lan: {internet: true}}", "a: {driver: container, networks: [»lan]}")
    (found,) = mistakes(folder, text)
    assert found.startswith("» network lan has `internet: true`, which driver container does not support")


def test_unknown_keys_are_mistakes_here_too(folder: Path) -> None:
    text = lab("{lan: {»internett: true}}", "a: {networks: [lan]}")
    assert mistakes(folder, text) == ["» unknown key 'internett' (did you mean 'internet'?)"]


@pytest.mark.parametrize("driver", ["container", "libvirt", "qemu", "virtualbox"])
def test_these_drivers_join_machines(folder: Path, driver: str) -> None:
    text = lab("{lan: {}}", "a: {networks: [lan]}", "b: {networks: [lan]}", defaults=f"{{driver: {driver}}}")
    found = load(folder, text, host="amd64").lab
    assert [list(machine.networks) for machine in found.machines.values()] == [["lan"], ["lan"]]


@pytest.mark.parametrize("driver", ["qemu", "libvirt"])
def test_these_have_a_way_out(folder: Path, driver: str) -> None:
    text = lab("{lan: {internet: true}}", f"a: {{driver: {driver}, networks: [lan]}}")
    assert load(folder, text).lab.networks["lan"].internet


def test_one_network_joins_machines_of_one_daemon(folder: Path) -> None:
    there = 'b: {uri: "qemu+ssh://lab1/system", networks: [»lan]}'
    text = lab(
        "{lan: {}}", 'a: {uri: "qemu:///system", networks: [lan]}', there, defaults="{driver: libvirt}"
    )
    (found,) = mistakes(folder, text)
    assert found.startswith(
        "» network lan mixes libvirt daemons: a is at qemu:///system, b at qemu+ssh://lab1"
    )


def test_a_session_of_another_host_joins_nobody(folder: Path) -> None:
    text = lab("{lan: {}}", 'a: {driver: libvirt, uri: "qemu+ssh://lab1/session", networks: [»lan]}')
    (found,) = mistakes(folder, text)
    assert found.startswith("» a cannot join a network: a remote libvirt session does not support networks")
    assert "/system" in found


@pytest.mark.parametrize(
    ("driver", "arch", "most"),
    [("virtualbox", "amd64", 7), ("libvirt", "amd64", 11), ("libvirt", "mipsel", 2)],
)
def test_a_machine_has_so_many_interfaces(folder: Path, driver: str, arch: str, most: int) -> None:
    names = [f"n{number}" for number in range(most + 1)]
    networks = f"{{{', '.join(f'{name}: {{}}' for name in names)}}}"
    names[-1] = f"»{names[-1]}"
    text = lab(networks, f"a: {{driver: {driver}, arch: {arch}, networks: [{', '.join(names)}]}}")
    (found,) = mistakes(folder, text)
    assert found.startswith(f"» a is on too many networks: driver {driver} supports {most}")
