"""A run that is killed or interrupted leaves nothing that ``isolab gc`` does not find."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command import Answer, Started, environment, isolab, records, started
from consoles import keep_consoles
from habitat import Home, fresh_home, hard_linked, wait_until
from places import LABS

from orchestrator.arch import host_arch
from orchestrator.drivers.container.engine import NAMES
from orchestrator.drivers.qemu.accel import KVM
from orchestrator.host import process_table

pytestmark = pytest.mark.real

MACHINES = ("bare", "crate", "guest")


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield home


def _running(home: Home, *words: str) -> bool:
    """Whether a process from this home has all these words among its arguments."""
    for pid in home.processes():
        with contextlib.suppress(OSError):  # it ended meanwhile
            line = " ".join(process_table.arguments(pid))
            if all(word in line for word in words):
                return True
    return False


@dataclass(frozen=True)
class Moment:
    """A point in a run's life: what the cache has by then, and how to tell that it has come."""

    name: str
    cached: tuple[str, ...]
    has_come: Callable[[Home], bool]
    lab: str = "box"
    interrupted: bool = False

    def __str__(self) -> str:
        return self.name


IMAGES = ("archive", "images", "toolchain")
ALL = (*IMAGES, "programs", "templates")


def _half_made(kind: str) -> Callable[[Home], bool]:
    return lambda home: any((home.root / "cache" / kind).glob(".*-*"))


def _quick_ones_done(home: Home) -> bool:
    return {r["machine"] for r in records(home)} == set(MACHINES)


SLOW_QEMU = """#!/bin/sh
case "$*" in
*"-accel kvm"*) exec python3 -c 'import time; time.sleep(60)' "$0" "$@" ;;
esac
exec {qemu} "$@"
"""
"""QEMU, but that KVM takes its time to fail: where it does so at once, nobody could be killed meanwhile."""


def _with_slow_kvm(folder: Path) -> str:
    """Return a PATH with such a QEMU."""
    name = host_arch().qemu
    folder.mkdir()
    (folder / name).write_text(SLOW_QEMU.format(qemu=shutil.which(name)))
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


SLOW_ENGINE = """#!/bin/sh
case "$*" in
*"rm --force"*) while kill -0 $PPID 2>/dev/null; do sleep 0.05; done ;;
esac
exec {engine} "$@"
"""
"""A container engine that removes nothing while who wants it lives: else nobody could be killed meanwhile."""


def _with_slow_removal(folder: Path) -> str:
    """Return a PATH with such engines."""
    folder.mkdir()
    for name in filter(shutil.which, NAMES):
        (folder / name).write_text(SLOW_ENGINE.format(engine=shutil.which(name)))
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


MOMENTS = [
    Moment("while images are built", ("archive", "toolchain"), _half_made("images")),
    Moment("while programs are compiled", IMAGES, _half_made("programs")),
    Moment("while a template is baked", (*IMAGES, "programs"), _half_made("templates")),
    Moment("while KVM is tried", ALL, lambda home: _running(home, "qemu-system", "accel kvm"), lab="probe"),
    Moment("during boot", ALL, lambda home: _running(home, "qemu-system", "-guest")),
    Moment("during exercises", ALL, _quick_ones_done),
    Moment("during teardown", ALL, lambda home: _running(home, "rm --force"), interrupted=True),
]


def _gc(home: Home) -> Answer:
    return isolab(home, "gc", env=environment(home, ISOLAB_CACHE=str(home.root / "cache")))


@pytest.mark.rotated
@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_killed_for_good(home: Home, moment: Moment) -> None:
    if moment.lab == "probe" and not KVM.exists():
        pytest.skip("KVM is not tried on a host without /dev/kvm")
    cache = hard_linked(moment.cached, home.root / "cache")
    env = environment(home, ISOLAB_CACHE=str(cache))
    if moment.lab == "probe":
        env["PATH"] = _with_slow_kvm(home.root / "programs")
    if moment.interrupted:
        env["PATH"] = _with_slow_removal(home.root / "programs")
    with started(home, "run", LABS / moment.lab, "--out", home.out, env=env) as run:
        if moment.interrupted:
            wait_until(lambda: _quick_ones_done(home) or run.child.poll() is not None, "the quick ones")
            run.send(signal.SIGINT)
        wait_until(lambda: moment.has_come(home) or run.child.poll() is not None, moment.name)
        assert run.child.poll() is None, run.said
        run.send(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    first = _gc(home)
    assert first.code == 0, first.stderr
    assert home.settled() == []
    assert [path for path in cache.glob("*/.*-*")] == []
    second = _gc(home)
    assert (second.code, second.stdout) == (0, "nothing to remove\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_interrupted_in_the_middle_of_exercises(home: Home, number: signal.Signals) -> None:
    with started(home, "run", LABS / "box", "--out", home.out) as run:
        wait_until(lambda: _quick_ones_done(home) or run.child.poll() is not None, "the quick ones")
        run.send(number)
        assert run.wait() == 130, run.said
    assert "isolab: interrupted" in run.said
    assert home.settled() == []
    finished = {(r["machine"], r["exercise"]): r["status"] for r in records(home)}
    assert finished == {(machine, "./quick"): "pass" for machine in MACHINES}
    assert "./quick" in (home.out / "report.html").read_text()
    cases = list(ElementTree.parse(home.out / "junit.xml").iter("testcase"))
    passed = [case for case in cases if case.find("error") is None]
    assert (len(passed), len(cases)) == (len(MACHINES), len(MACHINES) + 1)  # one says what is missing


def test_a_second_ctrl_c_does_not_spoil_the_teardown(home: Home) -> None:
    with started(home, "run", LABS / "box", "--out", home.out) as run:
        wait_until(lambda: _quick_ones_done(home) or run.child.poll() is not None, "the quick ones")
        _send_twice(run)
        assert run.wait() == 130, run.said
    assert home.settled() == []


def _send_twice(run: Started) -> None:
    run.send(signal.SIGINT)
    wait_until(lambda: _running(run.home, "rm --force") or run.child.poll() is not None, "teardown")
    run.send(signal.SIGINT)


def test_a_run_in_another_home_is_not_touched(home: Home) -> None:
    with fresh_home() as other, started(other, "run", LABS / "box", "--out", other.out) as run:
        wait_until(lambda: _quick_ones_done(other) or run.child.poll() is not None, "the quick ones")
        answer = isolab(home, "gc")
        assert (answer.code, answer.stdout) == (0, "nothing to remove\n")
        assert run.child.poll() is None
        assert _running(other, "qemu-system", f"{other.scratch}")
        run.send(signal.SIGTERM)
        assert run.wait() == 130, run.said
        assert "Traceback" not in run.said


@pytest.mark.whole("a run, a template and an emulator for one kill")
def test_killed_while_an_emulator_is_frozen(home: Home) -> None:
    cache = hard_linked(ALL, home.root / "cache")
    env = environment(home, ISOLAB_CACHE=str(cache))
    with started(home, "run", LABS / "box", "--thaw", "--out", home.out, env=env) as run:
        wait_until(
            lambda: _half_made("frozen")(home) or run.child.poll() is not None, "an emulator to freeze"
        )
        assert run.child.poll() is None, run.said
        run.send(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert _gc(home).code == 0
    assert home.settled() == []
    assert [path for path in cache.glob("*/.*-*")] == []
