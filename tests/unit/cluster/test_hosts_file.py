"""A hosts file: what loads, and that every mistake is told once, in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cli.new import new
from orchestrator.cli.validate import validate
from orchestrator.cluster.hostfile.addresses import parse_destination
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.cluster.hostfile.recognise import is_hosts
from orchestrator.cluster.hostfile.spec import HostSpec, HostsSpec, hosts_schema
from orchestrator.cluster.model import Cluster, ClusterHost, Destination
from orchestrator.cluster.paths import cluster_state, cluster_states
from orchestrator.errors import Exit, SpecError

GIB = 2**30
SCHEDULER = "expected the address of a Dask scheduler on this computer, such as tls://127.0.0.1:8786"
DESTINATION = "expected a destination such as isolab@lab1.example:22"
WHOLE = """\
hosts:
  - {name: lab1, ssh: "isolab@lab1:22", memory: 60GiB, cpus: 16, tags: [kvm, big]}
  - {name: lab2, ssh: "isolab@lab2", jump: lab1, identity: key, folder: /srv/isolab}
  - {name: lab3, ssh: "[2001:db8::3]:2222", jump: "me@gate.example:2022"}
  - {name: lab4}
  - {name: lab5, jump: lab2}
"""


def load(folder: Path, text: str) -> Cluster:
    (folder / "hosts.yaml").write_text(text)
    return load_hosts(folder)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(folder, text)
    return [str(one).removeprefix(f"{folder}/hosts.yaml:") for one in caught.value.problems]


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    lab1 = Destination("lab1", "isolab", 22)
    lab2 = Destination("lab2", "isolab", identity=tmp_path / "key", jump=lab1)
    assert load(tmp_path, WHOLE) == Cluster(
        tmp_path / "hosts.yaml",
        (
            ClusterHost("lab1", lab1, 60 * GIB, 16, frozenset({"kvm", "big"})),
            ClusterHost("lab2", lab2, folder=Path("/srv/isolab")),
            ClusterHost(
                "lab3",
                Destination("2001:db8::3", port=2222, jump=Destination("gate.example", "me", 2022)),
            ),
            ClusterHost("lab4", Destination("lab4")),
            ClusterHost("lab5", Destination("lab5", jump=lab2)),
        ),
    )


def test_an_existing_scheduler(tmp_path: Path) -> None:
    for address in ("tls://127.0.0.1:8786", "tls://localhost:8786"):
        assert load(tmp_path, f"hosts: [{{name: a}}]\nscheduler: '{address}'\n").scheduler == address


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "1:1: missing key 'hosts'"),
        ("hosts: []", "1:8: expected at least one entry"),
        ("hosts: [{ssh: lab2}]", "1:9: missing key 'name'"),
        ("hosts: [{name: a, shh: b}]", "1:19: unknown key 'shh' (did you mean 'ssh'?)"),
        ("hosts: [lab1]", "1:9: expected a mapping (key: value)"),
        ("hosts: [{name: a, ssh: '-oProxyCommand=x'}]", f"1:24: {DESTINATION}"),
        ("hosts: [{name: a, ssh: '@a'}]", f"1:24: {DESTINATION}"),
        ("hosts: [{name: a, ssh: 'b:0'}]", "1:24: expected a port from 1 to 65535"),
        ("hosts: [{name: a, ssh: '::1'}]", "1:24: expected an IPv6 address in brackets, as in [::1]"),
        ("hosts: [{name: a, jump: 'b c'}]", f"1:25: {DESTINATION}"),
        (
            "hosts: [{name: a, memory: 60GB}]",
            "1:27: expected a size such as 256MiB (units: B, KiB, MiB, GiB) (did you mean '60GiB'?)",
        ),
        (
            "hosts: [{name: a, memory: 60}]",
            "1:27: expected a size such as 256MiB (units: B, KiB, MiB, GiB) (did you mean '60MiB'?)",
        ),
        (
            "hosts: [{name: a, memory: 60MiB}]",
            "1:27: expected 256MiB or more: what all machines on this host may use together",
        ),
        ("hosts: [{name: a, cpus: 0}]", "1:25: expected 1 or more"),
        ("hosts: [{name: a, tags: [b, b]}]", "1:29: tag 'b' is listed twice"),
        (
            "hosts: [{name: a, folder: srv}]",
            "1:27: expected the path of a folder, such as /var/tmp (did you mean '/srv'?)",
        ),
        (
            "hosts:\n- {name: a}\n- {name: a, ssh: b}",
            "3:10: host 'a' is listed twice; first on line 2 (give each a name of its own)",
        ),
        (
            "hosts:\n- {name: a, ssh: x@h}\n- {name: b, ssh: 'y@H:22'}",
            "3:18: 'b' is the same host as 'a' (list each host once)",
        ),
        (
            "hosts: [{name: a}]\nscheduler: tcp://a:1",
            "2:12: a scheduler without TLS gives everybody near it a shell: expected tls://127.0.0.1:PORT",
        ),
        ("hosts: [{name: a}]\nscheduler: dask", f"2:12: {SCHEDULER}"),
        (
            "hosts: [{name: a}]\nscheduler: tls://dask.example:8786",
            f"2:12: {SCHEDULER}; to one elsewhere, forward a port: ssh -N -L 8786:127.0.0.1:8786 HOST",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_its_place(text: str, told: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text + "\n") == [told]


def test_hosts_that_lead_to_each_other_and_a_key_that_is_not_there(tmp_path: Path) -> None:
    text = """\
