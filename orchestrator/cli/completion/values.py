"""What an argument's value may be: labs, their machines and exercises, machines that are up, formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from orchestrator.cli.grammar import Verb

Candidates = Iterable[tuple[str, str]]
"""What may be typed, and what it means."""
Typed = Mapping[str, str]
"""The positional arguments typed before, by name."""


def known(verb: Verb, name: str, typed: Typed) -> Candidates:
    """The values of an argument that are known beforehand; none where files, or anything, may be named."""
    found = _OF_VERB.get((verb.name, name)) or _OF_ALL.get(name)
    return found(typed) if found else ()


def _words(*words: str) -> Callable[[Typed], Candidates]:
    return lambda _typed: [(word, "") for word in words]


def _labs(_typed: Typed) -> Candidates:
    from orchestrator.labfile.builtin import builtin_labs, labs_here

    yield from ((name, "built-in lab") for name in builtin_labs())
    yield from ((str(folder), "lab") for folder in labs_here())


def _machines_of_lab(typed: Typed) -> Candidates:
    from orchestrator.cli.labs import open_lab

    machines = open_lab(typed["lab"]).lab.machines
    return [(name, machine.driver) for name, machine in machines.items()]


def _exercises_of_lab(typed: Typed) -> Candidates:
    from orchestrator.cli.labs import open_lab

    exercises = open_lab(typed["lab"]).exercises
    topics = dict.fromkeys(one.name.rpartition("/")[0] for one in exercises)
    yield from ((one.name, one.spec.title) for one in exercises)
    yield from ((topic, "all exercises of this topic") for topic in topics if topic not in ("", "."))


def _kinds_of_machine(_typed: Typed, every: bool) -> Candidates:
    from orchestrator.arch import ARCHITECTURES, host_arch
    from orchestrator.run.adhoc import machines_for

    users = [f"user-{name}" for name in ARCHITECTURES if name != host_arch().name]
    yield from ((name, machine.driver) for name, machine in machines_for("all").items())
    yield from ((name, "user-mode emulation") for name in users)
    if every:
        yield "all", "every boundary and architecture"


def _running(_typed: Typed, sessions: bool) -> Candidates:
    from orchestrator.sessions.lookup import session_machines

    there = [one for one in session_machines() if not one.coming]
    yield from ((one.machine, one.name) for one in there)
    yield from ((one.name, one.handle.driver) for one in there)
    if sessions:
        yield from ((name, "session") for name in dict.fromkeys(one.session for one in there))


def _images(_typed: Typed) -> Candidates:
    from orchestrator.labfile.image_catalog import recipes

    return [(name, "image") for name in recipes()]


def _architectures(_typed: Typed) -> Candidates:
    from orchestrator.arch import ARCHITECTURES

    return [(name, arch.title) for name, arch in ARCHITECTURES.items()]


def _guest_drivers(_typed: Typed) -> Candidates:
    from orchestrator.driver_traits import drivers_that

    return [(name, "driver") for name in drivers_that(lambda traits: traits.guest)]


def _runs(_typed: Typed) -> Candidates:
    from orchestrator.record import RECORDS

    yield "last", "the latest run"
    yield from ((str(file.parent), "run") for file in sorted(Path("runs").glob(f"*/{RECORDS}"), reverse=True))


def _report_formats(_typed: Typed) -> Candidates:
    from orchestrator.report import FORMATS

    return [(name, "") for name in FORMATS]


_OF_ALL: Mapping[str, Callable[[Typed], Candidates]] = {
    "arch": _architectures,
    "driver": _guest_drivers,
    "exercise": _exercises_of_lab,
    "format": _words("text", "json"),
    "image": _images,
    "lab": _labs,
    "libc": _words("musl", "glibc", "both"),
    "machine": partial(_kinds_of_machine, every=False),
    "on": partial(_kinds_of_machine, every=True),
    "only": _machines_of_lab,
    "run": _runs,
    "user": _words("student", "other", "root"),
}
_OF_VERB: Mapping[tuple[str, str], Callable[[Typed], Candidates]] = {
    ("console", "name"): partial(_running, sessions=False),
    ("down", "names"): partial(_running, sessions=True),
    ("images", "action"): _words("build", "list", "verify", "prune", "export"),
    ("images", "names"): _images,
    ("list", "what"): _words("labs", "exercises", "images"),
    ("logs", "name"): partial(_running, sessions=False),
    ("pull", "name"): partial(_running, sessions=False),
    ("push", "name"): partial(_running, sessions=False),
    ("report", "for"): _words("student", "lecturer"),
    ("report", "format"): _report_formats,
    ("reset", "further"): partial(_running, sessions=True),
    ("reset", "name"): partial(_running, sessions=True),
    ("schema", "kind"): _words("lab", "exercise", "hidden", "class", "policy", "image", "hosts"),
    ("ssh", "name"): partial(_running, sessions=False),
}
