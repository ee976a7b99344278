"""What every driver promises, asked of a live machine of each kind."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from bench import (
    HOST,
    KINDS,
    THAWED,
    UNDER_KVM,
    Bench,
    Kind,
    living_in,
    on_bench,
    order_for,
    ready_to_thaw,
    require_accelerator,
    template_for,
)
from consoles import keep_consoles
from engines import engine_of
from habitat import fresh_home, own_number
from pairwise import pairwise
from remote import existing
from vboxhome import virtualbox_of

from orchestrator import drivers
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.base import ReportsMemory
from orchestrator.drivers.model import Handle, Template
from orchestrator.host import process
from orchestrator.labfile.models import User
from orchestrator.paths import scratch_dir
from orchestrator.transport.base import Item

pytestmark = pytest.mark.real

FOREIGN_IMAGES = [kind for kind in KINDS if kind.image != "micro" and kind.arch != HOST]
STAND_FOR_ALL = [*pairwise([k for k in KINDS if k not in FOREIGN_IMAGES + UNDER_KVM + THAWED]), *UNDER_KVM]
"""Those under KVM stand for none: hardly any host can run them."""
ENDLESS, SURVIVES = own_number(1), own_number(2)
"""Seconds that processes sleep which must not survive, and that one sleeps which is to."""


def _marked(kind: Kind) -> object:
    """A kind, with how much CI asks of it."""
    if kind in FOREIGN_IMAGES:
        return pytest.param(kind, marks=pytest.mark.whole("their image takes minutes of emulation to make"))
    if kind in THAWED:
        return pytest.param(kind, marks=pytest.mark.whole("test_thawed.py stands for them"))
    if kind not in STAND_FOR_ALL:
        return pytest.param(kind, marks=pytest.mark.seldom)
    if kind.way in ("session", "ssh"):
        return pytest.param(kind, marks=pytest.mark.rotated(str(kind)))
    return kind


@pytest.fixture(scope="module", params=map(_marked, KINDS), ids=str)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind: Kind = request.param
    require_accelerator(kind)
    if kind.driver == "libvirt":
        # An outer guest has the system's daemons and nothing else.
        request.getfixturevalue("libvirt_system" if kind.way == "system" else "libvirt_daemons")
    with (
        engine_of(kind),
        fresh_home() as home,
        living_in(home, anybody=kind.driver == "container"),
        existing(kind, home) as keys,
        virtualbox_of(kind, home),
    ):
        keep_consoles(request.session, home.root)
        order = order_for(kind, home, keys=keys)
        if kind.thawed:
            order = ready_to_thaw(order)
        elif kind.cloned:
            template = template_for(order)
            assert isinstance(template, Template), f"{kind.arch} cannot be cloned: {template}"
            order = replace(order, template=template)
        with on_bench(kind, order) as found:
            yield found
        drivers.load(kind.driver).down(found.live.handle)  # again: it is no error


class TestBecomingAMachine:
    def test_every_name_is_decided_in_advance_and_nothing_is_created(self, bench: Bench) -> None:
        with fresh_home() as home:
            order = replace(order_for(bench.kind, home, name="planned"), machine=bench.order.machine)
            assert bench.driver.prepare(order) == bench.driver.prepare(order)
            assert not order.scratch.exists()
            assert list(order.logs.iterdir()) == []

    @pytest.mark.smoke
    def test_the_handle_is_all_another_process_needs(self, bench: Bench) -> None:
        text = bench.live.handle.to_json()
        assert Handle.from_json(text) == bench.live.handle
        done = process.run(
            [sys.executable, "-c", _CONNECTS],
            deadline=Deadline.after(120),
            stdin=text.encode(),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.stdout == b"hello from another process\n"

    @pytest.mark.smoke
    def test_it_is_among_what_could_be_left_over(self, bench: Bench) -> None:
        tags = [(found.run, found.machine) for found in bench.driver.leftovers(scratch_dir())]
        assert tags == [(bench.order.run, bench.order.name)]


_CONNECTS = """
import sys
from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle
from orchestrator.paths import scratch_dir
handle = Handle.from_json(sys.stdin.read())
deadline = Deadline.after(60)
with drivers.load(handle.driver).connect(handle, deadline) as transport:
    done = transport.run(["echo", "hello from another process"], deadline=deadline)
