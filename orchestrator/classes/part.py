"""The part of a class that another isolab, the controller's, has on this host: machines of some seats, with
their home folders. Gateway, web server and times are the controller's."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from orchestrator.classes.hosts.answer import HostAnswer, HostFailure, HostHome, HostMachine
from orchestrator.classes.hosts.packed_files import unpack
from orchestrator.classes.hosts.request import Act, PartRequest
from orchestrator.classes.leftovers import remove_leftovers
from orchestrator.classes.load import load_class
from orchestrator.classes.machines import Place, Standing, standing, there
from orchestrator.classes.model import SHARED, Given, LoadedClass
from orchestrator.classes.paths import HOMES, class_state, home_image
from orchestrator.classes.plan import measured_here
from orchestrator.classes.recognise import CLASS_FILE
from orchestrator.classes.reset import reset
from orchestrator.classes.start import logs_of
from orchestrator.classes.up import bring_up, held
from orchestrator.cluster.agent.paths import agent_place
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, SpecError
from orchestrator.host.resources import this_host
from orchestrator.host.tempdirs import working_folder
from orchestrator.paths import cache_dir, state_dir
from orchestrator.progress import Progress
from orchestrator.results.store import require_space
from orchestrator.sessions.exec_command import address_of
from orchestrator.sessions.lifecycle import side_by_side, take_down

PARTS = "parts"
"""The folder in the state folder that class files of controllers are called by."""
ROSTER = "roster.csv"


def carry_out(request: PartRequest, progress: Progress) -> HostAnswer:
    """Do what a controller asks, and return how its part of the class is then. Raises LabError for what
    concerns the whole, Interrupted."""
    with working_folder("part") as folder:
        found = _part(request, folder)
        if request.act is Act.UP:
            done = _up(found, request, progress)
        elif request.act is Act.RESET:
            done = _reset(found, request, progress)
        elif request.act is Act.DOWN:
            done = _down(found, request, progress)
        else:
            done = HostAnswer()
        now = _now(found, done)
    if request.act is Act.DOWN and request.everything and not now.machines and not now.homes:
        shutil.rmtree(class_state(found), ignore_errors=True)
    elif not now.machines and not now.homes:
        with contextlib.suppress(OSError):
            class_state(found).rmdir()  # it was only looked at
    return now


def _part(request: PartRequest, folder: Path) -> LoadedClass:
    """Return the part as a class of this host, loaded from an empty ``folder``. It is called by a file that
    is never there: nothing of it stays but machines and home folders. Raises SpecError."""
    if not re.fullmatch("[a-z0-9-]{1,80}", request.key):
        raise SpecError(f"no class has the key {request.key!r}")
    starting = folder / "starting"
    starting.mkdir()
    if request.starting:
        unpack(request.starting, starting)
    written = dict(request.written)
    if request.act is Act.UP and SHARED not in request.seats:
        written.pop(SHARED, None)  # they are on another host
    (folder / ROSTER).write_text(_roster(request), encoding="utf-8")
    (folder / CLASS_FILE).write_text(json.dumps(written))
    found = load_class(folder)
    file = state_dir() / PARTS / request.key / CLASS_FILE
    return replace(
        found,
        file=file,
        machines=replace(found.machines, path=file),
        shared=found.shared and replace(found.shared, path=file),
        given=Given(request.student_keys, starting),
    )


def _roster(request: PartRequest) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerows([("id", "group"), *request.people])
    return text.getvalue()


def _up(found: LoadedClass, request: PartRequest, progress: Progress) -> HostAnswer:
    remove_leftovers(progress)
    require_space(cache_dir())
    seats = [seat for seat in found.seats if seat.name in request.seats]
    up = bring_up(found, seats, progress, rows=True)
    failed = [_failure(one.place, one.problem, one.logs) for one in up.failed]
    return HostAnswer(came=_pairs(up.came), stayed=_pairs(up.were_there), failed=tuple(failed))


def _reset(found: LoadedClass, request: PartRequest, progress: Progress) -> HostAnswer:
    seats = [seat for seat in found.seats if seat.name in request.seats]
    done = reset(found, seats, request.machines, progress)
    failed = [
        _failure(place, problem, logs_of(found, place.seat) / place.machine)
        for place, problem in done
        if problem
    ]
    came = _pairs(tuple(place for place, problem in done if problem is None))
    return HostAnswer(came=came, failed=tuple(failed))


def _down(found: LoadedClass, request: PartRequest, progress: Progress) -> HostAnswer:
    with held(found, progress):
        machines = {place: one for place, one in there(found).items() if place.seat in request.seats}
        problems = take_down(list(machines.values()), progress) if machines else []
        failed = {failure.machine: failure.problem for failure in problems}
        gone = tuple(place for place, one in machines.items() if one.name not in failed)
        up = {place for place, one in machines.items() if one.name in failed}
        for seat, machine in request.destroy:
            if Place(seat, machine) not in up:
                home_image(found, seat, machine).unlink(missing_ok=True)
    told = [
        _failure(place, failed[one.name], one.logs) for place, one in machines.items() if one.name in failed
    ]
    return HostAnswer(came=_pairs(gone), failed=tuple(told))


def _pairs(places: tuple[Place, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((place.seat, place.machine) for place in places)


def _failure(place: Place, problem: LabError, logs: Path | None) -> HostFailure:
    return HostFailure(place.seat, place.machine, problem.message, problem.hint, str(logs or ""))


def _now(found: LoadedClass, done: HostAnswer) -> HostAnswer:
    known = list(standing(found).values())
    by_name = {one.machine.name: one for one in known}
    asked = side_by_side(
        lambda machine: _machine(by_name[machine.name]), [one.machine for one in known], Cancellation()
    )
    machines = tuple(
        _silent(by_name[machine.name]) if isinstance(told, LabError) else told for machine, told in asked
    )
    host = this_host()
    return replace(
        done,
        machines=machines,
        homes=tuple(_homes(found)),
        free=host.memory,
        cpus=host.cpus,
        disk=shutil.disk_usage(class_state(found)).free,
        drained=agent_place().draining.exists(),
        measured={kind: (one.memory, one.seconds) for kind, one in measured_here(found).items()},
    )


def _machine(one: Standing) -> HostMachine:
    """Return a machine with the way into it. Raises LabError if it does not answer."""
    if not one.alive or one.machine.coming:
        return _silent(one)
    address = address_of(one.machine)
    assert address.client_key is not None
    return replace(
        _silent(one),
        port=address.port,
        host_key=base64.b64encode(address.host_key).decode(),
        client_key=address.client_key.read_text(),
    )


def _silent(one: Standing) -> HostMachine:
    handle = one.machine.handle
    return HostMachine(
        seat=one.place.seat,
        machine=one.place.machine,
        run=handle.run,
        arch=handle.arch,
        boundary=handle.boundary,
        accel=handle.accel,
        since=one.machine.member.since,
        coming=one.machine.coming,
        memory=one.memory,
        port=0,
        host_key="",
        client_key="",
        site=asdict(handle.site),
    )


def _homes(found: LoadedClass) -> Iterator[HostHome]:
    for image in sorted((class_state(found) / HOMES).glob("*/[!.]*.img")):
        about = image.stat()
        yield HostHome(image.parent.name, image.stem, about.st_size, about.st_mtime)