hosts:
  - {name: a, jump: b}
  - {name: b, jump: c}
  - {name: c, jump: b, identity: key}
  - {name: d, jump: d}
"""
    assert mistakes(tmp_path, text) == [
        "3:21: a host that is reached through itself: b -> c -> b (leave one `jump` out)",
        "4:21: a host that is reached through itself: c -> b -> c (leave one `jump` out)",
        f"4:34: no such file: {tmp_path}/key (leave it out to use ssh's own keys)",
        "5:21: a host that is reached through itself: d -> d (leave one `jump` out)",
    ]


def test_the_same_address_behind_another_gate_is_another_host(tmp_path: Path) -> None:
    text = "hosts:\n- {name: a, ssh: 10.0.0.1, jump: g1}\n- {name: b, ssh: 10.0.0.1, jump: g2}\n"
    assert len(load(tmp_path, text).hosts) == 2


@pytest.mark.parametrize(
    ("name", "text", "whether"),
    [
        ("hosts.yaml", "", True),
        ("three.yaml", "hosts: []", True),
        ("three.yaml", "scheduler: tls://a:1", True),
        ("three.yaml", "class: x\nhosts: [a]", False),
        ("lab.yaml", "hosts: []", False),
        ("three.yaml", "[", False),
    ],
)
def test_which_files_are_hosts_files(name: str, text: str, *, whether: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert is_hosts(tmp_path / name) is whether


def test_validate_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(tmp_path, "hosts: [{name: a}, {name: b}]\n")
    assert validate(str(tmp_path), "text") == Exit.PASSED
    assert capsys.readouterr().out == f"{tmp_path}/hosts.yaml: valid: 2 hosts (a, b)\n"
    assert validate(str(tmp_path / "hosts.yaml"), "json") == Exit.PASSED
    assert json.loads(capsys.readouterr().out)["hosts"] == ["a", "b"]


def test_the_schema_describes_every_key() -> None:
    found = hosts_schema()
    host = found["$defs"]["HostSpec"]
    assert set(host["properties"]) == set(HostSpec.model_fields)
    assert set(found["properties"]) == set(HostsSpec.model_fields)
    assert all(one["description"] for one in host["properties"].values())
    assert host["required"] == ["name"]


def test_a_new_hosts_file_is_valid_and_so_is_what_it_suggests(tmp_path: Path) -> None:
    target = tmp_path / "cluster"
    assert new(str(target), "text", of_hosts=True) == Exit.PASSED
    text = (target / "hosts.yaml").read_text()
    schema = text.partition("$schema=")[2].partition("\n")[0]
    assert json.loads((target / schema).read_text()) == hosts_schema()
    assert [host.name for host in load_hosts(target).hosts] == ["lab1"]
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/lab").touch()
    every = text.replace("# - ", "- ").replace("~/", f"{tmp_path}/")
    assert len(load(target, every).hosts) == 4
    with pytest.raises(SpecError, match="is not empty"):
        new(str(target), "text", of_hosts=True)
    with pytest.raises(SpecError, match="two different things"):
        new(str(tmp_path / "x"), "text", of_hosts=True, of_class=True)


def test_files_of_the_same_name_have_states_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    one, other = (cluster_state(tmp_path / folder / "our hosts.yaml") for folder in ("a", "b"))
    assert one != other
    assert cluster_state(tmp_path / "a" / ".." / "a" / "our hosts.yaml") == one
    assert one.stat().st_mode & 0o777 == 0o700
    assert one.name.startswith("our-hosts-")
    assert cluster_states() == sorted([one, other])


words = st.sampled_from(
    ["a", "b", "'a@b:22'", "'[::1]'", "'::'", "60GiB", "5", "0", "-1", "null", "true", "[]", "[a, a]", "{}",
     '"\\0"', "~", "/srv", "'~nobody/k'", "tls://127.0.0.1:1", "'tls://[::1'"]
)  # fmt: skip
keys = st.sampled_from([*HostSpec.model_fields, "shh"])
entries = st.dictionaries(keys, words, max_size=5).map(
    lambda found: "{" + ", ".join(f"{key}: {value}" for key, value in found.items()) + "}"
)
texts = st.one_of(
    st.tuples(st.lists(entries, max_size=4), st.one_of(st.just(""), words)).map(
        lambda two: f"hosts: [{', '.join(two[0])}]\n" + (f"scheduler: {two[1]}\n" if two[1] else "")
    ),
    st.text(max_size=40),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
def test_any_text_is_a_cluster_or_refused_in_its_place(text: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_bytes(text.encode(errors="surrogatepass"))
    try:
        found = load_hosts(tmp_path)
    except SpecError as refused:
        wrong = refused.problems
    else:
        assert found.hosts
        assert len({host.name for host in found.hosts}) == len(found.hosts)
        return
    assert wrong
    assert all(one.file.endswith("hosts.yaml") for one in wrong)


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet="ab-@:[]1.~/ \0", max_size=12))
def test_no_destination_is_an_option_of_ssh(text: str) -> None:
    try:
        found = parse_destination(text)
    except ValueError:
        return
    assert not found.address.startswith("-")
    assert not (found.user or "a").startswith("-")
    assert not set(found.address) & set("@/ \0")
