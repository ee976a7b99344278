"""A class file with its roster and labs: what loads, and that every mistake is told once, in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from class_files import HEAD, ROSTER, load, mistakes, write_lab
from public_keys import ED25519

from orchestrator.classes.load import load_class
from orchestrator.classes.spec import class_schema
from orchestrator.errors import SpecError

MIB = 2**20
WHOLE = """\
class: cits3007-2027
title: Secure coding
roster: roster.csv
labs:
  - {lab: mine, from: 2027-03-01T09:00+08:00, due: 2027-03-08T17:00+08:00}
machines:
  desk: {driver: qemu, image: debian, memory: 512MiB, networks: [lan]}
  board: {driver: qemu, arch: [arm64, amd64], networks: {lan: 10.77.0.9}}
networks: {lan: {}}
shared: {server: {driver: qemu, cpus: 2}}
quota: {memory: 1GiB, cpus: 2, processes: 200, disk: 2GiB}
access: {listen: "[::]:2222", web: "0.0.0.0:8443", host: lab.uni.example, certificate: c.pem, key: k.pem}
collect: {every: 15min}
lifetime: 4h
ends: 2027-06-01T18:00+08:00
policy: {late_days: 3, penalty_per_day: 10%, keep: best}
"""


def test_a_whole_class(tmp_path: Path) -> None:
    write_lab(tmp_path / "mine", "own-lab")
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).touch()
    found = load(tmp_path, WHOLE)
    assert found.file == tmp_path / "class.yaml"
    assert [(seat.name, seat.keys) for seat in found.seats] == [
        ("s1", (f"{ED25519} ada@desk",)),
        ("s2", ()),
        ("s3", ()),
    ]
    assert [(lab.name, lab.spec.due is not None) for lab in found.labs] == [("own-lab", True)]
    desk, board = found.machines.lab.machines.values()
    assert (desk.memory, desk.cpus, desk.pids) == (512 * MIB, 2, 200)
    assert (board.arch, board.memory, board.networks) == ("arm64", 1024 * MIB, {"lan": "10.77.0.9"})
    assert found.shared
    server = found.shared.lab.machines["server"]
    assert (server.memory, server.cpus, server.pids) == (256 * MIB, 2, None)
    assert found.spec.policy.penalty_per_day
    assert found.spec.end == found.spec.ends


def test_the_file_by_its_path_and_a_class_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    assert load(folder, HEAD) == load_class(folder / "class.yaml", host="amd64")
    with pytest.raises(SpecError, match="no class at ") as caught:
        load_class(tmp_path)
    assert caught.value.hint == f"classes here: {folder}"
    with pytest.raises(SpecError, match="no class at ") as caught:
        load_class(folder / "other")
    assert caught.value.hint == "a class is a folder with class.yaml"


def test_a_foreign_machine_is_named_after_what_it_is(tmp_path: Path) -> None:
    text = "class: term\nmachines: {amd64: {driver: qemu, arch: [amd64, arm64], memory: 300MiB}}\n"
    found = load(tmp_path, f"{text}quota: {{memory: 1GiB}}\n")
    assert {n: (m.arch, m.memory // MIB) for n, m in found.machines.lab.machines.items()} == {
        "arm64": ("arm64", 300)
    }
    assert list(found.spec.machines) == ["arm64"]


@pytest.mark.parametrize(
    ("more", "networks", "joined"),
    [
        ("quota: {network: internet}", {"internet": True}, {"internet": None}),
        ("quota: {network: 'off'}", {}, {}),
        ("", {}, {}),
    ],
)
def test_what_machines_reach(tmp_path: Path, more: str, networks: Any, joined: Any) -> None:
    lab = load(tmp_path, f"{HEAD}{more}\n").machines.lab
    assert {name: network.internet for name, network in lab.networks.items()} == networks
    assert lab.machines["desk"].networks == joined


def test_networks_of_the_class_lead_to_the_internet_too(tmp_path: Path) -> None:
    text = "class: term\nmachines: {a: {driver: qemu, networks: [lan]}, b: {driver: qemu}}\n"
    lab = load(tmp_path, f"{text}networks: {{lan: {{}}}}\nquota: {{network: internet}}\n").machines.lab
    assert {name: network.internet for name, network in lab.networks.items()} == {
        "lan": True,
        "internet": True,
    }
    assert [list(machine.networks) for machine in lab.machines.values()] == [["lan"], ["internet"]]


def test_an_examination_has_no_way_out_and_ends_when_its_last_lab_is_due(tmp_path: Path) -> None:
    write_lab(tmp_path / "mine", "mine")
    labs = "labs: [{lab: mine, due: 2099-03-08T17:00+08:00}]\n"
    found = load(tmp_path, f"{HEAD}exam: true\n{labs}", starting=True)
    assert found.spec.quota.network == "off"
    assert found.spec.end == found.labs[0].spec.due
    assert load(tmp_path, f"{HEAD}{labs}").spec.end is None


def test_a_lab_beside_the_class_goes_before_a_built_in_one(tmp_path: Path) -> None:
    write_lab(tmp_path / "workshop", "ours")
    found = load(tmp_path, f"{HEAD}labs: [{{lab: workshop}}, {{lab: signals}}]\n")
    assert [lab.name for lab in found.labs] == ["ours", "signals"]


def test_the_class_of_a_term_is_found_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    write_lab(elsewhere / "signals", "not-this-one")
    monkeypatch.chdir(elsewhere)
    (tmp_path / "class").mkdir()
    assert [one.name for one in load(tmp_path / "class", f"{HEAD}labs: [{{lab: signals}}]\n").labs] == [
        "signals"
    ]


# Every mistake at once

MANY = """\
class: »CITS
»rooster: other.csv
labs:
  - {lab: workshop, from: »2027-03-09T09:00+08:00, due: 2027-03-08T17:00+08:00}
  - {lab: »workshp}
  - {lab: »workshop}
  - {lab: »broken}
  - {lab: signals, due: »tomorrow}