sys.stdout.buffer.write(done.stdout)
"""


class TestWhatItTakes:
    def test_a_driver_that_weighs_finds_memory_while_it_is_up(self, bench: Bench) -> None:
        if isinstance(bench.driver, ReportsMemory):
            bench.uname("-m")  # something runs there
            assert bench.driver.memory(bench.live.handle) > 0

    def test_coming_up_took_time(self, bench: Bench) -> None:
        assert bench.live.start_seconds > 0


class TestWhatItsConsoleSays:
    def test_nothing_of_trouble_on_the_way_up(self, bench: Bench) -> None:
        """Where there is a console; our init tells there what it had to do without."""
        console = bench.order.logs / "console.log"
        words = console.read_text(errors="replace") if console.exists() else ""
        troubles = ("in advance", "cannot load", "cannot make", "cannot set", "failed:", "Oops")
        assert not [trouble for trouble in troubles if trouble in words], words[-3000:]


class TestFacts:
    @pytest.mark.smoke
    def test_they_are_those_of_the_architecture(self, bench: Bench) -> None:
        arch, facts = ARCHITECTURES[bench.kind.arch], bench.live.facts
        assert facts.machine in arch.uname
        assert (facts.bits, facts.byte_order) == (arch.bits, arch.byte_order)

    def test_programs_see_the_same_machine(self, bench: Bench) -> None:
        assert bench.uname("-m") in ARCHITECTURES[bench.kind.arch].uname

    def test_the_host_name_is_its_own_where_there_is_a_boundary_for_it(self, bench: Bench) -> None:
        name = bench.uname("-n")
        assert name == (os.uname().nodename if bench.kind.on_host else bench.order.name)

    def test_the_clock_is_right(self, bench: Bench) -> None:
        before = time.time()
        inside = int(bench.run("/bin/date", "+%s").stdout)
        assert before - 5 <= inside <= time.time() + 5


class TestHowProgramsEnd:
    @pytest.mark.parametrize("code", [0, 3, 125, 255])
    def test_exit_status(self, bench: Bench, code: int) -> None:
        ending = bench.shell(f"exit {code}")
        assert (ending.exit_code, ending.signal, ending.killed_for) == (code, None, "")

    @pytest.mark.parametrize("name", ["SEGV", "KILL", "TERM", "USR1", "BUS"])
    def test_signals_go_by_name_because_numbers_differ(self, bench: Bench, name: str) -> None:
        ending = bench.shell(f"kill -{name} $$")
        assert (ending.exit_code, ending.signal) == (None, f"SIG{name}")

    def test_a_program_that_is_not_there(self, bench: Bench) -> None:
        ending = bench.run("/nonexistent/program")
        assert "No such file" in ending.start_error

    def test_the_two_outputs_stay_apart(self, bench: Bench) -> None:
        ending = bench.shell("echo out; echo err >&2; echo more")
        assert (ending.stdout, ending.stderr) == ("out\nmore\n", "err\n")

    def test_a_mebibyte_of_output_arrives_whole(self, bench: Bench) -> None:
        script = "head -c 1048576 /dev/zero | tr '\\0' x"
        ending = bench.run("/bin/sh", "-c", script, output_limit=2**21)
        assert ending.stdout == "x" * 2**20
        assert not ending.cut

    def test_output_beyond_the_limit_is_cut(self, bench: Bench) -> None:
        ending = bench.run("/bin/sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x", output_limit=4096)
        assert (ending.stdout, ending.cut, ending.exit_code) == ("x" * 4096, True, 0)
        assert (ending.out.size, ending.out.sha256) == (5000, hashlib.sha256(b"x" * 5000).hexdigest())

    def test_a_program_that_kills_itself_was_not_short_of_memory(self, bench: Bench) -> None:
        ending = bench.shell("kill -KILL $$")
        assert (ending.signal, ending.killed_for) == ("SIGKILL", "")
        assert ending.out_of_memory is not True

    def test_a_flood_of_output_is_stopped(self, bench: Bench) -> None:
        ending = bench.run("/bin/sh", "-c", "exec yes", output_limit=4096)
        assert (ending.killed_for, len(ending.stdout), ending.cut) == ("output", 4096, True)

    def test_standard_input_arrives(self, bench: Bench) -> None:
        data = bytes(range(1, 128)) * 800
        ending = bench.run("/bin/cat", stdin=data, output_limit=2**20)
        assert ending.stdout.encode() == data

    def test_without_input_there_is_end_of_file(self, bench: Bench) -> None:
        assert bench.run("/bin/cat").exit_code == 0

    @pytest.mark.smoke
    def test_time_is_up_for_the_whole_tree(self, bench: Bench) -> None:
        orphan = f"(setsid sh -c 'setsid sleep {ENDLESS} & setsid sleep {ENDLESS} &' &)"
        ending = bench.shell(f"{orphan}; sleep {ENDLESS}", timeout=2.0)
        assert ending.killed_for == "timeout"
        assert bench.processes_with(ENDLESS) == []

    def test_a_process_that_did_survive_would_be_seen(self, bench: Bench) -> None:
        """The control of the tests around it."""
        bench.command("sh", "-c", f"sleep {SURVIVES} </dev/null >/dev/null 2>&1 &")
        # The shell's child is still the shell until its exec(2): it appears a moment later.
        (found,) = poll(lambda: bench.processes_with(SURVIVES), Deadline.after(60), "the survivor")
        bench.command("kill", "-9", found)

    def test_what_a_program_leaves_running_ends_with_it(self, bench: Bench) -> None:
        ending = bench.shell(f"(setsid sleep {ENDLESS} &) ; echo done")
        assert (ending.exit_code, ending.stdout) == (0, "done\n")
        assert bench.processes_with(ENDLESS) == []

    def test_one_connection_serves_many_programs(self, bench: Bench) -> None:
        assert [bench.shell(f"echo {n}").stdout for n in range(5)] == [f"{n}\n" for n in range(5)]


class TestWhoRuns:
    @pytest.mark.smoke
    def test_a_student_without_capabilities(self, bench: Bench) -> None:
        assert bench.run("/bin/sh", "-c", "id -u; id -g").stdout.split() == [str(bench.student)] * 2
        status = bench.run("/bin/cat", "/proc/self/status").stdout.splitlines()
        sets = dict(line.split(":\t") for line in status if line.startswith("Cap"))
        held = {name: int(sets[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
        assert held == dict.fromkeys(held, 0)

    def test_the_other_user_is_somebody_else(self, bench: Bench) -> None:
        if bench.kind.via == "user":
            assert set(bench.live.handle.site.users) == {"student"}  # exercises that need more are skipped
            return
        uid = bench.run("/bin/sh", "-c", "id -u", user=User.OTHER).stdout.strip()
        assert uid == str(bench.live.handle.site.users["other"]) != str(bench.student)

    def test_the_environment_is_what_was_given_and_nothing_else(self, bench: Bench) -> None:
        given = {"PLAIN": "1", "WORDS": "two words", "SIGNS": "a=b;$HOME'\""}
        seen = bench.run("/usr/bin/env", env=given).stdout.splitlines()
        assert sorted(seen) == sorted(f"{name}={value}" for name, value in given.items())


class TestFiles:
    @pytest.mark.smoke
    def test_names_modes_and_owners_survive(self, bench: Bench) -> None:
        bench.put(
            Item("my files", None, 0o750, bench.student),
            Item("my files/a tool", b"#!/bin/sh\necho ran\n", 0o755, bench.student),
            Item("my files/secret", b"\0\xff" * 70000, 0o600, bench.student),
        )
        names = ["my files", "my files/a tool", "my files/secret"]
        shown = bench.command("stat", "-c", "%a %u", *[f"{bench.work}/{name}" for name in names])
        assert shown.stdout.decode().splitlines() == [f"{m} {bench.student}" for m in ("750", "755", "600")]
        assert bench.run(f"{bench.work}/my files/a tool").stdout == "ran\n"

    def test_two_hundred_files_there_and_back(self, bench: Bench) -> None:
        files = {f"many/{n:03}": os.urandom(n) for n in range(200)}
        bench.put(Item("many", None, 0o755), *(Item(name, data) for name, data in files.items()))
        sent = bench.command("tar", "-c", "-f", "-", "-C", bench.work, "many")
        assert (sent.code, sent.stderr) == (0, b"")
        with tarfile.open(fileobj=io.BytesIO(sent.stdout)) as archive:
            found = {e.name: file.read() for e in archive if (file := archive.extractfile(e))}
        assert found == files

    def test_a_missing_file_is_said_to_be_missing(self, bench: Bench) -> None:
        failed = bench.command("tar", "-c", "-f", "-", "-C", bench.work, "absent")
        assert failed.code != 0
        assert b"absent" in failed.stderr


def test_what_became_of_it_is_written_down(bench: Bench) -> None:
    facts = json.loads((bench.order.logs / "facts.json").read_text())
    assert facts["machine"] == bench.live.facts.machine
