"""Networks of libvirt's daemons on bad days: strangers of the same name, runs that are killed."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import daemons
import pytest
from bench import HOST, Kind, living_in, on_bench
from command import isolab, started
from consoles import keep_consoles
from habitat import Home, fresh_home, wait_until
from joined import answers, hearing_on_host, host_addresses, segment, sneak, wanted_for
from places import LABS

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.libvirt.connection import opened
from orchestrator.drivers.libvirt.driver import DRIVER
from orchestrator.drivers.libvirt.ownership import remember
from orchestrator.errors import Unavailable
from orchestrator.labfile.libvirt_uri import SYSTEM, parse
from orchestrator.machines.journal import Journal
from orchestrator.paths import scratch_dir
from orchestrator.run.gc import reclaim

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("libvirt")]

KIND = Kind("libvirt", HOST, way="system")


@pytest.fixture
def home(request: pytest.FixtureRequest, libvirt_system: None) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


@contextlib.contextmanager
def connection() -> Iterator[Any]:
    with opened(parse(SYSTEM), Deadline.after(60)) as found:
        yield found


def there(tag: str) -> tuple[bool, bool]:
    """Whether there is a network of this name, and whether there is a filter."""
    with connection() as found:
        return (
            tag in [network.name() for network in found.listAllNetworks()],
            tag in [filtering.name() for filtering in found.listAllNWFilters()],
        )


def test_a_strangers_network_and_filter_are_left_alone(home: Home) -> None:
    """Even ones that are called as ours, with a tag like ours, but of another controller."""
    wanted = wanted_for(home, KIND)
    handle = DRIVER.prepare_network(wanted)
    remember(parse(SYSTEM))
    tag = (
        "<isolab:network xmlns:isolab='urn:isolab:network:1' "
        f"run='{handle.run}' name='net.lan' place='0123456789'/>"
    )
    with connection() as found:
        network = found.networkCreateXML(
            f"<network><name>{handle.tag}</name><metadata>{tag}</metadata><bridge/></network>"
        )
        filtering = found.nwfilterDefineXML(f"<filter name='{handle.tag}'/>")
        try:
            assert list(DRIVER.leftovers(scratch_dir())) == []
            assert list(reclaim(Journal())) == []
            DRIVER.down(handle)
            with pytest.raises(Unavailable, match="cannot create the network lan"):
                DRIVER.create_network(wanted, handle, Deadline.after(60))
            assert there(handle.tag) == (True, True)
            filtering.undefine()
            with pytest.raises(Unavailable, match="cannot create the network lan"):
                DRIVER.create_network(wanted, handle, Deadline.after(60))
            assert there(handle.tag) == (True, False)  # our filter was made, and undone
        finally:
            network.destroy()
            with contextlib.suppress(Exception):
                filtering.undefine()
    wanted.scratch.parent.rmdir()


def test_a_host_that_allows_no_bridges_is_told(home: Home) -> None:
    folder = home.root / "v"
    folder.mkdir()
    with daemons.powerless(folder) as uri:
        wanted = replace(wanted_for(home, KIND), uri=uri)
        handle = DRIVER.prepare_network(wanted)
        with pytest.raises(
            Unavailable, match=r"cannot create the network lan: .*Operation not permitted"
        ) as caught:
            DRIVER.create_network(wanted, handle, Deadline.after(60))
        assert "qemu:///session" in caught.value.hint
        assert made(home) == []
    wanted.scratch.parent.rmdir()  # there is nothing in it
    (home.root / "state/libvirt-uris").unlink()


def test_a_filter_whose_network_is_gone_is_left_over(home: Home) -> None:
    with segment(home, KIND) as one:
        with connection() as found:
            found.networkLookupByName(one.handle.tag).destroy()
        (left,) = DRIVER.leftovers(scratch_dir())
        assert (left.run, left.machine) == (one.wanted.run, "net.lan")
        DRIVER.down(left)
        assert there(one.handle.tag) == (False, False)


def test_with_a_network_the_machines_on_it_go(home: Home) -> None:
    """So it is in whatever order a journal names them."""
    with segment(home, KIND) as one, on_bench(KIND, one.order(1)) as bench:
        drivers.load("libvirt").down(one.handle)
        assert [(left.run, left.machine) for left in DRIVER.leftovers(scratch_dir())] == [
            (bench.order.run, "one")  # its console
        ]
        assert there(one.handle.tag) == (False, False)


@pytest.mark.rotated
def test_a_network_outlives_its_daemon(home: Home) -> None:
    """And so does the filter between its machines and the host."""
    with segment(home, KIND) as one, on_bench(KIND, one.order(1)) as bench:
        daemons.restart_libvirtd()
        assert {left.machine for left in DRIVER.leftovers(scratch_dir())} == {"net.lan", "one"}
        with on_bench(KIND, one.order(2)) as later:
            assert answers(bench, "two")
            assert answers(later, "one")
        with hearing_on_host() as (port, reached):
            sneak(bench, host_addresses()[0], port)
            assert not reached()


def made(home: Home) -> list[str]:
    """What there is of networks from this home: their kinds."""
    words = [text.removeprefix("on a libvirt daemon: ").split() for text in home.leftovers()]
    return sorted(kind for kind, *_ in words if kind in ("network", "filter"))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_nothing_of_a_network_stays(home: Home, end: signal.Signals) -> None:
    words = ("run", LABS / "joined", "--only", "one", "--driver", "libvirt", "--out", home.out)
    with started(home, *words) as run:

        def boots() -> bool:
            return any("domain isolab-" in text for text in home.leftovers())

        wait_until(lambda: boots() or run.child.poll() is not None, "the machine", 300.0)
        assert run.child.poll() is None, run.said
        assert made(home) == ["filter", "network"]
        run.send(end)
        assert run.wait() == (130 if end == signal.SIGINT else -signal.SIGKILL), run.said
    if end == signal.SIGKILL:
        assert made(home) == ["filter", "network"]  # there is something to remove
        answer = isolab(home, "gc")
        assert answer.code == 0, answer.stderr
    assert home.settled() == []
    again = isolab(home, "gc")
    assert (again.code, again.stdout) == (0, "nothing to remove\n")
