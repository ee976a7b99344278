"""Domains and networks as XML, kept in ``golden/domain``, and the addresses of daemons.

After a wanted change of a domain, run this file with ``tests/support`` on PYTHONPATH.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from factories import RUN, order
from places import GOLDEN

from orchestrator.arch import ARCHITECTURES
from orchestrator.drivers.libvirt import connection, ownership
from orchestrator.drivers.libvirt.domain_xml import (
    QEMU_NAMESPACE,
    Files,
    owner_of_guests,
    qemu_words,
    read_tag,
    render_domain,
)
from orchestrator.drivers.libvirt.driver import DRIVER
from orchestrator.drivers.libvirt.network_xml import filter_identity, render_filter, render_network
from orchestrator.drivers.libvirt.storage import render_pool, render_volume
from orchestrator.drivers.model import Attachment, Handle, NetworkOrder, Order
from orchestrator.errors import Unavailable
from orchestrator.labfile.libvirt_uri import SESSION, SYSTEM, parse
from orchestrator.labfile.models import Machine

GOLDEN_XML = GOLDEN / "domain"
FILES = Files("/pool/kernel", "/pool/initrd", "/pool/vm.console")


def wanted(arch: str = "amd64", accel: str = "tcg", **machine: object) -> tuple[Order, Handle]:
    made = order(arch, accel, driver="libvirt", uri="qemu:///system", **machine)
    handle = DRIVER.prepare(made)
    return made, replace(handle, data={**handle.data, "place": "0123456789"})


def network(uri: str = SYSTEM) -> Handle:
    scratch = Path("/scratch") / RUN / "net.lan"
    wanted = NetworkOrder(
        RUN, "lan", "libvirt", "10.77.0.0/24", ("a", "b"), ARCHITECTURES["amd64"], scratch, Path("/logs"), uri
    )
    found = DRIVER.prepare_network(wanted)
    return replace(found, data={**found.data, "place": "0123456789"})


def joined(arch: str, uri: str) -> tuple[Order, Handle]:
    """A machine on two networks."""
    made, handle = wanted(arch)
    ownership = tuple(
        Attachment(name, f"10.77.{n}.2", 24, f"02:69:0a:4d:{n:02x}:02", network(uri).data["plugs"]["a"])
        for n, name in enumerate(("lan", "far"))
    )
    return replace(made, attachments=ownership), replace(handle, data={**handle.data, "uri": uri})


def domains() -> Iterator[tuple[str, str]]:
    """File names and contents of all golden files."""
    for name in ARCHITECTURES:
        yield f"{name}.xml", render_domain(*wanted(name), FILES, "+64055:+64055")
    for name, uri in (("amd64", SYSTEM), ("s390x", SYSTEM), ("amd64", SESSION), ("s390x", SESSION)):
        where = uri.rpartition("/")[2]
        yield f"joined-{where}-{name}.xml", render_domain(*joined(name, uri), FILES, "")
    yield "kvm.xml", render_domain(*wanted(accel="kvm", cpus=2, memory="2GiB"), FILES, "")
    yield "network.xml", f"{render_network(network())}\n{render_filter(network(), '10.77.0.0/24')}\n"


@pytest.mark.parametrize(("name", "text"), list(domains()), ids=lambda value: value.split("\n")[0][:20])
def test_domains_are_as_they_were(name: str, text: str) -> None:
    assert text == (GOLDEN_XML / name).read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN_XML.iterdir()} == {name for name, _ in domains()}


@pytest.mark.parametrize("accel", ["qemu", "kvm"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_guest_is_locked_in(name: str, accel: str) -> None:
    words = list(qemu_words(ARCHITECTURES[name], accel))
    netdev = words[words.index("-netdev") + 1]
    assert "restrict=on" in netdev
    assert netdev.count("hostfwd=") == netdev.count("hostfwd=tcp:127.0.0.1:") == 1
    assert words.count("-netdev") == 1


@pytest.mark.parametrize("uri", [SYSTEM, SESSION])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_cable_is_no_way_to_the_host(name: str, uri: str) -> None:
    """It ends at a network of the daemon with a filter, or at a switch; nothing else is new."""
    root = Xml.fromstring(render_domain(*joined(name, uri), FILES, ""))
    words = [arg.get("value", "") for arg in root.iterfind(f"{{{QEMU_NAMESPACE}}}commandline/*")]
    netdevs = [words[at + 1].split(",")[0] for at, word in enumerate(words) if word == "-netdev"]
    cables = root.findall("devices/interface")
    assert netdevs == (["user", "vde", "vde"] if uri == SESSION else ["user"])
    assert len(cables) == (0 if uri == SESSION else 2)
    tag = f"isolab-{RUN}-net.lan"
    for interface in cables:
        (filtered,), (source,) = interface.findall("filterref"), interface.findall("source")
        assert (interface.get("type"), source.attrib, filtered.attrib) == (
            "network", {"network": tag}, {"filter": tag},
        )  # fmt: skip


def test_a_way_out_is_given_only_where_it_is_wanted() -> None:
    made, handle = joined("amd64", SYSTEM)
    assert "restrict=on" in render_domain(made, handle, FILES, "")
    out = replace(made, attachments=tuple(replace(place, internet=True) for place in made.attachments))
    assert "restrict=off" in render_domain(out, handle, FILES, "")


def test_a_network_has_no_address_and_leads_nowhere() -> None:
    root = Xml.fromstring(render_network(network()))
    assert [child.tag for child in root] == ["name", "metadata", "bridge", "mac"]
    assert read_tag(Xml.tostring(root[1][0], encoding="unicode")) == (RUN, "net.lan", "0123456789")


def test_a_filter_is_known_by_more_than_its_name() -> None:
    tag = network().tag
    assert filter_identity(tag, "0123456789") in render_filter(network(), "10.77.0.0/24")
    assert filter_identity(tag, "0123456789") != filter_identity(tag, "9876543210")


def test_a_guest_of_the_system_may_not_become_the_owner_of_what_it_boots() -> None:
    label = Xml.fromstring(render_domain(*wanted(), FILES, "+64055:+64055")).find("seclabel")
    assert label is not None
    assert (label.get("relabel"), label.findtext("label")) == ("no", "+64055:+64055")


def test_a_machine_is_known_by_its_tag() -> None:
    made, handle = wanted()
    root = Xml.fromstring(render_domain(made, handle, FILES, ""))
    tag = root.find("metadata/*")
    assert tag is not None
    assert read_tag(Xml.tostring(tag, encoding="unicode")) == (handle.run, handle.machine, "0123456789")


def test_signs_that_xml_needs_stay_what_they_are() -> None:
    made, handle = wanted()
    files = replace(FILES, kernel="/a&b/<kernel>")
    root = Xml.fromstring(render_domain(made, handle, files, ""))
    assert root.findtext("os/kernel") == "/a&b/<kernel>"
    assert Xml.fromstring(render_pool("/a&b/<c>")).findtext("target/path") == "/a&b/<c>"
    assert Xml.fromstring(render_volume("a&b", "0600")).findtext("name") == "a&b"


CAPABILITIES = """
<capabilities><host>
  <secmodel><model>none</model></secmodel>
  <secmodel><model>dac</model><baselabel type='kvm'>+107:+107</baselabel></secmodel>
