"""The project's own tests, run by pytest in the outer guest: which, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from bench import EVERY_KIND, Kind
from outer import Outer

from orchestrator.deadline import Deadline
from orchestrator.drivers import load
from orchestrator.errors import TimedOut

CONTRACT = "tests/machines/test_driver_contract.py"
_LOG, _RESULTS = "/tmp/pytest.log", "/tmp/results.xml"


@dataclass(frozen=True)
class Case:
    """One test of the inner run; ``trouble`` is empty when it passed. ``module`` is its file's."""

    name: str
    trouble: str
    module: str = ""


def selection(kind: Kind) -> str:
    """The expression for pytest's ``-k`` that means this kind and none whose name is longer."""
    longer = [str(k) for k in EVERY_KIND if k != kind and str(kind) in str(k)]
    return " and ".join([str(kind), *(f"not {name}" for name in longer)])


def contract(outer: Outer, kinds: Sequence[Kind], seconds: float) -> tuple[list[Case], str]:
    """Every test of the driver contract for some kinds, and pytest's own words. One run for all:
    there it takes pytest ten seconds to find its tests. Raises AssertionError."""
    return run_inside(outer, seconds, CONTRACT, "-k", " or ".join(f"({selection(k)})" for k in kinds))


def of_kind(kind: Kind, found: Sequence[Case]) -> list[Case]:
    """Those of the contract's tests that a machine of this kind was asked."""
    longer = tuple(f"[{k}" for k in EVERY_KIND if k != kind and str(k).startswith(str(kind)))
    mark = f"[{kind}"
    return [c for c in found if mark in c.name and not any(name in c.name for name in longer)]


def run_inside(
    outer: Outer, seconds: float, *tests: str, env: Mapping[str, str] | None = None
) -> tuple[list[Case], str]:
    """What became of ``tests`` (arguments of pytest), and pytest's own words; ``env`` is added to
    the environment.

    Raises AssertionError, with what was said until then, when they do not come to an end.
    """
    argv = ["env", *(f"{name}={value}" for name, value in (env or {}).items())]
    argv += ["python3", "-m", "pytest", "-v", "-m", "real", "-p", "no:cacheprovider", "--tb=short"]
    argv += [f"--junitxml={_RESULTS}", "--durations=8", *tests]
    script = f'rm -f {_LOG} {_RESULTS}; exec "$@" >{_LOG} 2>&1'
    try:
        done = outer.run("sh", "-c", script, "sh", *argv, seconds=seconds)
    except TimedOut:
        raise AssertionError(f"not at an end after {seconds:.0f} s:\n{_said(outer)}") from None
    words = outer.say("cat", _LOG)
    assert done.code in (0, 1), f"pytest ended with status {done.code}:\n{words}"  # 1: tests failed
    return cases(outer.say("cat", _RESULTS)), words


def cases(junit: str) -> list[Case]:
    """What a JUnit file says of each test: anything that is not a pass is trouble."""
    found = []
    for case in ElementTree.fromstring(junit).iter("testcase"):
        troubles = [f"{what.tag}: {what.get('message')}\n{what.text or ''}" for what in case]
        places = case.get("classname", "").split(".")
        module = next((place for place in places if place.startswith("test_")), "")
        trouble = "\n".join(t for t in troubles if not t.startswith(("system-", "propert")))
        found.append(Case(f"{places[-1]}.{case.get('name')}", trouble, module))
    return found


def _said(outer: Outer) -> str:
    """The log so far, over a connection of its own: the other one still waits for the command."""
    bench = outer.bench
    with load("qemu").connect(bench.live.handle, Deadline.after(120)) as transport:
        done = transport.run(["cat", outer.path(_LOG)], deadline=Deadline.after(120))
    return done.stdout.decode(errors="replace")
