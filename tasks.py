"""The verbs of ``isolab``, as Invoke tasks. Each calls one function of the package."""

from __future__ import annotations

import shlex

from invoke import Context, Exit, task

_LAB = {"lab": "a lab's folder or file, such as labs/separation"}
_FORMAT = {"format": "text (default) or json"}
_ONLY = {"only": "machines of the lab, with commas between them (default: all)"}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@task(help=_FORMAT)
def doctor(_context: Context, format: str = "text") -> None:  # noqa: A002
    """What this host can run: drivers, architectures, accelerator, missing packages."""
    from orchestrator.verbs.doctor import doctor

    raise Exit(code=doctor(format))


@task(help={**_LAB, **_FORMAT})
def validate(_context: Context, lab: str, format: str = "text") -> None:  # noqa: A002
    """Every mistake in a lab and its exercises at once, with file, line and column."""
    from orchestrator.verbs.labs import validate

    raise Exit(code=validate(lab, format))


@task(help={"kind": "lab (default) or exercise"})
def schema(_context: Context, kind: str = "lab") -> None:
    """JSON Schema of lab or exercise files, for editors."""
    from orchestrator.verbs.labs import print_schema

    raise Exit(code=print_schema(kind))


@task(help={**_LAB, **_ONLY, **_FORMAT})
def plan(_context: Context, lab: str, only: str = "", format: str = "text") -> None:  # noqa: A002
    """Dry run: machines, memory, ports, expected time; fits or short by how much."""
    from orchestrator.verbs.labs import show_plan

    raise Exit(code=show_plan(lab, _names(only), format))


@task(
    help={
        "action": "build, list, verify or prune",
        "arch": "architectures, with commas between them (default: all)",
        "image": "images, with commas between them (default: all; to build: those without a disk)",
        **_FORMAT,
    }
)
def images(
    _context: Context,
    action: str,
    arch: str = "",
    image: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Guest images: build, list, verify, prune."""
    from orchestrator.verbs.images import act

    raise Exit(code=act(action, _names(arch), format, _names(image)))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        "exercise": "exercises of the lab, with commas between them (default: all)",
        "out": "where to leave records and reports (default: runs/<id>)",
        "cold": "boot every machine instead of cloning booted templates",
    }
)
def run(
    _context: Context,
    lab: str,
    only: str = "",
    exercise: str = "",
    out: str = "",
    cold: bool = False,
    format: str = "text",  # noqa: A002
) -> None:
    """Bring a lab up, run its exercises everywhere, compare the answers, tear it down."""
    from orchestrator.verbs.run import run

    raise Exit(code=run(lab, _names(only), _names(exercise), out, cold, format))


@task(
    name="try",
    help={
        "program": "a C file, or a folder with a Makefile",
        "args": "arguments of the program, as one text",
        "on": "all (default), or machines with commas between them: process, sandbox, container, vm, s390x …",
        "stdin": "a file the program reads as its standard input",
        "build": "the command that builds it, with CC set to a compiler of each architecture",
        "timeout": "how long it may take on a native machine (default: 10s)",
        **_FORMAT,
    },
)
def try_program(
    _context: Context,
    program: str,
    args: str = "",
    on: str = "all",
    stdin: str = "",
    build: str = "",
    timeout: str = "10s",
    format: str = "text",  # noqa: A002
) -> None:
    """Compile one C program for every architecture, run it everywhere, show the differences."""
    from orchestrator.verbs.attempt import attempt

    raise Exit(code=attempt(program, tuple(shlex.split(args)), on, stdin, build, timeout, format))


@task(
    help={
        "run": "the folder of a run",
        "format": "text (default), markdown, html, junit, csv, gradescope, json",
        "out": "file to write (default: standard output)",
    }
)
def report(_context: Context, run: str, format: str = "text", out: str = "") -> None:  # noqa: A002
    """A finished run as text, Markdown, HTML, JUnit, CSV, Gradescope or JSON."""
    from orchestrator.verbs.report import report

    raise Exit(code=report(run, format, out))


@task(help=_FORMAT)
def gc(_context: Context, format: str = "text") -> None:  # noqa: A002
    """Remove what crashed or killed runs left behind."""
    from orchestrator.verbs.gc import gc

    raise Exit(code=gc(format))


@task(help={"all": "also the tests on real machines", "args": "further arguments for pytest, as one text"})
def test(_context: Context, all: bool = False, args: str = "") -> None:  # noqa: A002
    """The project's own tests: the quick ones, or with --all every one."""
    from orchestrator.verbs.tests import test

    raise Exit(code=test(all, tuple(args.split())))


@task(
    help={
        "rounds": "how often each start is measured (default and least: 5)",
        "crowd": "how many clones at once (default: 30)",
        "no-stock": "leave out the stock distribution, which takes minutes and root to build",
        "out": "a file for the rows as JSON",
        **_FORMAT,
    }
)
def bench(
    _context: Context,
    rounds: int = 5,
    crowd: int = 30,
    no_stock: bool = False,
    out: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """The project's own figures: start of clones, memory, overhead, whole commands."""
    from orchestrator.verbs.bench import bench

    raise Exit(code=bench(rounds, crowd, not no_stock, out, format))