machines:
  desk: {driver: qemu, image: debian, networks: »[lan]}
  »lab: {driver: »container}
  big: {driver: qemu, arch: ppc64el, image: »debain}
networks: {lan: {internet: »true}}
shared: {»desk: {driver: qemu, networks: »[lan]}, »two: {}}
quota: {memory: »100MiB, processes: »2, disk: »1MiB, network: off}
access: {listen: »"::1:22", web: »"0.0.0.0:2222", key: »k.pem, host: »"http://x"}
hosts: »hosts.yaml
per: »groups
policy: {»due: 2027-06-01T18:00+08:00}
"""


def test_all_mistakes_of_the_file_the_labs_and_the_roster_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/lab.yaml").write_text("lab: broken\nmachines: {here: {driver: process}}\n")
    found = mistakes(tmp_path, MANY, "id,ssh_key\ns1,ssh-dss AAAA\nS1,\n")
    listed = " built-in labs: "
    assert [one.split(listed)[0] for one in found] == [
        "broken/lab.yaml:1:1: missing key 'exercises'",
        "» expected a name of at most 40 lower-case letters, digits and dashes, starting with a letter"
        " (did you mean 'cits'?)",
        "» unknown key 'rooster' (did you mean 'roster'?)",
        "» the lab is due at 2027-03-08 17:00+08:00, before students see it"
        " (choose an earlier time, or a later `due`)",
        f"» no lab 'workshp' in {tmp_path} (did you mean 'workshop'?",
        "» lab 'workshop' is listed twice; first on line 4 (name it once; copies need names of their own)",
        "» lab 'broken' has 1 mistake (each is told with its own place)",
        "» expected a time with its offset from UTC, such as 2027-03-08T17:00+08:00",
        "» desk cannot join a network: `network: off` in the quota means none"
        " (leave `networks` out, or use network: lab)",
        "» no machine can be called lab: students log in as lab to get to their first machine"
        " (choose another name)",
        "» machines of a class are virtual machines of driver qemu, not container"
        " (use driver: qemu: students' home folders are disks that it keeps)",
        "» unknown image 'debain' (did you mean 'debian'?)",
        "» network lan has `internet: true`, but the quota has network: off"
        " (use `quota: {network: internet}`)",
        "» there is a machine 'desk' on line 10 already: students log in by these names"
        " (choose another name)",
        "» desk cannot join a network: networks connect the machines of one student or group"
        " (leave it out; students reach the machines for everybody through the gateway)",
        "» missing key 'driver'",
        "» 100MiB of memory is too little for big: ppc64el (use at least 512MiB)",
        "» 100MiB of memory is too little for desk: amd64 with image debian (use at least 384MiB)",
        "» expected 32 or more",
        "» 1MiB is too little for a home folder (use at least 16MiB)",
        "» expected an address of this host and a port, such as 0.0.0.0:2222 or [::1]:8443: an IPv6 address"
        " stands in brackets",
        "» the SSH gateway listens on port 2222 already (choose another port)",
        "» cannot read k.pem: No such file or directory",
        "» key without `certificate` (give both, or neither: then a certificate is made)",
        "» expected a host's name or address, without a port",
        "» no hosts file at hosts.yaml"
        " (a cluster is a file such as hosts.yaml, which lists hosts; docs/cluster.md)",
        "» expected one of: student, group (did you mean 'group'?)",
        "» each lab has its own due date (write `labs: [{lab: …, due: …}]`)",
        "roster.csv:2:1: ssh_key: OpenSSH takes no DSA keys (make a new one: ssh-keygen -t ed25519)",
        "roster.csv:3:1: the id 'S1' is already in line 2",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "roster: »none.csv\n", ["» the roster none.csv cannot be read: No such file or directory"]),
        (HEAD + "exam: »true\n", ["» an examination needs a fixed end"]),
        (HEAD + "exam: true\nends: »soon\n", ["» expected a time with its offset from UTC"]),
        (
            HEAD + "exam: true\nends: 2099-06-01T18:00+08:00\nquota: {network: »internet}\n",
            ["» an examination has no way out (use network: off)"],
        ),
        (
            HEAD + "exam: true\nends: 2099-06-01T18:00+08:00\nquota: {network: »lab}\n",
            ["» machines of an examination reach nothing (use network: off, or leave it out)"],
        ),
        (
            "class: a\nmachines: {d: {driver: qemu, networks: »[lan]}}\nnetworks: {lan: {}}\nexam: true\n"
            "ends: 2099-06-01T18:00+08:00\n",
            ["» d cannot join a network: an examination means none (leave `networks` out)"],
        ),
        (
            HEAD + "ends: 2099-06-01T18:00+08:00\nlabs: [{lab: mine, from: »2099-06-01T18:00+08:00}]\n",
            ["» the class ends at 2099-06-01 18:00+08:00, before students see this lab"],
        ),
        (HEAD + "ends: »2020-06-01T18:00+08:00\n", ["» the class ended at 2020-06-01 18:00+08:00"]),
        (
            HEAD + "exam: »true\nlabs: [{lab: mine, due: 2020-06-01T18:00+08:00}]\n",
            ["» the class ended at 2020-06-01 18:00+08:00"],
        ),
        (
            "class: a\nmachines: {d: {driver: qemu, memory: »2GiB, cpus: »4}}\n"
            "quota: {memory: 1GiB, cpus: 2}\n",
            [
                "» d has 2GiB of memory, the quota is 1GiB (lower it, or raise `quota: {memory: …}`)",
                "» d has 4 processors, the quota is 2 (lower it, or raise `quota: {cpus: …}`)",
            ],
        ),
        (
            HEAD + "access: {certificate: »roster.csv, key: »roster.csv}\n",
            [
                "» certificate has no effect without `web`, the address of the web server",
                "» key has no effect without `web`, the address of the web server",
            ],
        ),
        (
            HEAD + "labs: [{lab: mine}]\n»policy: {late_days: 2}\n",
            ["» penalties, late days and extensions count from when a lab is due, and none has `due`"],
        ),
        (
            "class: a\nmachines: {»root: {driver: qemu}, »shared: {driver: qemu}}\n",
            [
                "» no machine can be called root: nobody logs in to the gateway as root",
                "» no machine can be called shared: it is the name of the machines for everybody",
            ],
        ),
        (
            HEAD + "networks: {»internet: {}}\nquota: {network: internet}\n",
            ["» internet is the network of machines that are on no other"],
        ),
        (
            "class: a\nmachines: {d: {driver: qemu, networks: [»wan]}}\n",
            ["» unknown network 'wan'"],
        ),
        (
            "class: a\nmachines: {d: {driver: qemu, pids: »20}}\n",
            ["» pids is a key for driver container, not qemu"],
        ),
        (HEAD + 'roster: »"a\\0b"\n', ["» expected the path of a file"]),
        (HEAD + "labs: [{lab: »x" + "y" * 300 + "}]\n", ["» no lab 'xy"]),
        (HEAD + "»class: twice\n", ["» duplicate key 'class'; the first is on line 1"]),
        ("»machines: {}\n", ["» missing key 'class'", "1:11: expected at least one entry"]),
        (
            HEAD + "labs: [{lab: mine, due: 2099-06-01T18:00+08:00}]\n"
            "policy: {extensions: {s2: 2d, »S3: 2d}}\n",
            ["» 'S3' is not on the roster (did you mean 's3'?)"],
        ),
        ("»[]\n", ["» expected a mapping"]),
    ],
)
def test_a_mistake_is_told_in_its_place(tmp_path: Path, text: str, told: list[str]) -> None:
    write_lab(tmp_path / "mine", "mine")
    found = mistakes(tmp_path, text, starting=True)
    assert len(found) == len(told), found
    assert [one for one, start in zip(found, told, strict=True) if not one.startswith(start)] == []


def test_a_class_that_is_over_is_loaded_to_be_graded(tmp_path: Path) -> None:
    assert load(tmp_path, f"{HEAD}ends: 2020-06-01T18:00+08:00\n").spec.end


@pytest.mark.parametrize(
    ("per", "roster", "told"),
    [
        ("student", "id\n", "»"),
        ("group", "id,name\ns1,Ada\n", "1:1"),
    ],
)
def test_a_roster_without_anybody_or_without_groups(tmp_path: Path, per: str, roster: str, told: str) -> None:
    text = f"{HEAD}roster: »roster.csv\nper: {per}\n"
    (found,) = mistakes(tmp_path, text, roster)
    assert "has no students" in found if told == "»" else "nobody in roster.csv has a group" in found


def test_a_group_is_written_the_same_everywhere(tmp_path: Path) -> None:
    roster = "id,group\ns1,Red\ns2,blue\n\ns3,red\n"
    assert mistakes(tmp_path, f"{HEAD}per: group\n", roster) == [
        "roster.csv:5:1: the group 'red' is written 'Red' in line 2 (write it the same everywhere)"
    ]
    assert len(load(tmp_path, HEAD, roster).seats) == 3


@pytest.mark.parametrize(
    ("listen", "web", "fine"),
    [
        ("0.0.0.0:2222", "127.0.0.1:2222", False),
        ("127.0.0.1:2222", "127.0.0.2:2222", True),
        ("[::1]:2222", "localhost:2222", True),
        ("[::]:2222", "127.0.0.1:2222", False),
        ("0.0.0.0:2222", "0.0.0.0:2223", True),
    ],
)
def test_two_servers_at_one_port(tmp_path: Path, listen: str, web: str, fine: bool) -> None:
    text = f'{HEAD}access: {{listen: "{listen}", web: »"{web}"}}\n'
    if fine:
        assert load(tmp_path, text.replace("»", ""), ROSTER).spec.access.web == web
    else:
        assert mistakes(tmp_path, text)[0].startswith("» the SSH gateway listens on port 2222 already")


def test_the_schema_is_of_what_a_class_can_have() -> None:
    result = class_schema()
    assert set(result["required"]) == {"class", "machines"}
    machine = result["$defs"]["Machine"]["properties"]
    assert machine["driver"]["enum"] == ["qemu"]
    assert {"memory", "image", "networks", "accel"} <= set(machine)
    assert not {"pids", "address", "uri", "engine"} & set(machine)
    assert "due" not in result["$defs"]["ClassPolicy"]["properties"]
    assert {"from", "due"} < set(result["$defs"]["ClassLab"]["properties"])
    assert any(one.get("type") == "array" for one in machine["arch"]["anyOf"])