</host></capabilities>
"""


def test_who_guests_run_as_is_the_daemons_choice() -> None:
    assert owner_of_guests(CAPABILITIES) == "+107:+107"
    assert owner_of_guests("<capabilities><host/></capabilities>") == ""


@pytest.mark.parametrize("text", ["qemu:///system", "qemu:///session", "qemu+unix:///session?socket=/s"])
def test_daemons_of_this_host(text: str) -> None:
    uri = parse(text)
    assert (uri.text, uri.remote, uri.session, uri.jump) == (text, False, "session" in text, "")


def test_a_daemon_of_another_host_is_reached_by_the_same_ssh_in_every_way() -> None:
    uri = parse("qemu+ssh://lecturer@lab1:2222/system?keyfile=/k&command=/bin/my-ssh")
    assert uri.text.endswith("&no_tty=1")
    assert (uri.jump, uri.remote) == ("lecturer@lab1:2222", True)
    argv = uri.ssh_argv("-W", "127.0.0.1:40000")
    assert argv[0] == "/bin/my-ssh"
    assert argv[-2:] == ["--", "lab1"]
    joined = " ".join(argv)
    assert "-o BatchMode=yes -o StrictHostKeyChecking=yes" in joined
    assert "-i /k -p 2222 -l lecturer -W 127.0.0.1:40000" in joined
    assert parse("qemu+ssh://lab1/session").text == "qemu+ssh://lab1/session?no_tty=1"
    assert parse("qemu+ssh://[fe80::1]:22/system").jump == "[fe80::1]:22"


@pytest.mark.parametrize(
    "text",
    [
        "", "qemu", "qemu:///", "xen:///system", "qemu+tcp://host/system", "qemu://host/system",
        "qemu+ssh:///system", "qemu+ssh://host/", "qemu+ssh://host:port/system", "qemu+ssh://-oProxyCommand=x/system",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_with_those_that_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="expected qemu:///system"):
        parse(text)
    with pytest.raises(ValueError, match="expected qemu:///system"):
        Machine(driver="libvirt", uri=text)


def test_a_host_must_show_its_key() -> None:
    with pytest.raises(ValueError, match="known_hosts"):
        parse("qemu+ssh://host/system?no_verify=1")


def test_a_place_is_one_scratch_folder_of_one_user() -> None:
    assert ownership.place(Path("/a")) == ownership.place(Path("/a")) != ownership.place(Path("/b"))


def test_daemons_are_remembered_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 1000)
    assert ownership.daemons() == []
    for text in ("qemu:///session", "qemu+ssh://lab1/system", "qemu:///session"):
        ownership.remember(parse(text))
    assert ownership.daemons() == [parse("qemu:///session"), parse("qemu+ssh://lab1/system")]


@pytest.mark.parametrize("installed", [True, False])
def test_a_systems_daemon_never_used_is_asked_only_with_libvirt_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: bool
) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setattr(ownership, "_SOCKETS", (str(tmp_path),))
    monkeypatch.setattr(ownership, "installed", lambda: installed)
    assert ownership.daemons() == ([parse("qemu:///system")] if installed else [])
    ownership.remember(parse("qemu:///system"))
    assert ownership.daemons() == [parse("qemu:///system")]


def test_without_libvirt_python_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(connection, "library", connection.library.__wrapped__)
    monkeypatch.setattr("importlib.import_module", absent)
    assert not connection.installed()
    with pytest.raises(Unavailable, match="libvirt-python is not installed") as caught:
        connection.library()
    assert "libvirt-dev" in caught.value.hint


if __name__ == "__main__":
    for name, text in domains():
        (GOLDEN_XML / name).write_text(text)
