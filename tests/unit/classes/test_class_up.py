"""Which machines of a class are started, and which are left as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from made_up_term import made_up_class

from orchestrator.classes.machines import Place, Standing
from orchestrator.classes.start import jobs_of
from orchestrator.classes.up import staying
from orchestrator.progress import SilentProgress

PAIR = """\
machines:
  desk: {driver: qemu, networks: [lan]}
  peer: {driver: qemu, networks: [lan]}
  lone: {driver: qemu}
"""


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)


class There:
    coming = False


def known(*alive: Place, dead: tuple[Place, ...] = ()) -> dict[Place, Standing]:
    machine = cast(Any, There())
    return {place: Standing(place, machine, int(place in alive)) for place in (*alive, *dead)}


@pytest.fixture
def places() -> list[Place]:
    return [Place("s00", name) for name in ("desk", "peer", "lone")]


def test_what_lives_stays(tmp_path: Path, places: list[Place]) -> None:
    found = made_up_class(tmp_path, 1, "networks: {lan: {}}", machines=PAIR)
    heard = Heard()
    assert staying(found, places, known(*places), heard) == places
    assert heard.told == []


def test_a_network_that_stands_cannot_be_joined_so_its_machines_are_replaced_together(
    tmp_path: Path, places: list[Place]
) -> None:
    found = made_up_class(tmp_path, 1, "networks: {lan: {}}", machines=PAIR)
    desk, peer, lone = places
    heard = Heard()
    assert staying(found, places, known(desk, lone, dead=(peer,)), heard) == [lone]
    assert [text.split(":")[0] for text in heard.told] == [
        "s00/peer is dead",
        "s00/desk shares a network with s00/peer",
    ]


def test_each_seat_has_a_run_and_so_networks_of_its_own(tmp_path: Path) -> None:
    found = made_up_class(tmp_path, 2, "networks: {lan: {}}", machines=PAIR)
    places = [Place(seat, name) for seat in ("s00", "s01") for name in ("desk", "peer")]
    jobs = jobs_of(found.machines, places)
    assert list(jobs) == places
    assert len({job.run for job in jobs.values()}) == 2
    assert jobs[places[0]].run == jobs[places[1]].run
    assert jobs[places[0]].group == ("desk", "peer")
    assert [job.student for job in jobs.values()] == ["s00", "s00", "s01", "s01"]
